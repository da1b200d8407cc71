"""Tells a PNG and a JPEG from everything else, and how large they are drawn, by their own bytes."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

PNG, JPEG = "image/png", "image/jpeg"
SIGNATURES: Mapping[bytes, str] = MappingProxyType(
    {b"\x89PNG\r\n\x1a\n": PNG, b"\xff\xd8\xff": JPEG}
)
_PNG_SIDES = slice(16, 24)
"""Width and height in the first chunk, `IHDR` (PNG, 5.2 and 11.2.1)."""

_MARKER, _SCAN, _END = 0xFF, 0xDA, 0xD9
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_ALONE = frozenset({0x01, *range(0xD0, 0xD8)})
"""Markers of a JPEG (ITU T.81, B.1.1.3): of a frame with its size, and those without a length."""

MOST_SEGMENTS = 1000


def media_type(data: bytes) -> str | None:
    """The type of a picture by its first bytes; None for what is neither a PNG nor a JPEG."""
    return next((name for begin, name in SIGNATURES.items() if data.startswith(begin)), None)


def sides(data: bytes) -> tuple[int, int] | None:
    """Width and height of a PNG or a JPEG in pixels; None where it does not say them."""
    match media_type(data):
        case "image/png" if data[12:16] == b"IHDR" and len(data) >= _PNG_SIDES.stop:
            both = data[_PNG_SIDES]
            return int.from_bytes(both[:4]), int.from_bytes(both[4:])
        case "image/jpeg":
            return _frame(data)
    return None


def _frame(data: bytes) -> tuple[int, int] | None:
    """The size that the frame header of a JPEG tells (ITU T.81, B.2.2); it precedes the scan."""
    at = 2
    for _ in range(MOST_SEGMENTS):
        if at + 4 > len(data) or data[at] != _MARKER:
            return None
        kind = data[at + 1]
        if kind == _MARKER:  # a byte that only fills
            at += 1
        elif kind in _ALONE:
            at += 2
        elif kind in {_SCAN, _END}:
            return None
        elif kind in _FRAMES:
            both = data[at + 5 : at + 9]
            is_whole = len(both) == len("hhww")
            return (int.from_bytes(both[2:]), int.from_bytes(both[:2])) if is_whole else None
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4])
    return None
