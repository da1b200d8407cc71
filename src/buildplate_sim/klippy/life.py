"""The time and the tasks of one running program: they end with it, whatever they wait for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from buildplate_sim.pulse import Pulse

    Later = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]


class Life:
    """One boot of a program. Seconds are simulated ones."""

    def __init__(self, pulse: Pulse, later: Later) -> None:
        self.pulse = pulse
        self.over = False
        self._later = later
        self._tasks: set[asyncio.Task[None]] = set()
        self._naps: set[asyncio.Event] = set()

    @property
    def now(self) -> float:
        """Seconds on the machine's own clock."""
        return self.pulse.now

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something beside everything else, until it or the program ends."""
        if self.over:
            work.close()
            return
        task = self._later(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def sleep(self, seconds: float) -> None:
        """Wait so many seconds, or until everybody is roused; a frozen machine waits on."""
        woken = asyncio.Event()
        timer = self.pulse.after(seconds, woken.set)
        self._naps.add(woken)
        try:
            await woken.wait()
        finally:
            timer.cancel()
            self._naps.discard(woken)

    def rouse(self) -> None:
        """Nobody sleeps on: there is something to look at."""
        for nap in self._naps:
            nap.set()

    async def told(self, order: Callable[[Callable[[], None]], None]) -> None:
        """Give an order that calls back, and wait until it has."""
        done = asyncio.Event()
        order(lambda: self.pulse.soon(done.set))
        await done.wait()

    def end(self) -> None:
        """Stop everything where it stands."""
        self.over = True
        for task in list(self._tasks):
            task.cancel()
