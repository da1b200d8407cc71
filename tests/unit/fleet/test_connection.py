"""A link that is lost is tried again after growing pauses, and a quiet one is read at the poll."""

from __future__ import annotations

import asyncio
import gc
import time
import weakref
from collections.abc import AsyncIterator
from contextlib import suppress
from itertools import pairwise
from typing import cast

from buildplate.core.evidence import Reading
from buildplate.core.printers import Activity, Link
from buildplate.drivers.sdk import Driver, Identity, PrinterOffline, Push, Watch
from buildplate.fleet.connection import Connection, Host
from buildplate.fleet.mail import LinkIs, Read
from buildplate.fleet.model import FleetTimings

FIRST, LAST = 0.02, 0.16
LIMIT_S = 20.0


class Quiet:
    """A host that, where it answers, is idle and says nothing by itself."""

    def __init__(self, *, online: bool) -> None:
        self.online = online

    async def connect(self, *, wake: bool = False) -> Identity:
        if not self.online:
            message = "nothing answers"
            raise PrinterOffline(message)
        return Identity("quiet", "1")

    async def pushes(self) -> AsyncIterator[Push]:
        await asyncio.Event().wait()
        yield cast("Push", None)

    async def look(self, watch: Watch | None, *, deep: bool = False) -> Reading:
        del watch, deep
        return Reading(begun=time.monotonic(), activity=Activity.IDLE, path=None, process="1")

    async def close(self) -> None:
        """Nothing to close."""


class Letters:
    """What a link tells its session, and when."""

    def __init__(self, enough: int) -> None:
        self.at: list[float] = []
        self.done = asyncio.Event()
        self._enough = enough

    async def post(self, message: LinkIs | Read) -> None:
        if isinstance(message, Read) or message.link is Link.OFFLINE:
            self.at.append(time.monotonic())
        if len(self.at) >= self._enough:
            self.done.set()

    @property
    def pauses(self) -> list[float]:
        return [after - before for before, after in pairwise(self.at)]


async def kept(driver: Quiet, timings: FleetTimings, enough: int) -> Letters:
    """Keep a link until it has told so many things."""
    letters = Letters(enough)
    host = Host(lambda: cast("Driver", driver), lambda: None, letters.post, lambda _: None)
    connection = Connection(host, timings, time.monotonic)
    task = asyncio.get_running_loop().create_task(connection.keep())
    async with asyncio.timeout(LIMIT_S):
        await letters.done.wait()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    return letters


async def test_pauses_before_a_lost_printer_is_tried_again_double_up_to_their_limit() -> None:
    timings = FleetTimings(backoff_first=FIRST, backoff_last=LAST)
    pauses = (await kept(Quiet(online=False), timings, 14)).pauses
    least = [min(FIRST * 2**n, LAST) / 2 for n in range(len(pauses))]
    assert all(pause >= floor for pause, floor in zip(pauses, least, strict=True)), pauses
    assert sum(pauses) < LIMIT_S, "without the limit the last pause alone would be minutes"


async def test_a_lost_connection_leaves_no_driver_in_memory() -> None:
    made: list[weakref.ref[Quiet]] = []

    def make() -> Driver:
        driver = Quiet(online=False)
        made.append(weakref.ref(driver))
        return cast("Driver", driver)

    letters = Letters(1)
    host = Host(make, lambda: None, letters.post, lambda _: None)
    connection = Connection(host, FleetTimings(backoff_first=LIMIT_S), time.monotonic)
    task = asyncio.get_running_loop().create_task(connection.keep())
    async with asyncio.timeout(LIMIT_S):
        await letters.done.wait()
    gc.collect()
    assert not task.done(), "it waits for its next try"
    assert [driver() for driver in made] == [None]
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_a_quiet_printer_is_read_at_the_poll_interval_and_not_more_often() -> None:
    poll = 0.1
    pauses = (await kept(Quiet(online=True), FleetTimings(poll=poll, min_look=0.001), 6)).pauses
    assert all(pause >= poll * 0.9 for pause in pauses), pauses
