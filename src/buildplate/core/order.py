"""Put the queue in order: priority, a person's order, slack to the due time; and nobody starves.

**The order.** Higher priority first. Within a priority class come first the prints that a person
has given to one printer, then those they have ranked, by rank; the others by when they have to be
done: the due time, or, once that cannot be met any more, the earliest they can be done (which lets
short prints go first among those already too late and keeps one hopeless job from making the others
late). Of several copies the first ones must be done early enough for the rest to follow on the
printers there are. A job without a due time is taken to be due a while after it was queued, so that
it does not wait behind every due time ahead.

**Ageing.** Every `turn`-th start of each printer belongs to who has waited longest: of the prints
it can take, the one whose job has waited at least `ageing` since it was queued or last got a start.
The others cannot use this up: urgent work keeps the remaining starts however long the backlog.

**The bound.** Let a job be startable and fit at least one printer in service, on which no print
takes longer than L from start to cleared bed, and let k jobs that compete for that printer have
waited longer. The job gets a start within `ageing + turn · (k + 1) · L`, whatever arrives after it
and however urgent; its next copies each within the same bound again. Only a person's ranking may
put others ahead, within the class: it lends them the age of those they are put ahead of.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from math import inf
from typing import TYPE_CHECKING

from buildplate.core.jobs import Priority

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from buildplate.core.jobs import JobFacts, QueuedPrint

    Keyed = tuple[int, float, float, float, int, int, str, QueuedPrint]

ASSUMED_DUE = {
    Priority.LOW: timedelta(hours=96),
    Priority.NORMAL: timedelta(hours=48),
    Priority.HIGH: timedelta(hours=24),
    Priority.URGENT: timedelta(hours=4),
}


@dataclass(frozen=True, slots=True)
class PlanPolicy:
    """The durations and shares that planning goes by.

    `assumed_due` counts from when a job without a due time was queued. `assumed_duration` stands
    for a print of unknown length, `clearing` for the time until a person has cleared a bed.
    `retry_elsewhere` is how long a copy that failed is kept for other printers.
    """

    ageing: timedelta = timedelta(hours=12)
    turn: int = 4
    retry_elsewhere: timedelta = timedelta(minutes=15)
    assumed_due: Mapping[Priority, timedelta] = field(default_factory=lambda: dict(ASSUMED_DUE))
    assumed_duration: timedelta = timedelta(hours=1)
    clearing: timedelta = timedelta(minutes=10)


def duration_s(job: JobFacts, policy: PlanPolicy) -> float:
    """How long one print of the job takes, in seconds, as far as anybody knows."""
    known = job.file.duration_s
    return policy.assumed_duration.total_seconds() if known is None else known


def in_order(
    prints: Sequence[QueuedPrint],
    now: datetime,
    policy: PlanPolicy,
    printers_for: Callable[[JobFacts], int],
) -> list[QueuedPrint]:
    """The prints in the queue's order; the same prints always come out in the same order.

    `printers_for` says how many printers can work on a job side by side.
    """
    by_job: dict[str, list[QueuedPrint]] = {}
    for print_ in prints:
        by_job.setdefault(print_.job.id, []).append(print_)
    keyed: list[Keyed] = []
    for copies in by_job.values():
        keyed.extend(_keyed(copies, now, policy, printers_for))
    keyed.sort()
    return [item[-1] for item in keyed]


def _keyed(
    copies: list[QueuedPrint],
    now: datetime,
    policy: PlanPolicy,
    printers_for: Callable[[JobFacts], int],
) -> Iterator[Keyed]:
    job = copies[0].job
    side_by_side = 1
    queued = copies[0].queued_at
    if len(copies) > 1:
        copies.sort(key=lambda p: (_rank(p), p.queued_at, p.copy, p.id))
        side_by_side = max(1, printers_for(job))
        queued = min(p.queued_at for p in copies)
    lasts = duration_s(job, policy)
    soonest = now.timestamp() + lasts
    due = (job.due or queued + policy.assumed_due[job.priority]).timestamp()
    since = queued.timestamp()
    level, number, last = -job.priority.level, job.number, len(copies) - 1
    for place, print_ in enumerate(copies):
        done_by = max(due - (last - place) // side_by_side * lasts, soonest)
        yield level, _rank(print_), done_by, since, number, place, print_.id, print_


def _rank(print_: QueuedPrint) -> float:
    """A print that a person gave to one printer comes before those they put in order."""
    if print_.assigned_to is not None:
        return -inf
    return inf if print_.rank is None else print_.rank


def longest_waiting(
    ordered: Sequence[QueuedPrint],
    now: datetime,
    policy: PlanPolicy,
    entitled: Callable[[int], bool],
) -> list[int]:
    """The places of the prints whose jobs have waited `policy.ageing` or more, longest first.

    `ordered` is the queue in its order; `entitled` tells of a place whether its print could use a
    turn now. Of the prints nobody has ranked, some of those in the answer may not be.
    """
    limit = now - policy.ageing
    ranked: dict[Priority, list[int]] = {}
    found: list[tuple[datetime, int]] = []
    for place, print_ in enumerate(ordered):
        if _rank(print_) < inf:
            ranked.setdefault(print_.job.priority, []).append(place)
            continue
        since = _waits_since(print_)
        if since <= limit:
            found.append((since, place))
    found.sort()
    lent: list[tuple[datetime, int]] = []
    for priority, places in ranked.items():
        behind = (since for since, n in found if ordered[n].job.priority is priority if entitled(n))
        lent += _lend(ordered, [n for n in places if entitled(n)], next(behind, now))
    found += [(since, place) for since, place in lent if since <= limit]
    found.sort()
    return [place for _, place in found]


def _lend(
    ordered: Sequence[QueuedPrint], places: list[int], eldest: datetime
) -> Iterator[tuple[datetime, int]]:
    """Give ranked prints the age of whoever has waited longest of those they are put ahead of."""
    for place in reversed(places):
        eldest = min(eldest, _waits_since(ordered[place]))
        yield eldest, place


def _waits_since(print_: QueuedPrint) -> datetime:
    last = print_.job.last_start
    return print_.queued_at if last is None else max(print_.queued_at, last)


def slack_s(job: JobFacts, now: datetime, policy: PlanPolicy) -> float | None:
    """How many seconds a print of the job may still wait and be in time; negative: too late."""
    if job.due is None:
        return None
    return (job.due - now).total_seconds() - duration_s(job, policy)
