"""Play an order book through on a farm, by one planner or another, and add up how late it gets."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from bench.order_books import START, ready_status
from buildplate.core.eligibility import Eligibility
from buildplate.core.jobs import Priority, Queue, QueuedPrint
from buildplate.core.matching import bits
from buildplate.core.printers import Printer
from buildplate.core.scheduling import plan

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from buildplate.core.printers import PrinterSpec

WEIGHTS = {Priority.LOW: 1, Priority.NORMAL: 2, Priority.HIGH: 4, Priority.URGENT: 8}


class Planner(Protocol):
    """Says which waiting print, by place, starts on which idle printer, by place."""

    def __call__(
        self, waiting: list[QueuedPrint], idle: list[int], now: datetime
    ) -> list[tuple[int, int]]:
        """Decide for this moment."""
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """Weighted hours past the due times, and how many prints with a due time met it."""

    late: float
    in_time: int
    due: int


class First:
    """First come, first served: each print in its turn takes the first idle printer that suits.

    A print that suits none lets those behind it pass, which is kinder than most queues are.
    """

    def __init__(self, specs: Sequence[PrinterSpec]) -> None:
        self._eligible = Eligibility([Printer(spec, ready_status()) for spec in specs])

    def __call__(
        self, waiting: list[QueuedPrint], idle: list[int], now: datetime
    ) -> list[tuple[int, int]]:
        """Serve those who came first."""
        assert all(print_.queued_at <= now for print_ in waiting)
        free = sum(1 << n for n in idle)
        found = []
        for place, print_ in enumerate(waiting):
            choice = next(bits(self._eligible.of(print_.job) & free), None)
            if choice is not None:
                free &= ~(1 << choice)
                found.append((place, choice))
        return found


class Ours:
    """The planner under test."""

    def __init__(self, specs: Sequence[PrinterSpec]) -> None:
        self._specs = specs
        self._starts = [0] * len(specs)
        self._last_start: dict[str, datetime] = {}

    def __call__(
        self, waiting: list[QueuedPrint], idle: list[int], now: datetime
    ) -> list[tuple[int, int]]:
        """Ask the plan; only idle printers are handed in, since the others cannot start one."""
        fleet = [Printer(self._specs[n], ready_status(self._starts[n])) for n in idle]
        known = [
            replace(p, job=replace(p.job, last_start=self._last_start[p.job.id]))
            if p.job.id in self._last_start
            else p
            for p in waiting
        ]
        place = {p.id: n for n, p in enumerate(waiting)}
        number = {self._specs[n].id: n for n in idle}
        found = [
            (place[a.print_id], number[a.printer_id])
            for a in plan(Queue(tuple(known)), fleet, now).assignments
        ]
        for n, machine in found:
            self._starts[machine] += 1
            self._last_start[waiting[n].job.id] = now
        return found


def play(book: Sequence[QueuedPrint], specs: Sequence[PrinterSpec], planner: Planner) -> Outcome:
    """Let the prints of a book arrive, print and be cleared at once, to the last one."""
    coming = sorted(book, key=lambda p: (p.queued_at, p.job.number, p.copy), reverse=True)
    waiting: list[QueuedPrint] = []
    idle = set(range(len(specs)))
    ends: list[tuple[datetime, int]] = []
    late, in_time, due = 0.0, 0, 0
    now = START
    while coming or waiting:
        while coming and coming[-1].queued_at <= now:
            waiting.append(coming.pop())
        chosen = planner(waiting, sorted(idle), now) if idle and waiting else []
        for place, machine in chosen:
            print_ = waiting[place]
            end = now + timedelta(seconds=print_.job.file.duration_s or 0)
            idle.remove(machine)
            heapq.heappush(ends, (end, machine))
            if print_.job.due is not None:
                over = (end - print_.job.due).total_seconds() / 3600
                due, in_time = due + 1, in_time + (over <= 0)
                late += WEIGHTS[print_.job.priority] * max(0.0, over)
        gone = {place for place, _ in chosen}
        waiting = [p for place, p in enumerate(waiting) if place not in gone]
        moments = [coming[-1].queued_at] if coming else []
        moments += [ends[0][0]] if ends else []
        assert moments, "a print that suits no printer is in the book"
        now = min(moments)
        while ends and ends[0][0] <= now:
            idle.add(heapq.heappop(ends)[1])
    return Outcome(late, in_time, due)
