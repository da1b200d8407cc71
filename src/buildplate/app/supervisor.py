"""The one task supervisor: every long-lived task of the program is started and watched here."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
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
        self._stopping = False

    def begin(self, tasks: asyncio.TaskGroup) -> None:
        """Start under `tasks`, in a context of its own: no request's id is in its log lines."""
        self._task = tasks.create_task(self._keep(), name=self._name, context=Context())

    @property
    def ended(self) -> bool:
        """Whether nothing of it runs any more."""
        return self._task is not None and self._task.done()

    async def stop(self) -> None:
        """Cancel the task and wait until it has ended; it is told again while it goes on.

        Whoever is cancelled while waiting here still waits: the task must not outlive the call.
        """
        self._stopping = True
        task, cancelled = self._task, None
        if task is not None:
            task.cancel()
        while task is not None and not task.done():
            try:
                _, going_on = await asyncio.wait([task], timeout=self._pauses.patience)
            except asyncio.CancelledError as error:
                cancelled = error
                continue
            if going_on:
                _LOG.warning("task.goes_on", action="cancel", task=self._name)
                task.cancel()
        if cancelled is not None:
            raise cancelled

    async def _keep(self) -> None:
        failures, loop = 0, asyncio.get_running_loop()
        while True:
            began = loop.time()
            try:
                await self._run()
            except asyncio.CancelledError:
                if self._is_told_to_end():
                    raise
                self._complain()  # what it waited for was cancelled by somebody else: a failure
            except Exception:  # noqa: BLE001 (the supervisor is where unforeseen errors end)
                self._complain()
            else:
                return
            if self._stopping:
                return  # it failed in the moment of its cancellation, which hid that one
            if loop.time() - began > self._pauses.last:
                failures = 0  # it ran well for long: this is a new trouble
            await asyncio.sleep(self._pauses.after(failures))
            failures += 1

    def _is_told_to_end(self) -> bool:
        task = asyncio.current_task()
        return self._stopping or task is None or task.cancelling() > 0

    def _complain(self) -> None:
        action = "stop" if self._stopping else "restart"
        _LOG.exception("task.failed", action=action, task=self._name)


class Pauses:
    """How long to wait before a failed task is begun again: doubled each time, up to a limit.

    `patience`: seconds after which a task that was cancelled, and goes on, is cancelled again.
    """

    def __init__(self, first: float = 0.5, last: float = 30.0, patience: float = 5.0) -> None:
        self._first = first
        self.last = last
        self.patience = patience

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
        """Stop every task, those too that others start while they end.

        Whoever is cancelled meanwhile stays cancelled, and still leaves none of them behind.
        """
        cancelled: asyncio.CancelledError | None = None
        while left := [task for task in self._kept if not task.ended]:
            for task in reversed(left):
                try:
                    await task.stop()
                except asyncio.CancelledError as error:
                    cancelled = error
        await self._tasks.__aexit__(None, None, None)
        if cancelled is not None:
            raise cancelled

    def start(self, name: str, run: Callable[[], Awaitable[None]]) -> SupervisedTask:
        """Keep `run` running under `name` until it ends by itself or is stopped."""
        task = SupervisedTask(name, run, self._pauses)
        task.begin(self._tasks)
        self._kept = [kept for kept in self._kept if not kept.ended]
        self._kept.append(task)
        return task
