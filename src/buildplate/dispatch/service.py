"""The use cases of orders: jobs come in, are changed, held, cancelled, retried."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from buildplate.core.job_state import Attempt, JobState, is_overdue, job_state
from buildplate.core.print_table import PrintState
from buildplate.dispatch import reading, repository
from buildplate.dispatch.errors import InvalidJob, JobChanged
from buildplate.dispatch.model import JobRecord, JobView, NewJob, PrintCounts, PrintRecord
from buildplate.dispatch.parts import DispatchParts
from buildplate.dispatch.repository import Key
from buildplate.dispatch.trails import TRAILS, present_trail

MOST_COPIES = 10_000
MOST_RETRIES = 100
MOST_SHOWN = 1000


class JobService:
    """Orders."""

    def __init__(self, parts: DispatchParts) -> None:
        self._parts = parts

    async def receive(self, order: NewJob, key: Key | None = None) -> tuple[JobView, bool]:
        """Take an order; the same key answers the job made first (False). Durable when it returns.

        Raises UnknownFile, InvalidJob, KeyReused.
        """
        known = await self._parts.storage.read(repository.job_of_key, key)
        if known is not None:  # whatever has become of its printers and its file since
            return await self.job(known), False
        self._check(order, order.requirements.printers)
        return await self._take(order, key)

    async def _take(self, order: NewJob, key: Key | None) -> tuple[JobView, bool]:
        stamp = self._parts.stamp(1 + 2 * order.copies)
        trail = present_trail()
        job, created = await self._parts.storage.write(
            repository.create_job, self._parts.new_id(), order, key, stamp, trail
        )
        if created:
            TRAILS.note(job.id, trail)
            self._parts.log.info("job", action="accepted", job_id=job.id, job_number=job.number)
        self._parts.planner.wake()
        return await self.job(job.id), created

    async def job(self, reference: str) -> JobView:
        """The job with this id or number; UnknownJob."""
        return self._view(*await self._parts.storage.read(reading.job_with_counts, reference))

    async def status(self, reference: str) -> JobView:
        """The job with its prints: those under way, and the first others, `MOST_SHOWN` in all."""
        job, counts, prints = await self._parts.storage.read(
            reading.job_with_prints, reference, MOST_SHOWN
        )
        return self._view(job, counts, prints)

    async def jobs(
        self, limit: int, cursor: str | None, filters: Mapping[str, Any]
    ) -> tuple[list[JobView], str | None]:
        """Jobs, newest first, and the cursor of the next page."""
        found = await self._parts.storage.read(
            reading.list_jobs, limit=limit + 1, cursor=cursor, filters=filters
        )
        views = [self._view(job, counts) for job, counts in found[:limit]]
        return views, str(views[-1].job.number) if len(found) > limit else None

    async def groups_of(self, job_ids: Collection[str]) -> Mapping[str, tuple[str | None, int]]:
        """The group that each of these jobs asks for, and at which version of the job."""
        return await self._parts.storage.read(reading.groups_of, job_ids)

    async def counts(self) -> Mapping[JobState, int]:
        """How many jobs are not finished, by their state."""
        return await self._parts.storage.read(reading.count_unfinished)

    async def edit(
        self, reference: str, version: int | None, changes: Mapping[str, Any]
    ) -> JobView:
        """Change what a job asks for; queued prints are planned anew. TooFewCopies, JobChanged.

        Printers that were named before and are retired by now are left out, but for the last one.
        """
        job = (await self.job(reference)).job
        if version is not None and version != job.version:
            message = f"job {job.number} is at version {job.version}, not {version}"
            raise JobChanged(message)
        order = replace(_as_order(job), **changes)
        self._check(order, order.requirements.printers - job.requirements.printers)
        order = self._without_retired(order)
        stamp = self._parts.stamp(1 + 2 * max(order.copies - job.copies, 0))
        found = await self._parts.storage.write(repository.edit_job, job, order, stamp)
        self._parts.planner.wake()
        return self._view(*found)

    async def hold(self, reference: str, *, hold: bool) -> JobView:
        """Hold or release a job: no new claims while held."""
        job = await self._parts.storage.write(
            repository.hold_job, reference, hold, self._parts.stamp()
        )
        self._parts.planner.wake()
        return await self.job(job.id)

    async def cancel(self, reference: str) -> JobView:
        """Cancel a job; its running prints are cancelled on their printers."""
        found = await self._parts.storage.write(
            repository.cancel_job, reference, self._parts.stamp()
        )
        job, counts, active = found
        for print_ in active:
            self._parts.tell(print_)
        self._parts.planner.wake()
        return self._view(job, counts)

    async def retry(self, reference: str) -> JobView:
        """Queue again the copies that are missing; JobEnded where none is."""
        copies = (await self.job(reference)).job.copies
        stamp = self._parts.stamp(1 + 2 * copies)
        found = await self._parts.storage.write(repository.retry_job, reference, stamp)
        self._parts.planner.wake()
        return self._view(*found)

    async def duplicate(self, reference: str, key: Key | None = None) -> tuple[JobView, bool]:
        """Order the same again; the same key answers the job made first (False)."""
        job = (await self.job(reference)).job
        return await self._take(self._without_retired(replace(_as_order(job), hold=False)), key)

    def _without_retired(self, order: NewJob) -> NewJob:
        """The order without printers that are gone; naming none at all would mean any of them."""
        asked = order.requirements
        here = frozenset(one for one in asked.printers if one in self._parts.fleet.sessions)
        return replace(order, requirements=replace(asked, printers=here)) if here else order

    def _check(self, order: NewJob, named: Collection[str]) -> None:
        if not 1 <= order.copies <= MOST_COPIES:
            message = f"copies must be between 1 and {MOST_COPIES}, not {order.copies}"
            raise InvalidJob(message)
        if not 0 <= order.retries <= MOST_RETRIES:
            message = f"retries must be between 0 and {MOST_RETRIES}, not {order.retries}"
            raise InvalidJob(message)
        for printer_id in named:
            if printer_id not in self._parts.fleet.sessions:
                message = f"there is no printer {printer_id} in service"
                raise InvalidJob(message, "Name printers by the ids that GET /printers shows.")

    def _view(
        self, job: JobRecord, counts: PrintCounts, prints: Sequence[PrintRecord] = ()
    ) -> JobView:
        state = _state(job, counts)
        overdue = is_overdue(job.due, state, self._parts.clock.now())
        return JobView(job, state, counts, overdue, tuple(prints))


def _state(job: JobRecord, counts: PrintCounts) -> JobState:
    """The job's state: that of a job of one copy, for which the same is so."""
    attempts = []
    if counts.active:
        attempts.append(Attempt("", 1, PrintState.PRINTING))
    if counts.finished >= job.copies:
        attempts.append(Attempt("", 1, PrintState.COMPLETED))
    if counts.queued:
        attempts.append(Attempt("", 1, PrintState.QUEUED))
    return job_state(hold=job.hold, cancelled=job.cancelled, copies=1, prints=attempts)


def _as_order(job: JobRecord) -> NewJob:
    return NewJob(
        file_id=job.file_id,
        name=job.name,
        copies=job.copies,
        priority=job.priority,
        due=job.due,
        requirements=job.requirements,
        retries=job.retries,
        hold=job.hold,
        customer=job.customer,
        reference=job.reference,
        origin=job.origin,
    )
