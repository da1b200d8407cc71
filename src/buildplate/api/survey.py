"""Questions that may hang, each asked at most once a second and given up before it is asked again.

A disk or a database that hangs holds up one question, never one for each who wants to know.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Generic, TypeVar

from buildplate.storage import StorageError

T = TypeVar("T")
PATIENCE_S = 0.5
FRESH_S = 1.0


class Question(Generic[T]):
    """The answer to `ask`, at most a second old; None where there was none within half a second.

    `took_s` is how long the answer took.
    """

    def __init__(self, ask: Callable[[], Awaitable[T]]) -> None:
        self._ask = ask
        self._one_at_a_time = asyncio.Lock()
        self._asked_at = float("-inf")
        self._answer: T | None = None
        self.took_s: float | None = None

    async def answer(self) -> T | None:
        """What was answered; who comes while it is being asked waits for the same answer."""
        async with self._one_at_a_time:
            now = asyncio.get_running_loop().time()
            if now >= self._asked_at + FRESH_S:
                began = perf_counter()
                self._answer = await self._in_time()
                # Only now: who was cancelled while asking leaves the question to the next.
                self._asked_at, self.took_s = now, perf_counter() - began
            return self._answer

    async def _in_time(self) -> T | None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await self._ask()
        except (TimeoutError, StorageError, OSError):
            return None


class InThread(Generic[T]):
    """Calls what blocks in a thread; while one call hangs, no other one is begun."""

    def __init__(self, call: Callable[[], T]) -> None:
        self._call = call
        self._running: asyncio.Future[T] | None = None

    async def __call__(self) -> T:
        """What the call answers; TimeoutError while a former one still hangs."""
        if self._running is not None and not self._running.done():
            raise TimeoutError
        self._running = asyncio.get_running_loop().run_in_executor(None, self._call)
        return await asyncio.shield(self._running)
