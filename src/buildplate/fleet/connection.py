"""Keeping the one link to a printer: connect, synchronise, read, reconnect with back-off."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from buildplate.core.printers import Link
from buildplate.drivers.sdk import (
    AuthRequired,
    Driver,
    DriverError,
    Identity,
    PrinterOffline,
    Push,
    PushKind,
    Watch,
    listen,
    together,
)
from buildplate.drivers.sdk.unreachable import NO_ANSWER
from buildplate.fleet.mail import LinkIs, Read
from buildplate.fleet.model import FleetTimings

LOOKS_WITHIN_MIN = 20
"""How much sooner than `min_look` a read may follow another when a decision waits for it."""


@dataclass(frozen=True, slots=True)
class Host:
    """What a link needs from its session."""

    make: Callable[[], Driver]
    watch: Callable[[], Watch | None]
    post: Callable[[LinkIs | Read], Awaitable[None]]
    telemetry: Callable[[Push], None]


class Connection:
    """One printer's link, kept for as long as `keep` runs.

    `stirred_at`: when the printer last said that something changed (boot-time s). `wake`: a person
    asks to bring a halted machine back with the next connection. `lost`: how often the link was
    lost, or could not be made.
    """

    def __init__(self, host: Host, timings: FleetTimings, clock: Callable[[], float]) -> None:
        self._host = host
        self._timings = timings
        self._clock = clock
        self._driver: Driver | None = None
        self._look_at = float("inf")
        self._stir_at = float("inf")
        self.stirred_at = float("-inf")
        self.wake = False
        self.lost = 0
        self._deep = False
        self._changed = asyncio.Event()
        self._now_please = asyncio.Event()

    @property
    def driver(self) -> Driver:
        """The connected driver; PrinterOffline where there is none."""
        if self._driver is None:
            message = "the printer is not connected"
            raise PrinterOffline(message)
        return self._driver

    def look(self, at: float, *, deep: bool = False) -> None:
        """Ask for a read that begins at or after `at` (boot-time s): a decision waits for it."""
        self._deep = self._deep or deep
        self._look_at = min(self._look_at, at)
        self._changed.set()

    def _stir(self, at: float) -> None:
        """Ask for a read because the printer says something, however often it does."""
        self.stirred_at = self._clock()
        self._stir_at = min(self._stir_at, at)
        self._changed.set()

    def hurry(self) -> None:
        """Reconnect now instead of at the end of the back-off."""
        self._now_please.set()

    async def keep(self) -> None:
        """Connect, and connect again whenever the link is lost, until cancelled."""
        failures = 0
        while True:
            began = self._clock()
            end = await self._end_of_one()
            self.lost += 1
            await self._host.post(end)
            if self._clock() - began > self._timings.backoff_last:
                failures = 0
            refused = end.link is Link.AUTH_REQUIRED
            await self._pause(self._timings.auth_retry if refused else self._backoff(failures))
            failures += 1

    async def _end_of_one(self) -> LinkIs:
        """One connection, and how it ended: in words, as the error holds the whole driver."""
        error = await self._connection()
        link = Link.AUTH_REQUIRED if isinstance(error, AuthRequired) else Link.OFFLINE
        return LinkIs(link, str(error), error.hint, error.code, error.cause)

    def _backoff(self, failures: int) -> float:
        limit: float = min(
            self._timings.backoff_first * 2 ** min(failures, 16), self._timings.backoff_last
        )
        jitter: float = random.uniform(0.5, 1.0)  # noqa: S311 (no secret)
        return limit * jitter

    async def _pause(self, seconds: float) -> None:
        self._now_please.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._now_please.wait()

    async def _connection(self) -> DriverError:
        """One connection from its beginning to its end; why it ended."""
        try:
            driver = self._host.make()
        except DriverError as error:
            return error
        try:
            await self._live(driver)
        except DriverError as error:
            return error
        except TimeoutError:
            return PrinterOffline("the printer did not answer in time", code=NO_ANSWER.code)
        finally:
            self._driver = None
            with suppress(TimeoutError):
                async with asyncio.timeout(self._timings.connect):
                    await driver.close()
        return PrinterOffline("the connection ended")

    async def _live(self, driver: Driver) -> None:
        async with asyncio.timeout(self._timings.connect):
            wake, self.wake = self.wake, False
            identity = await driver.connect(wake=wake)
        await self._host.post(LinkIs(Link.SYNCING))
        self._driver = driver
        await self._read(driver, deep=True, identity=identity)
        await together(self._read_on(driver), self._listen(driver))

    async def _read_on(self, driver: Driver) -> None:
        last = self._clock()
        while True:
            due = self._due(last)
            delay = due - self._clock()
            if delay > 0:
                self._changed.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(delay):
                        await self._changed.wait()
                continue
            deep, self._deep = self._deep, False
            self._look_at = self._stir_at = float("inf")
            last = await self._read(driver, deep=deep)

    def _due(self, last: float) -> float:
        """When to read next, the last read having begun then.

        What is decided on a reading is decided soon; a printer that talks is read at a bounded
        rate.
        """
        timings = self._timings
        stirred = max(min(self._stir_at, last + timings.poll), last + timings.min_look)
        return min(stirred, max(self._look_at, last + timings.min_look / LOOKS_WITHIN_MIN))

    async def _read(self, driver: Driver, *, deep: bool, identity: Identity | None = None) -> float:
        watch = self._host.watch()
        async with asyncio.timeout(self._timings.look):
            reading = await driver.look(watch, deep=deep)
        await self._host.post(Read(reading, watch, identity))
        return reading.begun

    async def _listen(self, driver: Driver) -> None:
        await listen(driver, self._hear)
        message = "the printer's push channel ended"
        raise PrinterOffline(message)

    def _hear(self, push: Push) -> None:
        if push.kind is PushKind.CHANGED:
            self._stir(self._clock() + self._timings.gather)
        self._host.telemetry(push)
