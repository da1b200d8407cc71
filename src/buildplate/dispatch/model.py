"""The values of dispatch: jobs and prints as stored, and what a job looks like from outside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from buildplate.core.job_state import Attempt, JobState
from buildplate.core.jobs import Priority, Requirements
from buildplate.core.print_table import PrintState
from buildplate.core.upload_names import upload_name


@dataclass(frozen=True, slots=True)
class JobRecord:
    """An order as the database holds it."""

    id: str
    number: int
    version: int
    file_id: str
    name: str
    copies: int
    priority: Priority
    due: datetime | None
    requirements: Requirements
    retries: int
    hold: bool
    cancelled: bool
    customer: str | None
    reference: str | None
    origin: str | None
    rank: float | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class PrintRecord:
    """One physical attempt at one copy as the database holds it."""

    id: str
    number: int
    version: int
    job_id: str
    copy_no: int
    try_no: int
    state: PrintState
    printer_id: str | None
    fence: int | None
    attempt: int
    path: str | None
    sent_sha256: str | None
    wants_cancel: bool
    confirmed: bool
    baseline: Mapping[str, Any] | None
    intent_at: datetime | None
    bed_before: str | None
    exit_verdict: str | None
    exit_by: str | None
    exit_step: str | None
    resolution: Mapping[str, Any] | None
    evidence: Mapping[str, Any] | None
    reason: str | None
    not_before: datetime | None
    avoid_printer_id: str | None
    assigned_printer_id: str | None
    created_at: datetime
    claimed_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None

    @property
    def attempt_of(self) -> Attempt:
        """The print as a job's state is derived from it."""
        return Attempt(self.id, self.copy_no, self.state)

    @property
    def file_name(self) -> str:
        """The name of the present upload attempt on the printer: never used twice."""
        return upload_name(self.id, self.attempt)


@dataclass(frozen=True, slots=True)
class NewJob:
    """An order as it comes in; `retries` counts per copy."""

    file_id: str
    name: str | None = None
    copies: int = 1
    priority: Priority = Priority.NORMAL
    due: datetime | None = None
    requirements: Requirements = field(default_factory=Requirements)
    retries: int = 1
    hold: bool = False
    customer: str | None = None
    reference: str | None = None
    origin: str | None = None


@dataclass(frozen=True, slots=True)
class PrintCounts:
    """How many prints of a job stand where; `finished` counts its copies, once each."""

    finished: int = 0
    failed: int = 0
    active: int = 0
    queued: int = 0


@dataclass(frozen=True, slots=True)
class JobView:
    """A job and what follows from its prints; `prints` are those that were asked for, if any."""

    job: JobRecord
    state: JobState
    counts: PrintCounts
    overdue: bool
    prints: tuple[PrintRecord, ...] = ()

    @property
    def finished(self) -> int:
        """How many copies are made."""
        return self.counts.finished
