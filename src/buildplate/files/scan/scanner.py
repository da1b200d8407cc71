"""Reads a G-code file once, from its first byte to its last, and says what it would print."""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING, TypeVar

from buildplate.files.model import Analysis, ToolUse
from buildplate.files.scan.layers import LayerMarks
from buildplate.files.scan.motion import Motion
from buildplate.files.scan.slicers import SlicerFacts, slicer_facts
from buildplate.files.scan.thumbnails import best_thumbnail

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

T = TypeVar("T")

WINDOW = 1 << 16
"""Bytes worked on at a time: what one holds in objects stays within the processor's cache."""
ENDS = 1 << 20
"""Bytes at each end of the file in which slicers' comments are looked for."""
LONGEST_LINE = 1 << 14
"""Bytes of a line that are executed; no printer takes a longer one."""
COMMENT_LINE = re.compile(rb"\n;[^\n]*")
NOBODY = SlicerFacts(slicer="")


class Scanner:
    """Feed it the content in pieces of any size, then ask for the analysis.

    The result depends on the content alone, never on the pieces; memory stays within a few MiB.
    """

    def __init__(self) -> None:
        self._motion = Motion()
        self._lines = 0
        self._size = 0
        self._head = b""
        self._tail: deque[bytes] = deque(maxlen=ENDS // WINDOW)
        self._waiting = bytearray()
        self._rest = b""
        self._facts: SlicerFacts | None = None
        self._marks = LayerMarks()

    def feed(self, piece: bytes) -> None:
        """Takes the next bytes."""
        self._waiting += piece
        whole = len(self._waiting) - len(self._waiting) % WINDOW
        for start in range(0, whole, WINDOW):
            self._window(bytes(self._waiting[start : start + WINDOW]))
        del self._waiting[:whole]

    def finish(self) -> Analysis:
        """Says what the content does; nothing can be fed any more."""
        self._window(bytes(self._waiting))
        if self._rest:
            self._lines += 1
            self._execute(self._rest + b"\n")
        tail = _comments(b"".join(self._tail)) if self._size > ENDS else b""
        return self._analysis(slicer_facts(_comments(self._head), tail) or NOBODY)

    def _window(self, window: bytes) -> None:
        if len(self._head) < ENDS:
            self._head += window
            self._facts = self._facts or slicer_facts(_comments(window), b"")
        self._tail.append(window)
        self._marks.feed(window)
        self._size += len(window)
        self._lines += window.count(b"\n")
        end = window.rfind(b"\n") + 1
        if end:
            self._execute(self._rest + window[:end])
            self._rest = window[end:]
        else:
            self._rest += window
        self._rest = self._rest[:LONGEST_LINE]

    def _execute(self, lines: bytes) -> None:
        self._motion.feed(lines)

    def _analysis(self, facts: SlicerFacts) -> Analysis:
        motion = self._motion
        return Analysis(
            lines=self._lines,
            print_box=motion.printed.box(),
            travel_box=motion.everywhere().box(),
            tools=_tools(motion.tools, facts),
            max_nozzle_c=motion.heat.get("nozzle"),
            max_bed_c=motion.heat.get("bed"),
            max_chamber_c=motion.heat.get("chamber"),
            slicer=facts.slicer or None,
            slicer_version=facts.version,
            estimated_s=facts.estimated_s,
            filament_mm=facts.total_mm,
            filament_g=facts.total_g,
            layers=facts.layers or len(self._marks.starts()) or None,
            layer_height=facts.layer_height,
            first_layer_height=facts.first_layer_height,
            printer_model=facts.printer_model,
            thumbnail=best_thumbnail(self._head),
        )


def scan_file(path: Path) -> Analysis:
    """Scans the file at `path`; raises OSError where it can't be read."""
    scanner = Scanner()
    with path.open("rb", buffering=0) as file:
        while piece := file.read(WINDOW):
            scanner.feed(piece)
    return scanner.finish()


def _comments(text: bytes) -> bytes:
    """The lines that are comments: few, and so much quicker to search than the whole."""
    return b"".join(COMMENT_LINE.findall(b"\n" + text))


def _tools(printed_with: set[int], facts: SlicerFacts) -> tuple[ToolUse, ...]:
    used = {tool for tool, length in enumerate(facts.filament_mm) if length}
    return tuple(
        ToolUse(
            tool=tool,
            filament_mm=_at(facts.filament_mm, tool),
            filament_g=_at(facts.filament_g, tool) or None,
            filament_type=_at(facts.filament_types, tool),
            nozzle_mm=_at(facts.nozzles_mm, tool),
        )
        for tool in sorted(used | printed_with)
    )


def _at(values: Sequence[T | None], place: int) -> T | None:
    return values[place] if place < len(values) else None
