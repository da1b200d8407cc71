"""The use cases of the queue: its order, why prints wait, stopping the farm."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from buildplate.core.explaining import Summaries, reasons
from buildplate.core.forecast import QueueItem, forecast
from buildplate.core.jobs import Queue
from buildplate.core.order import PlanPolicy
from buildplate.core.printers import Printer
from buildplate.core.reasons import Reason, WaitReason
from buildplate.core.survey import Survey
from buildplate.dispatch import forgotten, ranking, reading, repository, transitions
from buildplate.dispatch.errors import PrintersUnseen
from buildplate.dispatch.parts import DispatchParts


@dataclass(frozen=True, slots=True)
class QueueRow:
    """A place in the queue with what to expect and why the print waits.

    `in_group` counts the printers of the group that its job asks for only, where it asks for one.
    """

    item: QueueItem
    summary: Mapping[Reason, int]
    in_group: Mapping[Reason, int] | None


NAMED = 5
Moment = tuple[Queue, list[Printer], datetime, PlanPolicy]


class QueueService:
    """The queue."""

    def __init__(self, parts: DispatchParts) -> None:
        self._parts = parts
        self._turn = asyncio.Semaphore(1)  # those who ask wait for one another, the farm does not

    async def queue(self) -> list[QueueRow]:
        """The queue in its order: slack, expectation, and why each print waits, in short."""
        async with self._turn:
            return await asyncio.to_thread(_rows_of, await self._moment())

    async def waiting(self, reference: str) -> list[WaitReason]:
        """Every reason, printer by printer, why a queued print does not start; empty: it may."""
        print_ = await self._parts.storage.read(transitions.get_print, reference)
        found = await asyncio.to_thread(_reasons_of, print_.id, await self._moment())
        return [self._without_retired(reason) for reason in found]

    def _without_retired(self, reason: WaitReason) -> WaitReason:
        """The reason, with no printer in its remedy that is out of service by now."""
        asked = reason.unblock.params.get("requirements")
        if not isinstance(asked, Mapping) or "printers" not in asked:
            return reason
        here = [one for one in asked["printers"] if one in self._parts.fleet.sessions]
        params = {**reason.unblock.params, "requirements": {**asked, "printers": here}}
        return replace(reason, unblock=replace(reason.unblock, params=params))

    async def why_stopped(self) -> str | None:
        """Why the whole farm is stopped; None where it is not."""
        return await self._parts.storage.read(forgotten.why_stopped)

    async def release(self, *, reason: str, anyway: bool = False) -> None:
        """Release the whole farm; after a restore only once every printer was looked at.

        That means disabled ones, too: they may have been enabled, and printed, after the backup.
        Raises PrintersUnseen, unless it is to be released `anyway`.
        """
        if not anyway and await self._parts.storage.read(forgotten.restore_open):
            unseen = [
                session.record.spec.name
                for session in self._parts.fleet.sessions.values()
                if not session.hands.compared
            ]
            if unseen:
                raise PrintersUnseen(_not_compared(unseen))
        await self.stop(stopped=False, reason=reason)

    async def stop(self, *, stopped: bool, reason: str) -> None:
        """Stop or release the whole farm: nothing new is claimed or started while stopped."""
        await self._parts.storage.write(repository.stop_farm, stopped, reason, self._parts.stamp())
        self._parts.steward.stopped = stopped
        self._parts.planner.wake()

    async def reorder(self, reference: str, before: str | None) -> None:
        """Put a job right ahead of another one of its class, or back into the planner's order."""
        job_id = await self._job_of(reference)
        if before is None:
            await self._parts.storage.write(ranking.unrank, job_id, self._parts.stamp())
        else:
            other = await self._job_of(before)
            ahead = await asyncio.to_thread(_jobs_ahead, other, await self._moment())
            await self._parts.storage.write(
                ranking.place_before, job_id, other, self._parts.stamp(), ahead
            )
        self._parts.planner.wake()

    async def _job_of(self, reference: str) -> str:
        """The job meant by a job's or a print's id."""
        return await self._parts.storage.read(reading.job_of, reference)

    async def _moment(self) -> Moment:
        queue, _ = await self._parts.planner.queue()
        policy = self._parts.planner.policy
        return queue, self._parts.fleet.printers(), self._parts.clock.now(), policy


def _not_compared(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return (
        "the farm was restored from a backup, and the files on these printers were not compared"
        f" with it yet: {', '.join(sorted(names)[:NAMED])}{more}"
    )


# A long queue takes seconds: in a thread they are only theirs who asked.


def _rows_of(moment: Moment) -> list[QueueRow]:
    survey = Survey(*moment)
    summaries = Summaries(survey)
    return [
        QueueRow(
            item,
            summaries.of(item.print),
            None if item.print.job.requirements.group is None else summaries.in_group(item.print),
        )
        for item in forecast(survey)
    ]


def _jobs_ahead(job_id: str, moment: Moment) -> list[str]:
    """The jobs of a job's priority that the plan has before it; none where it does not wait."""
    ordered = [queued.job for queued in Survey(*moment).ordered]
    priority = next((job.priority for job in ordered if job.id == job_id), None)
    peers = list(dict.fromkeys(job.id for job in ordered if job.priority is priority))
    return peers[: peers.index(job_id)] if job_id in peers else []


def _reasons_of(print_id: str, moment: Moment) -> list[WaitReason]:
    survey = Survey(*moment)
    for queued in survey.queue.prints:
        if queued.id == print_id:
            found = reasons(survey, queued)
            return [reason for of_printer in found.values() for reason in of_printer]
    return []
