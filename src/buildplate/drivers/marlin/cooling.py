"""Switches off what heats on a line, and knows where that has not happened in time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import Enum, auto

from buildplate.drivers.marlin import scripts
from buildplate.drivers.marlin.notes import Notes
from buildplate.protocols.marlin import Sender

FIRST_OFF = b"M104 S0\nM140 S0\nM104 T0 S0\n"
"""Before the tools are known: the one in use, and the first, which every board has."""
OFF_WITHIN_S = 10.0
"""Heaters that an alarm switches off and that are not off by then: M112."""


class Off(Enum):
    """The last of the lines that switch off what heats."""

    DONE = auto()


class Cooling:
    """Works on the line's thread. `known`: the names of all heaters. Times are monotonic s.

    The answer to the last line carries `Off.DONE`: `done` is to be called with it.
    """

    def __init__(self, sender: Sender, notes: Notes, known: Callable[[], Sequence[str]]) -> None:
        self._sender = sender
        self._notes = notes
        self._known = known
        self._by: float | None = None

    @property
    def urgent(self) -> bool:
        """Whether an alarm waits for the heaters to be off."""
        return self._by is not None

    def switch_off(self) -> None:
        """Switch off whatever heats, before the next line of a stream."""
        lines = scripts.heaters_off(self._known())
        for at, line in enumerate(lines, 1):
            self._sender.command(line.encode(), Off.DONE if at == len(lines) else None)

    def switch_off_in_time(self, now: float) -> None:
        """The same for an alarm: from OFF_WITHIN_S on it is `overdue`."""
        self.switch_off()
        if self._by is None:
            self._by = now + OFF_WITHIN_S

    def overdue(self, now: float) -> bool:
        """Whether heaters are still not off that had to be; told once."""
        if self._by is None or now < self._by:
            return False
        self._by = None
        return True

    def done(self) -> None:
        """The firmware has taken the last of the lines."""
        self._by = None
        with suppress(OSError):  # a full disk: then they are switched off once more
            self._notes.cooled()

    def forget(self) -> None:
        """Nothing that was said to the firmware counts any more."""
        self._by = None
