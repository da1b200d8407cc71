"""Several waits at once: the first error ends the others, and no cancellation is lost."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import pytest

from buildplate.drivers.sdk import PrinterOffline, together


async def _value(value: str, ticks: int) -> str:
    for _ in range(ticks):
        await asyncio.sleep(0)
    return value


async def _failing(ready: asyncio.Event, why: str = "gone") -> None:
    await ready.wait()
    raise PrinterOffline(why)


async def test_what_all_return_comes_in_order() -> None:
    assert await together(_value("a", 3), _value("b", 0), _value("c", 1)) == ["a", "b", "c"]


async def test_the_first_error_is_raised_by_itself_and_ends_the_others() -> None:
    ended = []

    async def waiting() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append("waiting")

    ready = asyncio.Event()
    ready.set()
    with pytest.raises(PrinterOffline, match="gone"):
        await together(waiting(), _failing(ready))
    assert ended == ["waiting"]
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


@pytest.mark.parametrize("cancel_first", [True, False])
async def test_a_cancellation_beside_an_error_is_not_lost(cancel_first: bool) -> None:
    ready = asyncio.Event()
    task = asyncio.create_task(_all(_failing(ready), _failing(ready)))  # noqa: TID251
    await asyncio.sleep(0.01)
    if cancel_first:
        task.cancel()
        ready.set()
    else:
        ready.set()
        await asyncio.sleep(0)
        await asyncio.sleep(0)  # the error has ended the works, and their caller was not told yet
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_whoever_is_cancelled_again_and_again_still_waits_for_the_works() -> None:
    ended = []

    async def slow_to_end() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.05)
            ended.append("slow")

    task = asyncio.create_task(_all(slow_to_end()))  # noqa: TID251
    for _ in range(5):
        await asyncio.sleep(0.005)
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == ["slow"]


async def test_a_work_that_is_cancelled_by_somebody_else_ends_the_others() -> None:
    ended = []

    async def stray() -> None:
        another: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        another.cancel()
        await another

    async def waiting() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("waiting")

    async with asyncio.timeout(5):
        with pytest.raises(RuntimeError, match="cancelled by somebody else"):
            await together(waiting(), stray())
    assert ended == ["waiting"]


async def _all(*works: Coroutine[Any, Any, Any]) -> None:
    await together(*works)


async def test_an_error_leaves_nothing_for_the_garbage_collector() -> None:
    ready = asyncio.Event()
    ready.set()
    gc.collect()
    gc.disable()
    try:
        for _ in range(10):
            with suppress(PrinterOffline):
                await together(_failing(ready), _value("a", 5))
        assert gc.collect() < 10
    finally:
        gc.enable()
