"""Pictures of the print that slicers put into comments, as base64 between two markers."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING

from buildplate.core.images import media_type
from buildplate.files.model import Thumbnail, ThumbnailPlace

if TYPE_CHECKING:
    from collections.abc import Iterator

LARGEST = 700_000
"""Bytes of base64 a picture may have: about half a megabyte of PNG."""
# Begun by a newline, not by ^ in MULTILINE: that would be tried at every byte of the file.
BLOCK = re.compile(
    rb"\n;[ \t]*(thumbnail(?:_[A-Z]{3})?) begin (\d{1,4})[x ](\d{1,4})[^\n]*\n"
    rb"((?:;(?![^\n]*thumbnail)[^\n]*\n)+);[ \t]*\1 end"
)
NOISE = re.compile(rb"[;\s]+")


def best_thumbnail(head: bytes) -> ThumbnailPlace | None:
    """Finds the largest PNG or JPEG in the first bytes of a file; None where there is none."""
    return max(_places(head), key=lambda place: place.width * place.height, default=None)


def decode_thumbnail(place: ThumbnailPlace, text: bytes) -> Thumbnail | None:
    """Decodes the comment lines at `place`; None where they are not the picture they claim."""
    data = _decode(text)
    if media_type(data) != place.media_type:
        return None
    return Thumbnail(place.media_type, place.width, place.height, data)


def _places(head: bytes) -> Iterator[ThumbnailPlace]:
    for block in BLOCK.finditer(b"\n" + head):
        start, end = (place - 1 for place in block.span(4))
        if end - start <= LARGEST:
            found = media_type(_decode(head[start:end]))
            if found:
                yield ThumbnailPlace(found, int(block[2]), int(block[3]), start, end - start)


def _decode(text: bytes) -> bytes:
    try:
        return base64.b64decode(NOISE.sub(b"", text), validate=True)
    except binascii.Error:
        return b""
