"""Checks on the wire: files arrive whole or not at all, time is bounded, nothing is left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import replace
from types import UnionType
from typing import Any

from buildplate.drivers.sdk.answers import Deleted, Unknown
from buildplate.drivers.sdk.conformance.bench import (
    SLACK_S,
    Bench,
    PromiseBroken,
    body_of,
    completed,
    promise,
)
from buildplate.drivers.sdk.conformance.relay import Fate
from buildplate.drivers.sdk.contract import Watch
from buildplate.drivers.sdk.errors import DriverError, PrinterOffline
from buildplate.drivers.sdk.manifest import Capability

READS = 4
"""How often a driver may ask for the same in one look."""

ABANDONED_AFTER_S = (0.0, 0.0002, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.008, 0.013, 0.021, 0.034)
"""Real seconds after which a call is abandoned: from before its first byte to after its last."""


async def an_upload_neither_starts_nor_selects(bench: Bench) -> None:
    """A stored file lies there, comes back as it was sent, and nothing else happens."""
    async with bench.session() as session:
        content = bench.host.sample(2) * 50
        body = body_of(content)
        selected = await bench.host.selected()
        path = await session.driver.upload("bp-00000000000000000000000000000000-1.gcode", body)
        promise(path in await bench.files(session), "the answered path is the stored file's")
        promise(await bench.host.selected() == selected, "nothing was selected")
        promise(await bench.host.starts(path) == 0, "nothing was started")
        await session.idle()
        if Capability.FETCH_BACK in bench.host.manifest.capabilities:
            promise(await session.driver.fetch_sha256(path) == body.sha256, "it is what was sent")
        promise(not await session.driver.files("no-such-prefix-"), "files asks for a prefix")


async def a_broken_upload_raises_and_stores_nothing(bench: Bench) -> None:
    """A body that ends early and a connection that breaks are errors, and leave no file."""
    host = bench.host
    async with bench.session() as session:
        body = body_of(host.sample(2) * 50)
        short = replace(body, size=body.size + 10)
        await fails(lambda: session.driver.upload("bp-short-1.gcode", short), "a short body")
    async with bench.session() as session:
        bench.relay.next(host.markers.upload, Fate.CUT)
        await fails(lambda: session.driver.upload("bp-cut-1.gcode", body), "a cut upload")
    async with bench.session() as session:
        stored = [path for path in await bench.files(session) if "short" in path or "cut" in path]
        promise(not stored, f"half a file is no file: {stored}")


async def half_a_file_is_never_taken_for_the_whole(bench: Bench) -> None:
    """A fetch that breaks off raises, or is made again; it never answers the hash of a part."""
    if Capability.FETCH_BACK not in bench.host.manifest.capabilities:
        return
    async with bench.session() as session:
        body = body_of(bench.host.sample(2) * 50)
        path = await session.driver.upload("bp-00000000000000000000000000000000-2.gcode", body)
        bench.relay.next(bench.host.markers.fetch, Fate.TRUNCATE)
        try:
            found = await session.driver.fetch_sha256(path)
        except DriverError:
            return
        promise(found == body.sha256, "the hash is that of the whole file, or there is none")


async def fails(call: Callable[[], Awaitable[object]], what: str) -> None:
    """Promise that the call raises a DriverError."""
    try:
        answer = await call()
    except DriverError:
        return
    promise(False, f"{what} raises a DriverError and does not answer {answer}")  # noqa: FBT003


async def a_host_that_hangs_costs_each_call_its_time_out(bench: Bench) -> None:
    """Every call ends within its own limit; reads raise, physical commands answer Unknown."""
    host, timings = bench.host, bench.host.timings
    async with bench.session() as session:
        path = await session.store(host.sample(1))
        await session.idle()
        bench.relay.mute()
        driver = session.driver
        await in_time(driver.start(path), timings.command + SLACK_S, Unknown)
        await in_time(driver.cancel(), timings.command + SLACK_S, Unknown)
        limit = max(timings.command, timings.request) + SLACK_S
        deleted = await in_time(driver.delete(path), limit, Deleted)
        promise(deleted is Deleted.UNKNOWN, f"nobody knows if it is deleted, not {deleted}")
        await raises(driver.look(None), timings.request + SLACK_S)
        await raises(driver.files("bp-"), timings.request + SLACK_S)
        limit = timings.request + timings.transfer_idle + SLACK_S
        await raises(driver.fetch_sha256(path), limit)
        await raises(driver.upload("bp-hang-1.gcode", body_of(host.sample(1))), limit)
        bench.relay.cut()
        bench.relay.reset()
    bench.relay.mute()
    hanging = bench.driver()
    await raises(hanging.connect(), timings.request * 3 + SLACK_S)
    await hanging.close()
    bench.relay.reset()
    await asyncio.sleep(host.patience / 30)
    promise(await host.starts(path) <= 1, "what was muted may arrive late, but only once")


async def in_time(
    call: Coroutine[Any, Any, object], limit: float, kind: type | UnionType
) -> object:
    """Promise that the call answers something of this kind within `limit` seconds."""
    answer = await _ended(call, limit, "a hanging host")
    promise(isinstance(answer, kind), f"a hanging host is {kind}, not {answer}")
    return answer


async def raises(
    call: Coroutine[Any, Any, object], limit: float, what: str = "a hanging host"
) -> None:
    """Promise that the call raises a DriverError within `limit` seconds."""
    try:
        answer = await _ended(call, limit, what)
    except DriverError:
        return
    raise PromiseBroken(f"{what}: that is an error, not {answer}")


async def _ended(call: Coroutine[Any, Any, object], limit: float, what: str) -> object:
    """What the call answers or raises by itself in time, whatever it leaves behind in its task."""
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(_outcome(call))
        ended, _ = await asyncio.wait({task}, timeout=limit)
        task.cancel()
    promise(ended, f"{what}: a call ends within {limit} s by itself")
    answer = task.result()
    if isinstance(answer, DriverError):
        raise answer
    return answer


async def _outcome(call: Coroutine[Any, Any, object]) -> object:
    try:
        return await call
    except DriverError as error:
        return error


async def a_spoilt_read_is_an_error_in_time(bench: Bench) -> None:
    """A read whose answer is nonsense, cut short, lost or never comes raises; it invents nothing.

    A driver may read a second time: the answer is spoilt as often as it asks.
    """
    host = bench.host
    for fate in (
        Fate.GARBLE, Fate.STUB, Fate.TRUNCATE, Fate.LOSE_ANSWER, Fate.NEVER_ANSWER
    ):  # fmt: skip
        async with bench.session() as session:
            await session.idle()
            for _ in range(READS):
                bench.relay.next(host.markers.read, fate)
            await raises(session.driver.look(None), host.timings.request + SLACK_S, fate.name)
            bench.relay.reset()
            bench.relay.cut()
    async with bench.session() as session:
        await session.idle()


async def a_lost_connection_ends_the_pushes(bench: Bench) -> None:
    """The end of the connection is told by an error from pushes, soon."""
    async with bench.session() as session:
        await session.idle()
        bench.relay.cut()
        await bench.within(
            bench.host.timings.request, lambda: session.lost is not None, "pushes ends by itself"
        )
        promise(isinstance(session.lost, PrinterOffline), f"it is offline: {session.lost!r}")


async def a_silent_channel_is_a_lost_one(bench: Bench) -> None:
    """A push channel on which nothing arrives any more is not held for ever."""
    if not bench.host.pushes_steadily:
        return
    async with bench.session() as session:
        await session.idle()
        bench.relay.mute()
        limit = bench.host.timings.request * 2 + SLACK_S
        await bench.within(limit, lambda: session.lost is not None, "silence ends the pushes")
        bench.relay.cut()


async def single_bytes_make_no_difference(bench: Bench) -> None:
    """On a transport that delivers byte by byte a print goes its way as ever."""
    bench.relay.by_bytes = True
    async with bench.session() as session:
        watch = await session.begin(bench.host.patience / 10)
        promise(completed(await session.ended(watch)), "it is proven to its end")


async def closing_leaves_nothing_behind(bench: Bench) -> None:
    """No task, no connection; twice is fine, also before and after a lost connection."""
    before = asyncio.all_tasks()
    never = bench.driver()
    await never.close()
    await never.close()
    async with bench.session() as session:
        await session.store(bench.host.sample(1))
        await session.driver.look(None, deep=True)
        await session.driver.close()
        await session.driver.close()
        await bench.within(5, lambda: session.lost is not None, "close ends the pushes")
    await bench.within(5, lambda: bench.relay.open_connections == 0, "no connection is left")
    async with bench.session() as session:
        bench.relay.cut()
    await bench.within(5, lambda: not _ours(before), f"no task is left: {_ours(before)}")


def _ours(before: set[asyncio.Task[object]]) -> set[asyncio.Task[object]]:
    """Tasks that were not there before, the relay's own left out."""
    return {
        task
        for task in asyncio.all_tasks() - before
        if "conformance" not in getattr(task.get_coro(), "__qualname__", "")
        and "Relay" not in getattr(task.get_coro(), "__qualname__", "")
    }


