"""The one task supervisor: every long-lived task of the program is started and watched here."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import Context
from typing import Self

import structlog

_LOG = structlog.get_logger("supervisor")


class SupervisedTask:
    """One task that is begun again whenever it fails."""

    def __init__(self, name: str, run: Callable[[], Awaitable[None]], pauses: Pauses) -> None:
        self._name = name
        self._run = run
        self._pauses = pauses
        self._task: asyncio.Task[None] | None = None

    def begin(self, tasks: asyncio.TaskGroup) -> None:
        """Start under `tasks`, in a context of its own: no request's id is in its log lines."""
        self._task = tasks.create_task(self._keep(), name=self._name, context=Context())

    @property
    def ended(self) -> bool:
        """Whether nothing of it runs any more."""
        return self._task is not None and self._task.done()

    async def stop(self) -> None:
        """Cancel the task and wait until it has ended."""
        if self._task is None or self._task.done():
            return
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.wait([self._task])

    async def _keep(self) -> None:
        failures, loop = 0, asyncio.get_running_loop()
        while True:
            began = loop.time()
            try:
                await self._run()
            except Exception:  # noqa: BLE001 (the supervisor is where unforeseen errors end)
                _LOG.exception("task.failed", action="restart", task=self._name)
            else:
                return
            if loop.time() - began > self._pauses.last:
                failures = 0  # it ran well for long: this is a new trouble
            await asyncio.sleep(self._pauses.after(failures))
            failures += 1


class Pauses:
    """How long to wait before a failed task is begun again: doubled each time, up to a limit."""

    def __init__(self, first: float = 0.5, last: float = 30.0) -> None:
        self._first = first
        self.last = last

    def after(self, failures: int) -> float:
        """Seconds to wait after so many failures."""
        pause: float = min(self._first * 2 ** min(failures, 16), self.last)
        return pause


class Supervisor:
    """Starts tasks; use as a context manager, which stops them all at its end."""

    def __init__(self, pauses: Pauses | None = None) -> None:
        self._pauses = pauses or Pauses()
        self._tasks = asyncio.TaskGroup()
        self._kept: list[SupervisedTask] = []

    async def __aenter__(self) -> Self:
        """Begin to supervise."""
        await self._tasks.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop every task."""
        for task in reversed(self._kept):
            await task.stop()
        await self._tasks.__aexit__(None, None, None)

    def start(self, name: str, run: Callable[[], Awaitable[None]]) -> SupervisedTask:
        """Keep `run` running under `name` until it ends by itself or is stopped."""
        task = SupervisedTask(name, run, self._pauses)
        task.begin(self._tasks)
        self._kept = [kept for kept in self._kept if not kept.ended]
        self._kept.append(task)
        return task
