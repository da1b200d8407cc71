"""Timers of one simulated machine: scaled by the time factor, stopped while it is frozen."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(slots=True, eq=False)
class Timer:
    """One call that is due later."""

    call: Callable[[], None]
    left: float
    due: float = 0.0
    handle: asyncio.TimerHandle | None = None
    over: bool = False

    def cancel(self) -> None:
        """It is not called any more."""
        self.over = True
        if self.handle is not None:
            self.handle.cancel()


class Pulse:
    """Gives one machine its time. Delays and `now` are simulated seconds."""

    def __init__(self, factor: float) -> None:
        self.factor = factor
        self._loop = asyncio.get_running_loop()
        self._timers: set[Timer] = set()
        self._waiting: list[Callable[[], None]] = []
        self._stopped_at: float | None = None
        self._lost = 0.0

    @property
    def frozen(self) -> bool:
        """Whether time stands still."""
        return self._stopped_at is not None

    @property
    def now(self) -> float:
        """Simulated seconds that have passed for this machine, freezes left out."""
        wall = self._loop.time() if self._stopped_at is None else self._stopped_at
        return (wall - self._lost) * self.factor

    def after(self, seconds: float, call: Callable[[], None]) -> Timer:
        """Call after so many simulated seconds."""
        timer = Timer(call, max(0.0, seconds) / self.factor)
        self._timers.add(timer)
        if not self.frozen:
            self._arm(timer)
        return timer

    def soon(self, call: Callable[[], None]) -> None:
        """Call now, or when time goes on."""
        if self.frozen:
            self._waiting.append(call)
        else:
            call()

    def freeze(self) -> None:
        """Let time stand still."""
        if self.frozen:
            return
        self._stopped_at = self._loop.time()
        for timer in self._timers:
            if timer.handle is not None:
                timer.handle.cancel()
                timer.left = max(0.0, timer.due - self._stopped_at)

    def thaw(self) -> None:
        """Let time go on."""
        if self._stopped_at is None:
            return
        self._lost += self._loop.time() - self._stopped_at
        self._stopped_at = None
        waiting, self._waiting = self._waiting, []
        for timer in list(self._timers):
            self._arm(timer)
        for call in waiting:
            call()

    def clear(self) -> None:
        """Forget every timer."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        self._waiting.clear()

    def _arm(self, timer: Timer) -> None:
        if timer.over:
            self._timers.discard(timer)
            return
        timer.due = self._loop.time() + timer.left
        timer.handle = self._loop.call_later(timer.left, self._fire, timer)

    def _fire(self, timer: Timer) -> None:
        self._timers.discard(timer)
        if not timer.over:
            timer.over = True
            timer.call()
