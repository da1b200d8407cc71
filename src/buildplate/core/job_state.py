"""Derive what a job is from its prints: its state, its copies, its retries, whether it is late."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from buildplate.core.print_table import ACTIVE, PrintState

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

RETRY_PAUSE = timedelta(seconds=30)
LONGEST_RETRY_PAUSE = timedelta(minutes=15)
SPENT = frozenset({PrintState.FAILED, PrintState.NOT_STARTED})


class JobState(StrEnum):
    """Where a job stands; never stored, always derived."""

    QUEUED = "queued"
    ACTIVE = "active"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


ENDED = frozenset({JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED})


@dataclass(frozen=True, slots=True)
class Attempt:
    """One print of a job as its state is derived from: which copy it makes, and where it stands."""

    print_id: str
    copy: int
    state: PrintState


@dataclass(frozen=True, slots=True)
class CopyChange:
    """What a new number of copies means: copies to queue a print for, queued prints to remove."""

    add: tuple[int, ...] = ()
    remove: tuple[str, ...] = ()


class TooFewCopies(Exception):
    """Copies cannot be lowered below those finished or under way: ask for at least `least`."""

    code = "too_few_copies"

    def __init__(self, least: int) -> None:
        self.least = least
        self.hint = f"Ask for {least} copies or more, or cancel the prints that run."
        super().__init__(f"{least} copies are finished or under way")


def finished_copies(prints: Iterable[Attempt]) -> int:
    """Count the copies that have a completed print."""
    return len({p.copy for p in prints if p.state is PrintState.COMPLETED})


def active_prints(prints: Iterable[Attempt]) -> int:
    """Count the prints that hold a printer."""
    return sum(p.state in ACTIVE for p in prints)


def job_state(
    *,
    hold: bool,  # noqa: ARG001 - said by TRUTH: hold stops new claims and changes nothing else
    cancelled: bool,
    copies: int,
    prints: Sequence[Attempt],
) -> JobState:
    """Derive a job's state.

    A print that holds a printer makes the job active, cancelled or not: it ends when the printer
    does. All copies finished is completed, even if the cancel came meanwhile. Failed means that no
    queued or active print is left and copies are missing.
    """
    if active_prints(prints):
        return JobState.ACTIVE
    if finished_copies(prints) >= copies:
        return JobState.COMPLETED
    if cancelled:
        return JobState.CANCELLED
    if any(p.state is PrintState.QUEUED for p in prints):
        return JobState.QUEUED
    return JobState.FAILED


def is_overdue(due: datetime | None, state: JobState, now: datetime) -> bool:
    """Tell whether the due time has passed with work still to do; an ended job is not overdue."""
    return due is not None and state not in ENDED and now > due


def retries_left(retries: int, copy: int, prints: Iterable[Attempt]) -> int:
    """Count the replacements this copy may still get; a print that never started has cost one too.

    `retries` is the job's setting, for each copy; the result is never negative.
    """
    spent = sum(p.copy == copy and p.state in SPENT for p in prints)
    return max(0, retries + 1 - spent)


def _living(prints: Iterable[Attempt]) -> set[int]:
    """The copies that are made, being made or waiting to be."""
    return {p.copy for p in prints if p.state not in SPENT | {PrintState.CANCELLED}}


def wants_replacement(
    *, cancelled: bool, copies: int, retries: int, copy: int, prints: Sequence[Attempt]
) -> bool:
    """Tell whether a copy whose print has just failed, or never started, gets a new print.

    `prints` includes the one that ended. No replacement for a cancelled job, for a copy that
    another print makes or has made, when copies enough are made or being made, or when the copy's
    retries are used up.
    """
    living = _living(prints)
    return (
        not cancelled
        and copy not in living
        and len(living) < copies
        and retries_left(retries, copy, prints) > 0
    )


def retry_pause(failures: int) -> timedelta:
    """How long a replacement waits after the copy's n-th failure: 30 s, doubled to 15 minutes."""
    doublings = min(max(failures, 1) - 1, 16)
    return min(RETRY_PAUSE * (1 << doublings), LONGEST_RETRY_PAUSE)


def change_copies(old: int, new: int, prints: Sequence[Attempt]) -> CopyChange:
    """Say what changes when a job of `old` copies shall have `new` (at least one).

    Raising adds a queued print for each further copy. Lowering removes queued prints, the last
    copies first, and only as many as are too many: a copy that failed for good already makes room.
    Such a copy is not tried again by raising (that is `retry`). Raises TooFewCopies below what is
    finished or under way.
    """
    least = max(1, finished_copies(prints) + active_prints(prints))
    if new < least:
        raise TooFewCopies(least)
    if new >= old:
        last = max((p.copy for p in prints), default=0)
        return CopyChange(add=tuple(range(last + 1, last + 1 + new - old)))
    queued = sorted((p.copy, p.print_id) for p in prints if p.state is PrintState.QUEUED)
    surplus = max(0, len(_living(prints)) - new)
    return CopyChange(remove=tuple(print_id for _, print_id in queued[len(queued) - surplus :]))
