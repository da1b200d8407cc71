"""The values of the history room: spells, samples, and the sums made of them."""

from __future__ import annotations

from collections.abc import Mapping
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
class Notes:
    """What is written down together: spells that began and ended, samples, and that we run."""

    at: datetime
    began: tuple[Spell, ...] = ()
    ended: tuple[tuple[str, datetime], ...] = ()
    samples: tuple[Sample, ...] = ()


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
