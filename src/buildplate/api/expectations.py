"""When jobs should end, without playing the whole queue through for each who asks."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime

from buildplate.dispatch.queue_service import QueueService

FRESH_S = 1.0
SHARE = 20
"""A long queue costs time on the loop; asking again may take at most one part in so many of it."""


class Expectations:
    """The queue's forecast by job, at least a second old before it is made anew."""

    def __init__(self, queue: QueueService) -> None:
        self._queue = queue
        self._lock = asyncio.Lock()
        self._fresh_until = float("-inf")
        self._queued = self._late = 0
        self._ends: Mapping[str, datetime | None] = {}

    async def end_of(self, job_id: str) -> datetime | None:
        """When the last queued print of the job should end; None where nobody can tell."""
        await self._refresh()
        return self._ends.get(job_id)

    async def count(self) -> tuple[int, int]:
        """How many prints are queued, and how many of them are going to be late."""
        await self._refresh()
        return self._queued, self._late

    async def _refresh(self) -> None:
        async with self._lock:
            loop = asyncio.get_running_loop()
            if loop.time() >= self._fresh_until:
                began = loop.time()
                self._ends = await self._forecast()
                took = loop.time() - began
                self._fresh_until = loop.time() + max(FRESH_S, SHARE * took)

    async def _forecast(self) -> dict[str, datetime | None]:
        ends: dict[str, datetime | None] = {}
        rows = await self._queue.queue()
        self._queued, self._late = len(rows), sum(row.item.late for row in rows)
        for row in rows:
            job_id, end = row.item.print.job.id, row.item.expected_end
            known = ends.get(job_id, end)
            ends[job_id] = None if known is None or end is None else max(known, end)
        return ends
