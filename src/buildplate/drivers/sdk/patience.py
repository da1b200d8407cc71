"""A time-out for many short waits, one after the other."""

from __future__ import annotations

import asyncio
from types import TracebackType


class Patience:
    """Raises TimeoutError where one wait in its `with` block takes longer than `limit_s`.

    It does what `asyncio.timeout` does, for one wait at a time, again and again: its one timer
    stays over many waits, where a timer for each of them costs as much as reading a short message.
    """

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[object] | None = None
        self._cancelling = 0
        self._until = 0.0
        self._over = False

    def __enter__(self) -> None:
        task = asyncio.current_task()
        if task is None or self._task is not None:
            message = "a patience is for one wait of one task at a time"
            raise RuntimeError(message)
        loop = task.get_loop()
        self._task, self._cancelling = task, task.cancelling()
        self._until = loop.time() + self._limit_s
        if self._timer is None:
            self._timer = loop.call_at(self._until, self._ring, loop)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        task, self._task = self._task, None
        over, self._over = self._over, False
        if not over or task is None:
            return
        # Somebody else's cancellation in the same moment stays one.
        if task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def close(self) -> None:
        """Let go of the timer; no wait follows."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ring(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        if self._task is None:
            return
        if loop.time() < self._until:
            self._timer = loop.call_at(self._until, self._ring, loop)
            return
        self._over = True
        self._task.cancel()
