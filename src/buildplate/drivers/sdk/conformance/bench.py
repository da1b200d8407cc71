"""What a conformance check works with: a host under control, a relay, and a driver in between."""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from buildplate.core.evidence import Ending, Evidence, Reading, Run
from buildplate.core.printers import Activity
from buildplate.drivers.sdk.answers import Accepted
from buildplate.drivers.sdk.conformance.relay import Relay
from buildplate.drivers.sdk.contract import Driver, FileBody, Push, Watch, listen
from buildplate.drivers.sdk.errors import DriverError
from buildplate.drivers.sdk.manifest import Manifest
from buildplate.drivers.sdk.timing import DriverTimings

PIECE = 16 << 10
SLACK_S = 2.0
"""Real seconds that a call may take beyond its own time-out, on a busy machine."""


class PromiseBroken(AssertionError):
    """A driver does not keep what the contract promises."""


def promise(kept: object, what: str) -> None:
    """Fail the check with `what` was promised, unless it was kept."""
    if not kept:
        raise PromiseBroken(what)


@dataclass(frozen=True, slots=True)
class Markers:
    """Bytes by which the relay knows a driver's requests on the wire."""

    start: bytes
    cancel: bytes
    upload: bytes
    fetch: bytes
    delete: bytes
    read: bytes


class Host(Protocol):
    """A host under test and its printer, real or simulated, with a person beside it.

    `patience` is how long (real s) anything that must happen may take to be seen. `timings` are
    for the driver and must suit the host. `keeps_every_run`: the host's own record proves for ever
    what never ran, so that no channel need be held. `pushes_steadily`: it says something at least
    every half request time-out. A fresh host is idle, connected and reachable.
    """

    manifest: Manifest
    markers: Markers
    timings: DriverTimings
    patience: float
    keeps_every_run: bool
    pushes_steadily: bool

    @property
    def address(self) -> tuple[str, int]:
        """Where the host listens."""

    def connection(self, address: tuple[str, int]) -> Mapping[str, Any]:
        """Connection settings that lead to `address` instead."""

    def sample(self, seconds: float) -> bytes:
        """A print file that takes about so long (real s) and is never the same twice."""

    async def reset(self) -> None:
        """Make the host idle with no files of ours and an empty bed."""

    async def starts(self, path: str) -> int:
        """How often this file physically began to be printed, by the printer's own record."""

    async def completions(self, path: str) -> int:
        """How often this file was physically printed to its end."""

    async def selected(self) -> str | None:
        """The file that the host has selected, where it knows such a thing."""

    async def start_by_hand(self, path: str) -> None:
        """Start a stored file as a person at the printer does."""


@dataclass
class Session:
    """A connected driver whose pushes are read all the time, as the fleet does it."""

    driver: Driver
    host: Host
    pushes: int = 0
    lost: BaseException | None = None

    async def read_on(self) -> None:
        """Read the pushes to their end."""
        try:
            await listen(self.driver, self._hear)
        except DriverError as error:
            self.lost = error

    def _hear(self, push: object) -> None:
        promise(isinstance(push, Push), "pushes yields Push values")
        self.pushes += 1

    async def store(self, content: bytes) -> str:
        """Upload a file under a fresh name of ours; its path on the host."""
        return await self.driver.upload(f"bp-{secrets.token_hex(16)}-1.gcode", body_of(content))

    async def intent(self, path: str) -> Watch:
        """The watch an intent makes: an idle reading whose baseline went through storage."""
        reading = await self.until(
            Watch(path), lambda one: one.activity is Activity.IDLE and one.channel, "idle"
        )
        return Watch(path, json.loads(json.dumps(dict(reading.baseline))))

    async def begin(self, seconds: float) -> Watch:
        """Store a file, make an intent, start it, and see it run."""
        path = await self.store(self.host.sample(seconds))
        watch = await self.intent(path)
        answer = await self.driver.start(path)
        promise(answer == Accepted(), f"an idle printer accepts a start, not {answer}")
        await self.until(watch, lambda one: evidence(one).run is Run.RUNNING, "running")
        return watch

    async def until(
        self, watch: Watch | None, wanted: Callable[[Reading], bool], what: str
    ) -> Reading:
        """Look again and again until a reading is as wanted."""
        reading: Reading | None = None
        try:
            async with asyncio.timeout(self.host.patience):
                while True:
                    reading = await self.driver.look(watch)
                    if wanted(reading):
                        return reading
                    await asyncio.sleep(self.host.patience / 300)
        except TimeoutError:
            raise PromiseBroken(f"never read as {what}; at last: {reading}") from None

    async def ended(self, watch: Watch) -> Reading:
        """A reading that proves how the file's run ended."""
        return await self.until(watch, lambda one: evidence(one).ending is not None, "ended")

    async def idle(self, watch: Watch | None = None) -> Reading:
        """A reading of an idle printer."""
        return await self.until(watch, lambda one: one.activity is Activity.IDLE, "idle")


def evidence(reading: Reading) -> Evidence:
    """The evidence of a reading that was asked for some."""
    if reading.evidence is None:
        raise PromiseBroken("a look with a watch carries evidence")
    return reading.evidence


def completed(reading: Reading) -> bool:
    """Whether the reading proves a completion."""
    return evidence(reading).ending is Ending.COMPLETED


def body_of(content: bytes) -> FileBody:
    """A body that streams `content` in small pieces."""

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(content), PIECE):
            yield content[at : at + PIECE]

    return FileBody(len(content), hashlib.sha256(content).hexdigest(), pieces)


@dataclass
class Bench:
    """One check's world."""

    host: Host
    relay: Relay

    def driver(self) -> Driver:
        """A new driver whose host seems to be where the relay is."""
        connection = self.host.connection(self.relay.address)
        return self.host.manifest.make(connection, self.host.timings)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """A connected driver for the block; closed and drained afterwards."""
        driver = self.driver()
        try:
            await driver.connect()
            session = Session(driver, self.host)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(session.read_on())
                try:
                    yield session
                finally:
                    await driver.close()
        finally:
            await driver.close()

    async def within(self, seconds: float, happens: Callable[[], bool], what: str) -> None:
        """Wait until something happens; the promise is broken when it does not in time."""
        loop = asyncio.get_running_loop()
        limit = loop.time() + seconds
        while not happens():
            promise(loop.time() < limit, what)
            await asyncio.sleep(0.01)

    async def files(self, session: Session) -> Sequence[str]:
        """Files of ours on the host."""
        return await session.driver.files("bp-")
