"""Which files of printers are told, and how many of their pictures are kept."""

from __future__ import annotations

import pytest

from buildplate.drivers.sdk import HostFile, Picture
from buildplate.fleet.pictures import KEPT_BYTES, KEPT_PICTURES, Pictures, shown, tag_of

OURS = "bp-0192f0c1e9a77000a1b2c3d4e5f60718-1.gcode"


@pytest.mark.parametrize("path", [OURS, OURS.upper(), f"x/{OURS}", f"./{OURS}", f" {OURS}", "BP-"])
def test_what_may_be_a_file_of_ours_is_not_told(path: str) -> None:
    assert shown(HostFile(path)) is None


@pytest.mark.parametrize("path", ["vase.gcode", "bp.gcode", "bp-x/vase.gcode", "my-bp-1.gcode"])
def test_a_file_of_others_is_told(path: str) -> None:
    assert shown(HostFile(path)) == HostFile(path)


def test_a_tag_is_of_one_file_with_its_content_on_one_printer() -> None:
    file = HostFile("a.gcode", "1")
    others = [("q", file), ("p", HostFile("a.gcode", "2")), ("p", HostFile("b.gcode", "1"))]
    assert len({tag_of("p", file), *(tag_of(*one) for one in others)}) == 4
    assert tag_of("p", HostFile("\ud800.gcode"))


def test_pictures_are_bounded_in_bytes_and_in_number() -> None:
    kept = Pictures()
    large = Picture(b"x" * (KEPT_BYTES // 4), "image/png")
    for number in range(6):
        kept.keep(str(number), large)
        kept.get("0")  # somebody looks at it now and then
    assert [number for number in range(6) if str(number) in kept] == [0, 3, 4, 5]
    for number in range(2 * KEPT_PICTURES):
        kept.keep(f"none {number}", None)
    assert sum(f"none {number}" in kept for number in range(2 * KEPT_PICTURES)) <= KEPT_PICTURES
    assert "5" not in kept
    for _ in range(9):
        kept.keep("same", large)
    assert "same" in kept
