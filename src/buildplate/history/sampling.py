"""What printers tell of their temperatures, gathered to rows: each reading, in few rows."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from datetime import datetime

import structlog

from buildplate.drivers.sdk import Temperature
from buildplate.history.model import Sample, Stretch
from buildplate.history.readings import Gathered, moment_of, reading_of, tenth_of, unpacked
from buildplate.storage import from_micros, to_micros

_LOG = structlog.get_logger("history")
STEADY = 6
"""A printer whose temperatures do not change gets a row so many times less often."""

READING = 0.8
"""Seconds: one reading in so many is kept, on average, so that none of a source of 1 Hz is lost."""


class Sampler:
    """Gathers readings of all printers, and closes rows that are due.

    `row` is the least time between two rows of a printer, `reading` that between two readings on
    average; in seconds. Rows that nobody takes are let go, the oldest first: `most` stay.
    """

    def __init__(self, row: float, reading: float, most: int) -> None:
        self._row = row * 10
        self._reading = reading * 10
        self._gathered: dict[str, Gathered] = {}
        self.closed: deque[Stretch] = deque(maxlen=most)

    def take(self, printer_id: str, temperatures: Mapping[str, Temperature], now: datetime) -> None:
        """Note what a printer tells now."""
        at = tenth_of(now)
        gathered = self._gathered.get(printer_id)
        if gathered is not None and at < gathered.newest:  # the clock was put back
            self._close(printer_id, gathered)
            gathered = None
        if gathered is None:
            gathered = self._gathered[printer_id] = Gathered()
        if at == gathered.newest or not gathered.wants(at, self._reading):
            return
        if reading := reading_of(temperatures):
            gathered.take(at, reading)
            if gathered.due(at, self._row, self._row * STEADY):
                self._close(printer_id, gathered)

    def close_silent(self, now: datetime) -> None:
        """Close the rows of printers that have told nothing for so long that theirs are due."""
        at = tenth_of(now)
        for printer_id, gathered in self._gathered.items():
            if gathered and at - gathered.began > self._row * (STEADY + 1):
                self._close(printer_id, gathered)

    def forget(self, printer_id: str) -> None:
        """Close the row of a printer that is no more."""
        if (gathered := self._gathered.pop(printer_id, None)) is not None:
            self._close(printer_id, gathered)

    def close(self) -> None:
        """Close all rows."""
        for printer_id, gathered in self._gathered.items():
            self._close(printer_id, gathered)

    def done(self, written: Sequence[Stretch]) -> None:
        """Let go of rows that are written, as far as they were not let go before."""
        for row in written:
            if self.closed and self.closed[0] is row:
                self.closed.popleft()

    def held(self, printer_id: str) -> Sequence[Sample]:
        """A printer's readings that are not written yet, oldest first."""
        waiting = [
            Sample(printer_id, from_micros(at), readings)
            for row in self.closed
            if row.printer_id == printer_id
            for at, readings in unpacked(to_micros(row.at), row.readings)
        ]
        gathered = self._gathered.get(printer_id)
        if gathered is None:
            return waiting
        newest = (Sample(printer_id, moment_of(at), readings) for at, readings in gathered.each())
        return [*waiting, *newest]

    def _close(self, printer_id: str, gathered: Gathered) -> None:
        """Close a row; whoever tells of temperatures never learns that it cannot be written."""
        if not gathered:
            return
        at = moment_of(gathered.newest)
        try:
            self.closed.append(Stretch(printer_id, at, gathered.packed()))
        except TypeError as error:  # a heater's name that no JSON can hold
            _LOG.error("history.lost", action="pack", printer_id=printer_id, error=str(error))
        gathered.restart()