async def an_abandoned_call_does_no_harm(bench: Bench) -> None:
    """A call that is cancelled at any moment leaves a driver that still works."""
    async with bench.session() as session:
        driver, body = session.driver, body_of(bench.host.sample(2) * 50)
        path = await driver.upload("bp-00000000000000000000000000000000-3.gcode", body)
        calls: list[Callable[[], Coroutine[Any, Any, object]]] = [
            lambda: driver.look(None, deep=True),
            lambda: driver.look(Watch(path)),
            lambda: driver.files("bp-"),
            lambda: driver.delete("bp-00000000000000000000000000000000-0.gcode"),
        ]
        if Capability.FETCH_BACK in bench.host.manifest.capabilities:
            calls.append(lambda: driver.fetch_sha256(path))
        for call in calls:
            for moment in ABANDONED_AFTER_S:
                with suppress(TimeoutError, DriverError):
                    async with asyncio.timeout(moment):
                        await call()
        limit = bench.host.timings.request + SLACK_S
        for call in calls:
            await _works(call, limit)
        promise(path in await bench.files(session), "a stored file is still there")
        promise((await session.idle()).channel, "reads work, and the channel was held")


async def _works(call: Callable[[], Coroutine[Any, Any, object]], limit: float) -> None:
    try:
        await _ended(call(), limit, "after others were abandoned")
    except DriverError as error:
        raise PromiseBroken(f"a call works after others were abandoned: {error}") from error
