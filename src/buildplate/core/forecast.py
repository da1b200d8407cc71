"""Tell when each queued print should start and end, by playing the queue through in its order."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from heapq import heapify, heapreplace
from typing import TYPE_CHECKING

from buildplate.core.gate import may_start
from buildplate.core.matching import bits
from buildplate.core.order import duration_s, slack_s
from buildplate.core.printers import Bed, BedClearing, is_ready

if TYPE_CHECKING:
    from datetime import datetime

    from buildplate.core.jobs import JobFacts, QueuedPrint
    from buildplate.core.printers import Printer
    from buildplate.core.survey import Survey

    Heap = list[tuple[float, int]]


@dataclass(frozen=True, slots=True)
class QueueItem:
    """A print's place in the queue, from 1, and what to expect of it.

    `slack_s`: seconds it may still wait and be in time. `printer_id` is where it should start as
    things are. The expectation is None where no printer in service can take the print or where it
    waits for something without a known end; `expected_end` also where the length is unknown.
    """

    print: QueuedPrint
    position: int
    slack_s: float | None
    printer_id: str | None
    expected_start: datetime | None
    expected_end: datetime | None

    @property
    def late(self) -> bool:
        """Whether the print should end after its due time, as far as anybody can tell."""
        due, end = self.print.job.due, self.expected_end
        return due is not None and end is not None and end > due


class _Hours:
    """When each printer is free next, in seconds from now; printers are the survey's bits."""

    def __init__(self, survey: Survey) -> None:
        self._survey = survey
        self._clearing = survey.policy.clearing.total_seconds()
        self._free = [self._first_free(printer) for printer in survey.printers]
        self._heaps: dict[int, Heap] = {}

    def _first_free(self, printer: Printer) -> float:
        status, policy = printer.status, self._survey.policy
        if is_ready(printer.spec, status):
            return 0.0
        if status.active_print_id is None and status.bed is not Bed.CLEAR:
            return self._clearing
        if status.expected_free is None:
            return policy.assumed_duration.total_seconds() + self._between(printer)
        left = (status.expected_free - self._survey.now).total_seconds()
        return max(0.0, left) + self._between(printer)

    def _between(self, printer: Printer) -> float:
        by_hand = printer.spec.bed_policy.clear is BedClearing.MANUAL
        return self._clearing if by_hand else 0.0

    def soonest(self, can: int) -> int:
        """The printer among `can` that is free first; the heap's old entries are renewed here."""
        heap = self._heaps.get(can)
        if heap is None:
            heap = self._heaps[can] = [(self._free[n], n) for n in bits(can)]
            heapify(heap)
        while (free := self._free[heap[0][1]]) > heap[0][0]:
            heapreplace(heap, (free, heap[0][1]))
        return heap[0][1]

    def book(self, n: int, earliest: float, lasts: float) -> float:
        """Let a printer print from when it is free and `earliest` has come; answers the start."""
        start = max(self._free[n], earliest)
        self._free[n] = start + lasts + self._between(self._survey.printers[n])
        return start


def forecast(survey: Survey) -> list[QueueItem]:
    """The queue in its order, each print with what to expect.

    The prints that the plan starts now come first on their printers; every other one takes, in
    order, the printer in service that is free soonest of those that can take it. What is not known
    is assumed as the policy says. Turns of those who wait longest are not foreseen.
    """
    hours = _Hours(survey)
    starts: dict[int, tuple[int, float]] = {}
    for place, n in survey.seats.bit_of.items():
        job = survey.ordered[place].job
        starts[place] = n, hours.book(n, 0.0, duration_s(job, survey.policy))
    for place, print_ in enumerate(survey.ordered):
        if place not in starts:
            booked = _book(survey, hours, print_)
            if booked is not None:
                starts[place] = booked
    slack = _Slack(survey)
    return [
        _item(survey, slack, place, print_, starts.get(place))
        for place, print_ in enumerate(survey.ordered)
    ]


def _book(survey: Survey, hours: _Hours, print_: QueuedPrint) -> tuple[int, float] | None:
    when = survey.now
    if print_.not_before is not None and print_.not_before > when:
        when = print_.not_before
    can = survey.eligibility.of_print(print_) & survey.in_service
    if not can or not may_start(print_, survey.queue, when):
        return None
    n = hours.soonest(can)
    earliest = (when - survey.now).total_seconds()
    return n, hours.book(n, earliest, duration_s(print_.job, survey.policy))


class _Slack:
    """The slack of each job, computed once for all its copies."""

    def __init__(self, survey: Survey) -> None:
        self._survey = survey
        self._known: dict[str, float | None] = {}

    def of(self, job: JobFacts) -> float | None:
        if job.id not in self._known:
            self._known[job.id] = slack_s(job, self._survey.now, self._survey.policy)
        return self._known[job.id]


def _item(
    survey: Survey, slack: _Slack, place: int, print_: QueuedPrint, booked: tuple[int, float] | None
) -> QueueItem:
    start = end = printer_id = None
    if booked is not None:
        n, after = booked
        printer_id = survey.printers[n].id
        start = survey.now + timedelta(seconds=after)
        lasts = print_.job.file.duration_s
        end = None if lasts is None else start + timedelta(seconds=lasts)
    return QueueItem(print_, place + 1, slack.of(print_.job), printer_id, start, end)
