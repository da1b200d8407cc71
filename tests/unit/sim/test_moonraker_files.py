"""What a simulated Moonraker reads out of its files, and what goes with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from buildplate_sim.moonraker import metadata
from buildplate_sim.moonraker.files import Files
from tests.gcode_samples import png, thumbnail_block

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("layer_height = 0.2", {"layer_height": 0.2}),
        ("layer_height = 0.2.1", {"layer_height": 0.2}),
        ("layer_height = .3", {"layer_height": 0.3}),
        ("layer_height = ...", {}),
        ("layer_height = " + "9" * 5_000, {"layer_height": 999_999_999_999_999_999.0}),
        ("total layers count = 40", {"layer_count": 40}),
        ("total layers count = 4.5", {"layer_count": 4}),
        ("total layers count = " + "9" * 5_000, {"layer_count": 999_999_999}),
        ("estimated printing time (normal mode) = 1h 2m 3s", {"estimated_time": 3723}),
        ("estimated printing time (normal mode) = soon", {"estimated_time": 0}),
    ],
)
def test_any_comment_is_read_and_none_raises(
    tmp_path: Path, written: str, found: dict[str, float]
) -> None:
    place = tmp_path / "a.gcode"
    place.write_text(f"G28\n; {written}\n")
    assert metadata.read(place) == {"slicer": "Unknown", "slicer_version": "?"} | found


def test_pictures_go_with_their_file_and_no_others(tmp_path: Path) -> None:
    files = Files(tmp_path / "gcodes", tmp_path / "temporary")
    files.folder.mkdir()
    for name in ("a.gcode", "a-1.gcode"):
        (files.folder / name).write_bytes(b"G28\n" + thumbnail_block(png(32, 16), 32, 16))
        assert files.metadata(name)["thumbnails"]
    files.delete("a.gcode", "")
    left = [place.name for place in (files.folder / metadata.PICTURES).iterdir()]
    assert left == ["a-1-32x16.png"]
    files.delete("a-1.gcode", "")
    assert not any((files.folder / metadata.PICTURES).iterdir())
