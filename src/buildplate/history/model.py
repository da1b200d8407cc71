"""The values of the history room: spells, samples, and the sums made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from buildplate.core.print_table import PrintState
from buildplate.core.spells import Pastime


@dataclass(frozen=True, slots=True)
class Spell:
    """A time in which a printer did one thing; an open one has no end yet. Times are aware UTC."""

    id: str
    printer_id: str
    pastime: Pastime
    detail: str
    print_id: str | None
    began_at: datetime
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """A printer's temperatures at a moment: by heater, what it is and what it shall be, in °C."""

    printer_id: str
    at: datetime
    readings: Mapping[str, tuple[float, float | None]]


@dataclass(frozen=True, slots=True)
class Stretch:
    """A row of a printer's readings, packed as `readings.py` tells; `at` is the newest one's."""

    printer_id: str
    at: datetime
    readings: str


@dataclass(frozen=True, slots=True)
class Notes:
    """What is written down together: spells that began and ended, readings, and that we run."""

    at: datetime
    began: tuple[Spell, ...] = ()
    ended: tuple[tuple[str, datetime], ...] = ()
    stretches: tuple[Stretch, ...] = ()


def part_of(at: int, every: float) -> int:
    """Which part of so many seconds a time is in (microseconds since 1970); 0 s: its own."""
    return at if every * 1e6 <= 1 else int(at // (every * 1e6))


def end_of(part: int, every: float) -> int:
    """A time (microseconds since 1970) near the end of such a part, behind which the next is."""
    return part if every * 1e6 <= 1 else int((part + 1) * every * 1e6) - 1


class By(StrEnum):
    """What utilisation is summed up by."""

    PRINTER = "printer"
    GROUP = "group"
    DAY = "day"


@dataclass(frozen=True, slots=True)
class Spent:
    """How the printers of one key (an id, a group, a day) spent their time, in seconds."""

    key: str | None
    seconds: Mapping[Pastime, float]


@dataclass(frozen=True, slots=True)
class Watched:
    """A printer as utilisation needs it: since when and until when it was in service."""

    id: str
    group: str | None
    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Tally:
    """Prints that ended since a moment, by how they ended."""

    ended: Mapping[PrintState, int] = field(default_factory=dict)
    printed_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which ended prints are meant; None leaves a side open.

    `text` is a part of the job's name, the file's name, the customer, the reference or the reason.
    `groups` leaves prints of other groups' printers out; those that never had one are all there.
    """

    state: PrintState | None = None
    printer_id: str | None = None
    file_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    text: str | None = None
    groups: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """What a person wrote to a print."""

    id: str
    print_id: str
    at: datetime
    by: str
    text: str


@dataclass(frozen=True, slots=True)
class Ending:
    """A print that ended, with what people call its job, file and printer.

    `materials` are the types that the job asks for, else those that the file was sliced for.
    """

    id: str
    number: int
    state: PrintState
    ended_at: datetime
    started_at: datetime | None
    reason: str | None
    copy_no: int
    try_no: int
    job_id: str
    job_number: int
    job_name: str
    job_group: str | None
    customer: str | None
    reference: str | None
    due: datetime | None
    file_id: str
    file_name: str
    materials: tuple[str, ...]
    printer_id: str | None
    printer_number: int | None
    printer_name: str | None
    printer_group: str | None

    @property
    def printed_s(self) -> float | None:
        """Seconds from its start to its end; None where it never started."""
        if self.started_at is None:
            return None
        return max((self.ended_at - self.started_at).total_seconds(), 0.0)


class Of(StrEnum):
    """What outcomes are counted by."""

    PRINTER = "printer"
    MATERIAL = "material"
    REASON = "reason"


@dataclass(frozen=True, slots=True)
class Promise:
    """A job that was due: when it was made, if it is. `made` copies of `copies`."""

    job_id: str
    number: int
    name: str
    customer: str | None
    due: datetime
    copies: int
    made: int
    finished_at: datetime | None

    def late_s(self, now: datetime) -> float:
        """Seconds after it was due that it was made, or that it is not; below 0: in time."""
        return ((self.finished_at or now) - self.due).total_seconds()


@dataclass(frozen=True, slots=True)
class Lateness:
    """How many jobs were made in time, how many were or are late, and some of all of them.

    A job that is neither made nor due yet counts for neither.
    """

    in_time: int
    late: int
    promises: Sequence[Promise]
