"""Several waits at once, of which none outlives the call."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from collections.abc import Set as AbstractSet
from typing import Any


async def together(*works: Coroutine[Any, Any, Any]) -> list[Any]:
    """What all of them return, in order; the first error ends the others and is raised by itself.

    Whoever is cancelled stays cancelled, also when one of the works fails in the same moment. An
    `asyncio.TaskGroup` before Python 3.13 raises the error alone then, and a task that runs until
    it is cancelled would go on for ever. A work that ends by a cancellation that nobody here asked
    for is an error, too: the others would wait without it, and their caller for them.
    """
    tasks = [asyncio.create_task(work) for work in works]  # noqa: TID251 (all are awaited here)
    done: set[asyncio.Task[Any]] = set()
    error: BaseException | None = None
    try:
        try:
            await _all_or_one_error(tasks, done)
        finally:
            await _end(tasks)
        error = _first(tasks, done)
        if error is not None:
            raise error
        return [task.result() for task in tasks]
    finally:  # an error knows this frame: no circle of them may wait for the garbage collector
        tasks.clear()
        done.clear()
        del error


async def _all_or_one_error(
    tasks: Sequence[asyncio.Task[Any]], done: set[asyncio.Task[Any]]
) -> None:
    """Wait until all are in `done`, or one that has not returned."""
    while (left := set(tasks) - done) and _first(tasks, done) is None:
        more, _ = await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)
        done |= more


async def _end(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Cancel what still runs and wait for it, however often the caller is cancelled meanwhile."""
    for task in tasks:
        task.cancel()
    cancelled: asyncio.CancelledError | None = None
    while left := [task for task in tasks if not task.done()]:
        try:
            await asyncio.wait(left)
        except asyncio.CancelledError as error:
            cancelled = error
    for task in tasks:
        _error(task)  # a second one is not complained of as never looked at
    if cancelled is not None:
        raise cancelled


def _first(
    tasks: Sequence[asyncio.Task[Any]], done: AbstractSet[asyncio.Task[Any]]
) -> BaseException | None:
    errors = (_error(task) or _stray(task) for task in tasks if task in done)
    return next((error for error in errors if error is not None), None)


def _stray(task: asyncio.Task[Any]) -> BaseException | None:
    return RuntimeError("a work was cancelled by somebody else") if task.cancelled() else None


def _error(task: asyncio.Task[Any]) -> BaseException | None:
    return None if task.cancelled() else task.exception()
