"""A bound on transfers that a stalled printer cannot use up."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager


class Slot:
    """One running transfer's place; `touch` it at every piece sent."""

    def __init__(self, slots: TransferSlots) -> None:
        self._slots = slots

    def touch(self) -> None:
        """Tell that the transfer has just made progress."""
        self._slots.note(self)


class TransferSlots:
    """At most `limit` transfers that make progress at a time.

    A transfer that sent nothing for `stall` seconds does not count while it stands still: a
    printer that hangs or drips keeps its connection, not its place.
    """

    def __init__(self, limit: int, stall: float, clock: Callable[[], float]) -> None:
        self._limit = limit
        self._stall = stall
        self._clock = clock
        self._holders: OrderedDict[Slot, float] = OrderedDict()
        self._turn = asyncio.Lock()
        self._freed = asyncio.Event()

    @asynccontextmanager
    async def hold(self) -> AsyncIterator[Slot]:
        """Wait for a place and keep it for the block; who came first is served first."""
        async with self._turn:
            while self._counted() >= self._limit:
                self._freed.clear()
                try:
                    async with asyncio.timeout(self._stall / 4):
                        await self._freed.wait()
                except TimeoutError:
                    continue
            slot = Slot(self)
            self.note(slot)
        try:
            yield slot
        finally:
            self._holders.pop(slot, None)
            self._freed.set()

    def note(self, slot: Slot) -> None:
        """Remember when `slot` last moved; the holders stay in that order."""
        self._holders[slot] = self._clock()
        self._holders.move_to_end(slot)

    def _counted(self) -> int:
        oldest = self._clock() - self._stall
        return sum(1 for moved in self._holders.values() if moved >= oldest)
