"""The planner's task: woken by events, it plans and claims; nothing is polled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

from buildplate.core.jobs import Queue
from buildplate.core.order import PlanPolicy
from buildplate.core.printers import is_ready
from buildplate.core.scheduling import plan
from buildplate.dispatch import repository, transitions
from buildplate.dispatch.errors import Stale
from buildplate.dispatch.model import PrintRecord
from buildplate.dispatch.ports import PrintFiles
from buildplate.dispatch.steward import Steward
from buildplate.dispatch.transitions import Stamp
from buildplate.fleet.ports import Clock
from buildplate.fleet.service import FleetService
from buildplate.storage import ConstraintViolated, Storage, StorageError

SAFETY_NET = timedelta(seconds=30)
AFTER_TROUBLE = timedelta(seconds=1)
LONG_QUEUE = 2000
"""Waiting prints above which the queue is put together in a thread: 25 ms of the event loop."""


class Planner:
    """Turns the queue and the fleet into claims."""

    def __init__(
        self,
        storage: Storage,
        files: PrintFiles,
        clock: Clock,
        new_id: Callable[[], str],
        log: Any,
        policy: PlanPolicy | None = None,
    ) -> None:
        self.policy = policy or PlanPolicy()
        self._storage = storage
        self._files = files
        self._clock = clock
        self._new_id = new_id
        self._log = log
        self._woken = asyncio.Event()
        self._calls = 0
        self._all_placed_at = -1
        self._refused: set[str] = set()

    def wake(self) -> None:
        """Something changed that may let a print start."""
        self._calls += 1
        self._woken.set()

    def stir(self) -> None:
        """Only printers changed: that is nothing to plan on while no print waits."""
        if self._all_placed_at != self._calls:
            self._woken.set()

    async def run(self, fleet: FleetService, steward: Steward) -> None:
        """Plan and claim at every wake-up, until cancelled."""
        pause = SAFETY_NET
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(max(pause.total_seconds(), 0.0)):
                    await self._woken.wait()
            self._woken.clear()
            try:
                pause = await self._round(fleet, steward)
            except StorageError as error:
                self._log.warning("planner.storage", action="plan", error=str(error))
                pause = AFTER_TROUBLE

    async def queue(self) -> tuple[Queue, repository.Waiting]:
        """The queue as planning sees it now, and as it is stored."""
        waiting = await self._storage.read(repository.read_waiting)
        files = await self._files.facts({job.file_id for job in waiting.jobs.values()})
        if len(waiting.prints) > LONG_QUEUE:
            return await asyncio.to_thread(repository.as_queue, waiting, files), waiting
        return repository.as_queue(waiting, files), waiting

    async def _round(self, fleet: FleetService, steward: Steward) -> timedelta:
        printers = fleet.printers()
        if not any(is_ready(printer.spec, printer.status) for printer in printers):
            return SAFETY_NET
        calls = self._calls
        queue, waiting = await self.queue()
        stored = {print_.id: print_ for print_ in waiting.prints}
        decided = plan(self._without_refused(queue), printers, self._clock.now(), self.policy)
        claims = [
            self._claim(stored[seat.print_id], seat.printer_id, fleet, steward)
            for seat in decided.assignments
        ]
        outcomes = await asyncio.gather(*claims, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        for seat, claimed in zip(decided.assignments, outcomes, strict=True):
            if not claimed:
                self._refused.add(seat.print_id)
        if not all(outcomes):
            return AFTER_TROUBLE
        if len(decided.assignments) == len(waiting.prints):
            self._all_placed_at = calls
        return self._next_round(queue)

    def _without_refused(self, queue: Queue) -> Queue:
        """The queue without the prints whose claim was just refused: they hold up nobody.

        What is planned on and what is stored differ there; they have their turn again next time.
        """
        refused, self._refused = self._refused, set()
        if not refused:
            return queue
        return replace(queue, prints=tuple(p for p in queue.prints if p.id not in refused))

    async def _claim(
        self, print_: PrintRecord, printer_id: str, fleet: FleetService, steward: Steward
    ) -> bool:
        """Claim; False when what is planned on and what is stored differ: plan again, soon."""
        session = fleet.sessions.get(printer_id)
        if session is None:
            return False
        stamp = Stamp(self._clock.now(), (self._new_id(),))
        try:
            claimed = await self._storage.write(transitions.claim, print_, session.record, stamp)
        except Stale:
            self.wake()
            return True
        except ConstraintViolated:
            return False  # waking at once would spin
        if claimed is None:
            return False
        steward.begin(claimed, session)
        self._log.info(
            "print",
            action="claimed",
            print_id=print_.id,
            print_number=print_.number,
            job_id=print_.job_id,
            printer_id=printer_id,
        )
        return True

    def _next_round(self, queue: Queue) -> timedelta:
        now = self._clock.now()
        waits = [print_.not_before - now for print_ in queue.prints if print_.not_before]
        return min([wait for wait in waits if wait > timedelta(0)] + [SAFETY_NET])
