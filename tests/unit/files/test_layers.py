"""Where a content's layers begin, whatever the pieces it comes in and whoever sliced it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildplate.files.scan import layers
from buildplate.files.scan.layers import LONGEST_LINE, LayerMarks
from tests.gcode_samples import square_tower
from tests.unit.files.pieces import bytewise, cuts

TOWER = square_tower(layers=4, size_mm=20, nozzle_c=215, bed_c=65)
LAYER = b";%s\nG1 X1 E1\n"


def starts(*pieces: bytes) -> tuple[int, ...]:
    marks = LayerMarks()
    for piece in pieces:
        marks.feed(piece)
    return marks.starts()


def test_each_layer_begins_at_the_mark_of_the_slicer() -> None:
    found = starts(TOWER)
    assert found == tuple(place.start() for place in re.finditer(b";LAYER_CHANGE", TOWER))
    assert len(found) == 4


@given(cuts(TOWER))
def test_the_pieces_make_no_difference(pieces: list[bytes]) -> None:
    assert starts(*pieces) == starts(TOWER)
    assert starts(*bytewise(TOWER[:2000])) == starts(TOWER[:2000])


@pytest.mark.parametrize(
    "marks",
    [
        (b"LAYER_CHANGE", b"LAYER_CHANGE \r"),
        (b" CHANGE_LAYER", b" CHANGE_LAYER"),
        (b"LAYER:-1", b"LAYER:0"),
        (b" layer 1, Z = 0.200", b" layer 2, Z = 0.400"),
        (b" BEGIN_LAYER_OBJECT z=0.2", b" BEGIN_LAYER_RAFT z=0.4"),
    ],
)
def test_every_slicer_has_a_mark_of_its_own(marks: tuple[bytes, bytes]) -> None:
    content = b"G28\n" + LAYER % marks[0] + LAYER % marks[1]
    assert starts(content) == (4, 4 + len(LAYER % marks[0]))


def test_a_mark_may_be_the_first_line_and_the_last_without_an_end() -> None:
    assert starts(b";LAYER:0\nG28\n;LAYER_CHANGE") == (0,)
    assert starts(b"G28\n;LAYER_CHANGE") == (4,)


@pytest.mark.parametrize(
    "line", [b"; LAYER_CHANGES", b"M117 ;LAYER_CHANGE", b";LAYER_COUNT:4", b"; layer_height = 0.2"]
)
def test_what_only_looks_like_a_mark_is_none(line: bytes) -> None:
    assert starts(b"G28\n" + line + b"\nG1 X1\n") == ()


@given(st.integers(LONGEST_LINE - 2, 3 * LONGEST_LINE))
def test_a_line_without_end_takes_no_memory_and_moves_nothing(length: int) -> None:
    line = b";" + b"x" * length
    marks = LayerMarks()
    for start in range(0, len(line), 1000):
        marks.feed(line[start : start + 1000])
        assert len(marks._waiting) <= LONGEST_LINE + 1
    marks.feed(b";LAYER:0\n;LAYER:1\n")
    assert marks.starts() == (len(line) + len(b";LAYER:0\n"),)


def test_more_marks_than_any_print_has_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers, "MOST_LAYERS", 3)
    assert len(starts(b";LAYER:1\n" * 3)) == 3
    assert starts(b";LAYER:1\n" * 4) == ()
