"""What the first bytes of pictures say: their type and their size in pixels."""

from __future__ import annotations

import pytest

from buildplate.core.images import media_type, sides
from tests.gcode_samples import png

FRAME = b"\xff\xc2\0\x0b\x08\0\x20\1\x30"
JFIF = b"\xff\xe0\0\x04ab"


def test_a_png_says_its_sides() -> None:
    assert (media_type(png(300, 7)), sides(png(300, 7))) == ("image/png", (300, 7))


@pytest.mark.parametrize(
    "before",
    [
        b"\xff\xd8" + JFIF,
        b"\xff\xd8\xff" + JFIF,
        b"\xff\xd8" + JFIF + b"\xff\xc4\0\x05\xff\xc0\0",
        b"\xff\xd8\xff\x01" + JFIF,
    ],
    ids=["plain", "filled", "a table first", "a marker alone"],
)
def test_a_jpeg_says_its_sides_in_the_header_of_its_frame(before: bytes) -> None:
    assert (media_type(before + FRAME), sides(before + FRAME)) == ("image/jpeg", (304, 32))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GIF89a",
        b"<svg/>",
        b"\x89PNG is not all of it",
        png(9, 9)[:23],
        png(9, 9).replace(b"IHDR", b"IDAT", 1),
        b"\xff\xd8\xff",
        b"\xff\xd8" + JFIF,
        b"\xff\xd8" + JFIF + FRAME[:8],
        b"\xff\xd8" + JFIF + b"\xff\xda\0\x04ab" + FRAME,
        b"\xff\xd8" + JFIF + b"\0" + FRAME,
        b"\xff\xd8" + b"\xff\xe1\0\0" * 9,
        b"\xff\xd8" + b"\xff" * 9_000 + FRAME,
    ],
    ids=range(13),
)
def test_what_does_not_say_its_sides_has_none(data: bytes) -> None:
    assert sides(data) is None


def test_no_cut_of_a_picture_raises() -> None:
    for whole in (png(40, 30), b"\xff\xd8" + JFIF + FRAME):
        for end in range(len(whole)):
            assert sides(whole[:end]) in {None, (40, 30)}
