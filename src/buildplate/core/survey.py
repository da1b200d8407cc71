"""Look at the queue and the fleet at one moment, and decide which print starts on which printer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from buildplate.core.eligibility import Eligibility, used_up_first
from buildplate.core.gate import may_start
from buildplate.core.matching import Matching
from buildplate.core.order import PlanPolicy, in_order, longest_waiting
from buildplate.core.printers import StartPolicy, is_in_service, is_ready

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from buildplate.core.jobs import JobFacts, Queue, QueuedPrint
    from buildplate.core.printers import Printer


@dataclass(frozen=True, slots=True)
class Assignment:
    """A print that shall be claimed for a printer now."""

    print_id: str
    printer_id: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What starts now and what waits, both in the queue's order."""

    assignments: tuple[Assignment, ...]
    waiting: tuple[QueuedPrint, ...]


@dataclass(frozen=True, slots=True)
class Seats:
    """Who starts where, as places in the queue and bits of the fleet.

    `turns` are the places that got their printer for having waited longest; `free` are the ready
    printers left over.
    """

    bit_of: dict[int, int]
    place_of: dict[int, int]
    turns: frozenset[int]
    free: int


class Survey:
    """One look at one moment; what it computes it keeps, so ask one survey all about a moment.

    Printers are bits in the order of `printers`, prints are places in `ordered`.
    """

    def __init__(
        self,
        queue: Queue,
        fleet: Sequence[Printer],
        now: datetime,
        policy: PlanPolicy | None = None,
    ) -> None:
        self.queue = queue
        self.now = now
        self.policy = policy or PlanPolicy()
        self.printers = used_up_first(fleet, queue.prints)
        self.eligibility = Eligibility(self.printers)
        self._bit = {printer.id: n for n, printer in enumerate(self.printers)}
        self.ready = self.which(lambda p: is_ready(p.spec, p.status))
        self.in_service = self.which(lambda p: is_in_service(p.spec, p.status))
        self.asks_first = self.which(lambda p: p.spec.start_policy is StartPolicy.CONFIRM)

    def which(self, holds: Callable[[Printer], bool]) -> int:
        """The printers of which something holds."""
        return sum(1 << n for n, printer in enumerate(self.printers) if holds(printer))

    @cached_property
    def ordered(self) -> list[QueuedPrint]:
        """All prints in the queue's order."""
        return in_order(self.queue.prints, self.now, self.policy, self._side_by_side)

    def _side_by_side(self, job: JobFacts) -> int:
        return (self.eligibility.of(job) & self.in_service).bit_count()

    def shunned(self, print_: QueuedPrint) -> int:
        """The printers on which this copy failed, while others in service get the first try."""
        if print_.failed_at is None or not print_.failed_on:
            return 0
        if self.now >= print_.failed_at + self.policy.retry_elsewhere:
            return 0
        failed = self.failed(print_)
        others = self.eligibility.of_print(print_) & self.in_service & ~failed
        return failed if others else 0

    def failed(self, print_: QueuedPrint) -> int:
        """The printers on which this copy failed."""
        return sum(1 << self._bit[name] for name in print_.failed_on if name in self._bit)

    def takers(self, print_: QueuedPrint) -> int:
        """The printers that could take the print if they were ready and nobody were ahead."""
        found = self.eligibility.of_print(print_)
        if not print_.confirmed:
            found &= ~self.asks_first
        return found & ~self.shunned(print_)

    @cached_property
    def seats(self) -> Seats:
        """Who starts where: first those whose turn it is, then everybody in the queue's order."""
        if self.queue.stopped or not self.ready:
            return Seats({}, {}, frozenset(), self.ready)
        turn = self.ready & self.which(self._gives_a_turn)
        matching = Matching(turn)
        turns = self._take_turns(matching, turn) if turn else frozenset()
        for place in turns:
            matching.widen(place, self._can_start(place))
        matching.free |= self.ready & ~turn
        for place, print_ in enumerate(self.ordered):
            if not matching.free:
                break
            if place not in turns:
                matching.place(place, self._can_start(place), self.failed(print_))
        place_of = {bit: place for place, bit in matching.held.items()}
        return Seats(matching.held, place_of, turns, matching.free)

    def _take_turns(self, matching: Matching, turn: int) -> frozenset[int]:
        """Place those who have waited longest: one print of each job, and all that are ranked."""
        turns, jobs = set(), set()
        for place in longest_waiting(
            self.ordered, self.now, self.policy, lambda n: self._can_start(n) & turn != 0
        ):
            if not matching.free:
                break
            print_ = self.ordered[place]
            can = self._can_start(place) & turn
            if not can or (print_.rank is None and print_.job.id in jobs):
                continue
            jobs.add(print_.job.id)  # a start ends the wait of the job's other prints
            if matching.place(place, can, self.failed(print_)):
                turns.add(place)
        return frozenset(turns)

    def _can_start(self, place: int) -> int:
        """The ready printers that can take the print, if it may start at all."""
        print_ = self.ordered[place]
        can = self.takers(print_) & self.ready
        return can if can and may_start(print_, self.queue, self.now) else 0

    def _gives_a_turn(self, printer: Printer) -> bool:
        return (printer.status.starts + printer.spec.number) % self.policy.turn == 0

    @cached_property
    def plan(self) -> Plan:
        """What starts now and what waits."""
        bit_of = self.seats.bit_of
        assignments, waiting = [], []
        for place, print_ in enumerate(self.ordered):
            bit = bit_of.get(place)
            if bit is None:
                waiting.append(print_)
            else:
                assignments.append(Assignment(print_.id, self.printers[bit].id))
        return Plan(tuple(assignments), tuple(waiting))

    @cached_property
    def places(self) -> dict[str, int]:
        """The place of each print in the queue's order, by id, from 0."""
        return {print_.id: place for place, print_ in enumerate(self.ordered)}

    @cached_property
    def first_waiting(self) -> dict[str, int]:
        """The place of the first print of each job that waits, by the job's id."""
        found: dict[str, int] = {}
        for place, print_ in enumerate(self.ordered):
            if place not in self.seats.bit_of:
                found.setdefault(print_.job.id, place)
        return found
