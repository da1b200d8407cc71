"""The use cases of the history room: temperatures then, how time was spent, numbers for a wall."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from buildplate.core.spells import Pastime, pastime
from buildplate.fleet.ports import Clock
from buildplate.fleet.service import FleetService
from buildplate.history import endings, repository
from buildplate.history.errors import InvalidRange
from buildplate.history.model import (
    By,
    Ending,
    Lateness,
    Note,
    Of,
    Sample,
    Spent,
    Tally,
    Wanted,
    Watched,
    part_of,
)
from buildplate.storage import Storage, to_micros

EndingsPage = tuple[Sequence[Ending], Mapping[str, Sequence[Note]], tuple[int, str] | None]
Held = Callable[[str], Sequence[Sample]]
"""What a printer told that is not written yet, oldest first."""
LONGEST = timedelta(days=92)
A_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Now:
    """The farm at this moment, and prints that ended in the last day and week."""

    printers: Mapping[Pastime, int]
    day: Tally
    week: Tally


class HistoryService:
    """What was, in numbers."""

    def __init__(self, storage: Storage, fleet: FleetService, clock: Clock, held: Held) -> None:
        self._storage = storage
        self._fleet = fleet
        self._clock = clock
        self._held = held

    async def temperatures(
        self, reference: str, after: datetime, most: int, every: float = 0.0
    ) -> Sequence[Sample]:
        """A printer's samples after a moment, oldest first; UnknownPrinter.

        `every`: no more than one of each part of so many seconds, counted from 1970; 0: all.
        """
        printer = await self._fleet.get(reference)
        held = self._held(printer.id)  # before the rest is read: it may be written meanwhile
        found = await self._storage.read(repository.samples, printer.id, after, most, every)
        part = part_of(to_micros(found[-1].at if found else after), every)
        for sample in held:
            here = part_of(to_micros(sample.at), every)
            if here > part and len(found) < most:
                part = here
                found.append(sample)
        return found

    async def now(self) -> Now:
        """The numbers of a dashboard."""
        count: dict[Pastime, int] = dict.fromkeys(Pastime, 0)
        del count[Pastime.UNWATCHED]
        for printer in self._fleet.printers():
            count[pastime(printer)] += 1
        at = self._clock.now()
        day = await self._storage.read(repository.ended_since, at - A_DAY)
        week = await self._storage.read(repository.ended_since, at - 7 * A_DAY)
        return Now(count, day, week)

    async def endings(
        self, wanted: Wanted, after: tuple[int, str] | None, most: int
    ) -> EndingsPage:
        """Ended prints, newest first, their notes by print, and where the next page begins."""
        found = await self._storage.read(endings.endings, wanted, after, most + 1)
        shown = found[:most]
        notes: dict[str, list[Note]] = {}
        for note in await self._storage.read(endings.notes, {one.job_id for one in shown}):
            notes.setdefault(note.print_id, []).append(note)
        last = shown[-1] if len(found) > most else None
        return shown, notes, None if last is None else (to_micros(last.ended_at), last.id)

    async def outcomes(self, of: Of, since: datetime, until: datetime) -> dict[str | None, Tally]:
        """How prints ended between two moments, by what they have in common; InvalidRange."""
        _check(since, until)
        return await self._storage.read(endings.outcomes, of, since, until)

    async def lateness(self, since: datetime, until: datetime, most: int) -> Lateness:
        """Jobs that were due between two moments: counts of all, the latest due; InvalidRange."""
        _check(since, until)
        now = self._clock.now()
        return await self._storage.read(endings.lateness, since, until, now, most)

    async def utilization(self, since: datetime, until: datetime, by: By) -> list[Spent]:
        """How printers spent their time between two moments; InvalidRange.

        Days are those of UTC. Time in which Buildplate did not run is `unwatched`; time before a
        printer came and after it went does not count at all.
        """
        until = min(until, self._clock.now())
        _check(since, until)
        printers = await self._storage.read(repository.watched)
        if by is By.DAY:
            days = []
            for first, last in _days(since, until):
                of_each = await self._between(printers, first, last)
                days.append(Spent(f"{first:%Y-%m-%d}", _sum(of_each.values())))
            return days
        of_each = await self._between(printers, since, until)
        if by is By.PRINTER:
            return [Spent(printer_id, seconds) for printer_id, seconds in of_each.items()]
        groups: dict[str | None, list[Mapping[Pastime, float]]] = {}
        for printer in printers:
            if printer.id in of_each:
                groups.setdefault(printer.group, []).append(of_each[printer.id])
        return [Spent(group, _sum(parts)) for group, parts in sorted(groups.items(), key=_by_name)]

    async def _between(
        self, printers: Sequence[Watched], since: datetime, until: datetime
    ) -> dict[str, dict[Pastime, float]]:
        """Seconds by printer; those that were not in service at all are left out."""
        found = await self._storage.read(repository.spent, since, until, self._clock.now())
        whole: dict[str, dict[Pastime, float]] = {}
        for printer in printers:
            begin = max(since, printer.since)
            end = until if printer.until is None else min(until, printer.until)
            served = (end - begin).total_seconds()
            if served > 0:
                seconds = found.get(printer.id, {})
                missing = max(served - sum(seconds.values()), 0.0)
                whole[printer.id] = seconds | {Pastime.UNWATCHED: missing}
        return whole


def _check(since: datetime, until: datetime) -> None:
    if not since < until or until - since > LONGEST:
        message = f"{since:%Y-%m-%dT%H:%MZ} to {until:%Y-%m-%dT%H:%MZ} cannot be summed up"
        raise InvalidRange(message)


def _days(since: datetime, until: datetime) -> list[tuple[datetime, datetime]]:
    """The range cut at midnight UTC."""
    days, begin = [], since
    while begin < until:
        midnight = begin.replace(hour=0, minute=0, second=0, microsecond=0) + A_DAY
        days.append((begin, min(midnight, until)))
        begin = midnight
    return days


def _sum(parts: Iterable[Mapping[Pastime, float]]) -> dict[Pastime, float]:
    whole: dict[Pastime, float] = {}
    for part in parts:
        for what, seconds in part.items():
            whole[what] = whole.get(what, 0.0) + seconds
    return whole


def _by_name(group: tuple[str | None, object]) -> str:
    return group[0] or ""
