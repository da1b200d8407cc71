"""Timers of one simulated machine: scaled by the time factor, stopped while it is frozen."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(slots=True, eq=False)
class Timer:
    """One call that is due later, at `due` on the machine's own clock."""

    call: Callable[[], None]
    due: float
    over: bool = False

    def cancel(self) -> None:
        """It is not called any more."""
        self.over = True


class Pulse:
    """Gives one machine its time. Delays and `now` are simulated seconds.

    Calls happen in the order in which they are due, however late the event loop is: the loop's own
    timers do not promise that, and at a high time factor all of them are late.
    """

    def __init__(self, factor: float) -> None:
        self.factor = factor
        self._loop = asyncio.get_running_loop()
        self._heap: list[tuple[float, int, Timer]] = []
        self._order = count()
        self._handle: asyncio.TimerHandle | None = None
        self._armed_for = 0.0
        self._waiting: list[Callable[[], None]] = []
        self._stopped_at: float | None = None
        self._lost = 0.0
        self._due_now: float | None = None

    @property
    def frozen(self) -> bool:
        """Whether time stands still."""
        return self._stopped_at is not None

    @property
    def now(self) -> float:
        """Simulated seconds that have passed for this machine, freezes left out.

        Within a call it is the moment for which the call was due: what follows from it follows
        from that moment, not from the loop's lateness.
        """
        return self._wall_now() if self._due_now is None else self._due_now

    def _wall_now(self) -> float:
        wall = self._loop.time() if self._stopped_at is None else self._stopped_at
        return (wall - self._lost) * self.factor

    def after(self, seconds: float, call: Callable[[], None]) -> Timer:
        """Call after so many simulated seconds."""
        timer = Timer(call, self.now + max(0.0, seconds))
        heappush(self._heap, (timer.due, next(self._order), timer))
        self._arm()
        return timer

    def soon(self, call: Callable[[], None]) -> None:
        """Call now, or when time goes on."""
        if self.frozen:
            self._waiting.append(call)
        else:
            call()

    def freeze(self) -> None:
        """Let time stand still."""
        if not self.frozen:
            self._stopped_at = self._loop.time()
            self._disarm()

    def thaw(self) -> None:
        """Let time go on."""
        if self._stopped_at is None:
            return
        self._lost += self._loop.time() - self._stopped_at
        self._stopped_at = None
        waiting, self._waiting = self._waiting, []
        for call in waiting:
            call()
        self._arm()

    def clear(self) -> None:
        """Forget every timer."""
        self._disarm()
        self._heap.clear()
        self._waiting.clear()

    def _disarm(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _arm(self) -> None:
        while self._heap and self._heap[0][2].over:
            heappop(self._heap)
        if self.frozen or not self._heap:
            return
        due = self._heap[0][0]
        if self._handle is not None:
            if self._armed_for <= due:
                return
            self._handle.cancel()
        self._armed_for = due
        delay = max(0.0, (due - self._wall_now()) / self.factor)
        self._handle = self._loop.call_later(delay, self._fire)

    def _fire(self) -> None:
        self._handle = None
        try:
            while self._heap and not self.frozen and self._heap[0][0] <= self._wall_now():
                self._due_now, _, timer = heappop(self._heap)
                if not timer.over:
                    timer.over = True
                    timer.call()
        finally:
            self._due_now = None
            self._arm()
