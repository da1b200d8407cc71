"""What a printer's console has said lately: bounded, in memory, each line with its number."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from buildplate.drivers.sdk import ConsoleLine, Speaker

KEPT_LINES, LONGEST_LINE = 500, 500


@dataclass(frozen=True, slots=True)
class Line:
    """One line, its number and when it was heard."""

    seq: int
    at: datetime
    text: str
    speaker: Speaker
    error: bool


class Console:
    """The last lines of one printer; numbers are never used twice while the process lives."""

    def __init__(self) -> None:
        self._lines: deque[Line] = deque(maxlen=KEPT_LINES)
        self.last = 0

    def add(self, said: Iterable[ConsoleLine], at: datetime) -> None:
        """Take lines in the order in which they were said; overlong ones are cut."""
        for one in said:
            self.last += 1
            text = one.text if len(one.text) <= LONGEST_LINE else f"{one.text[:LONGEST_LINE]}…"
            self._lines.append(Line(self.last, at, text, one.speaker, one.error))

    def since(self, seq: int, limit: int = KEPT_LINES) -> Sequence[Line]:
        """At most `limit` lines after number `seq`, the oldest first; of many, the newest."""
        found = [line for line in self._lines if line.seq > seq]
        return found[-limit:]
