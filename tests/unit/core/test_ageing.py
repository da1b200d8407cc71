"""Nobody starves: under endless urgent work the least of jobs starts within the stated bound."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from buildplate.core.jobs import JobFacts, Priority, Queue, QueuedPrint
from buildplate.core.order import PlanPolicy
from buildplate.core.printers import Activity
from buildplate.core.scheduling import plan
from tests.unit.core.farms import HOUR, NOW, job, printer, prints

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildplate.core.printers import Printer

POLICY = PlanPolicy()
LONGEST = 5 * HOUR


@dataclass
class Floor:
    """A farm that prints what it is given, on and on; beds clear themselves."""

    fleet: list[Printer]
    waiting: list[QueuedPrint]
    lasts: Callable[[], timedelta]
    policy: PlanPolicy = POLICY
    now: datetime = NOW
    ends: dict[str, datetime] = field(default_factory=dict)
    starts: list[tuple[datetime, QueuedPrint, str]] = field(default_factory=list)
    urgent: int = 1000

    def flood(self) -> None:
        """More urgent work than printers, always new and always due at once."""
        fresh = [p for p in self.waiting if p.job.priority is Priority.URGENT]
        for _ in range(len(self.fleet) + 1 - len(fresh)):
            self.urgent += 1
            of = job(self.urgent, priority=Priority.URGENT, due=self.now)
            self.waiting += prints(of, queued_at=self.now)

    def step(self) -> None:
        """Plan now, then wait until a printer has finished."""
        by_id = {p.id: p for p in self.waiting}
        for given_ in plan(
            Queue(tuple(self.waiting)), self.fleet, self.now, self.policy
        ).assignments:
            self._start(by_id[given_.print_id], given_.printer_id)
        self.now = min(self.ends.values())
        for printer_id in [p for p, end in self.ends.items() if end <= self.now]:
            del self.ends[printer_id]
            self._status(printer_id, activity=Activity.IDLE, active_print_id=None)

    def _start(self, print_: QueuedPrint, printer_id: str) -> None:
        self.starts.append((self.now, print_, printer_id))
        self.ends[printer_id] = self.now + self.lasts()
        count = next(p.status.starts for p in self.fleet if p.id == printer_id) + 1
        self._status(printer_id, activity=Activity.OURS, active_print_id=print_.id, starts=count)
        started = replace(print_.job, last_start=self.now)
        self.waiting = [
            replace(p, job=started) if p.job.id == started.id else p
            for p in self.waiting
            if p.id != print_.id
        ]

    def _status(self, printer_id: str, **changes: object) -> None:
        self.fleet = [
            replace(p, status=replace(p.status, **changes)) if p.id == printer_id else p  # type: ignore[arg-type]
            for p in self.fleet
        ]


@given(
    data=st.data(),
    machines=st.integers(1, 3),
    older=st.integers(0, 3),
    copies=st.integers(1, 3),
    fitting=st.integers(1, 3),
)
@settings(max_examples=60, deadline=None)
def test_under_endless_urgent_work_a_low_job_starts_within_the_bound(
    data: st.DataObject, machines: int, older: int, copies: int, fitting: int
) -> None:
    fleet = [printer(n, starts=data.draw(st.integers(0, 7))) for n in range(1, machines + 1)]
    only = frozenset(machine.id for machine in fleet[-fitting:])
    low = job(1, priority=Priority.LOW, printers=only)
    waiting = prints(low, copies, queued_at=NOW)
    for number in range(2, older + 2):
        at = NOW - data.draw(st.integers(1, 40)) * HOUR
        waiting += prints(
            job(number, priority=data.draw(st.sampled_from(Priority))), 3, queued_at=at
        )
    lengths = st.integers(1, 5).map(lambda hours: hours * HOUR)
    floor = Floor(fleet, waiting, lambda: data.draw(lengths))
    bound = POLICY.ageing + POLICY.turn * (older + 1) * LONGEST
    since, left = NOW, copies
    while left:
        floor.flood()
        floor.step()
        mine = [at for at, print_, _ in floor.starts if print_.job.id == low.id]
        if len(mine) > copies - left:
            assert mine[-1] - since <= bound
            since, left = mine[-1], copies - len(mine)
        if left:
            assert floor.now - since <= bound + LONGEST


def test_a_backlog_of_old_work_leaves_urgent_work_three_starts_of_four() -> None:
    backlog = [
        print_
        for number in range(1, 60)
        for print_ in prints(job(number, priority=Priority.LOW), 5, queued_at=NOW - 100 * HOUR)
    ]
    floor = Floor([printer(n) for n in range(1, 4)], backlog, lambda: HOUR)
    for _ in range(40):
        floor.flood()
        floor.step()
    urgent = sum(p.job.priority is Priority.URGENT for _, p, _ in floor.starts)
    assert urgent == len(floor.starts) * 3 / 4


def test_of_an_old_job_one_copy_at_a_time_gets_a_turn_however_many_printers_give_one() -> None:
    old = prints(job(1, priority=Priority.LOW), 8, queued_at=NOW - 100 * HOUR)
    urgent = prints(job(2, priority=Priority.URGENT, due=NOW), 8, queued_at=NOW)
    fleet = [printer(n, starts=4 - n % 4) for n in range(1, 5)]
    found = plan(Queue((*old, *urgent)), fleet, NOW).assignments
    assert sorted(a.print_id.rsplit("-", 2)[0] for a in found) == ["job-1", *["job-2"] * 3]


def test_a_large_old_job_gets_one_start_and_then_waits_its_time_again() -> None:
    batch: JobFacts = job(1, priority=Priority.LOW)
    floor = Floor([printer()], prints(batch, 50, queued_at=NOW - 100 * HOUR), lambda: HOUR)
    for _ in range(60):
        floor.flood()
        floor.step()
    got = [at for at, print_, _ in floor.starts if print_.job.id == batch.id]
    gaps = [later - earlier for earlier, later in pairwise(got)]
    assert gaps
    assert all(POLICY.ageing <= gap <= POLICY.ageing + POLICY.turn * HOUR for gap in gaps)


def test_a_print_put_ahead_by_hand_goes_ahead_of_the_one_that_waited_longest() -> None:
    old = prints(job(1, priority=Priority.LOW), queued_at=NOW - 100 * HOUR)
    put_ahead = prints(job(2, priority=Priority.LOW), queued_at=NOW, rank=1.0)
    floor = Floor([printer(number) for number in (1,)], [*old, *put_ahead], lambda: HOUR)
    while len({p.job.id for _, p, _ in floor.starts if p.job.number < 3}) < 2:
        floor.flood()
        floor.step()
    assert [p.job.number for _, p, _ in floor.starts if p.job.number < 3] == [2, 1]
