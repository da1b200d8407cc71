"""Where the layers of a G-code file begin, by the marks that slicers leave."""

from __future__ import annotations

import re

MOST_LAYERS = 100_000
LONGEST_LINE = 1 << 14
"""Bytes of an unfinished line that are kept; no mark is nearly as long."""
VERSION = 1
"""Of what is taken for a mark: another one where another release finds other layers."""
MARK = re.compile(
    rb"\n;[ \t]*+(?:"
    rb"(LAYER_CHANGE(?=[ \t\r]*\n))"  # PrusaSlicer, SuperSlicer, OrcaSlicer
    rb"|(CHANGE_LAYER(?=[ \t\r]*\n))"  # BambuStudio, and OrcaSlicer for Bambu's printers
    rb"|(LAYER:[ \t]*-?\d)"  # Cura, ideaMaker
    rb"|(layer \d+, Z = )"  # Simplify3D
    rb"|(BEGIN_LAYER_\w+ z=)"  # KISSlicer
    rb")"
)


class LayerMarks:
    """Feed it the content in pieces of any size, then ask where the layers begin.

    The kind of mark that comes first is the one that counts: some files hold two.
    """

    def __init__(self) -> None:
        self._waiting = b"\n"
        self._at = -1
        self._kind: int | None = None
        self._starts: list[int] = []

    def feed(self, piece: bytes) -> None:
        """Takes the next bytes."""
        text = self._waiting + piece
        end = text.rfind(b"\n")
        for mark in MARK.finditer(text, 0, end + 1):
            self._kind = self._kind or mark.lastindex
            if mark.lastindex == self._kind and len(self._starts) <= MOST_LAYERS:
                self._starts.append(self._at + mark.start() + 1)
        kept = max(end, len(text) - LONGEST_LINE, 0)
        self._waiting = text[kept:]
        self._at += kept

    def starts(self) -> tuple[int, ...]:
        """The byte of each mark, in order, once all is fed; none where there are too many."""
        self.feed(b"\n")
        return tuple(self._starts) if len(self._starts) <= MOST_LAYERS else ()
