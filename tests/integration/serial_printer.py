"""A serial driver on a simulated board, held as the fleet holds it, and what the board knows."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from buildplate.drivers.marlin import DRIVER
from buildplate.drivers.marlin.driver import SerialDriver
from buildplate.drivers.sdk import (
    Accepted,
    ConsoleLine,
    DriverError,
    DriverTimings,
    FileBody,
    Reading,
    Temperature,
    Watch,
)
from buildplate_sim.launch import Simulator

WITHIN_S = 30.0


def moves(count: int, *, first: Sequence[str] = (), last: Sequence[str] = ()) -> bytes:
    """A print of so many moves of a second each (at 6000 mm/min, 100 mm), with comments."""
    lines = ["; begins", *first, "M82", "G92 E0", ""]
    lines += [
        f"G1 X{100 * (move % 2)} Y{move % 50} E{move} F6000 ; move {move}"
        for move in range(1, count + 1)
    ]
    return ("\n".join([*lines, *last, "M104 S0", "M140 S0"]) + "\n").encode()


def codes(content: bytes) -> list[str]:
    """The lines of a file as a firmware must accept them."""
    return [
        code for line in content.decode().splitlines() if (code := line.partition(";")[0].strip())
    ]


@dataclass
class Held:
    """A connected driver whose pushes are read, and the board's name at its simulator."""

    driver: SerialDriver
    simulator: Simulator
    console: list[ConsoleLine] = field(default_factory=list)
    temperatures: list[Mapping[str, Temperature]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    lost: DriverError | None = None

    @property
    def name(self) -> str:
        return str(self.simulator.printers[0]["name"])

    async def listen(self) -> None:
        """Read the pushes to their end."""
        try:
            async for push in self.driver.pushes():
                self.console += push.console
                self.temperatures += [push.temperatures] if push.temperatures else []
                self.texts += [push.text] if push.text else []
        except DriverError as error:
            self.lost = error

    async def truth(self) -> dict[str, Any]:
        """What the board and its machine really are."""
        return await self.simulator.admin.printer(self.name)

    async def record(self, after: int = 0) -> list[dict[str, Any]]:
        """The lines that the board has accepted, and what happened to it in between."""
        return await self.simulator.admin.accepted(self.name, after)

    async def begin(self, content: bytes, name: str = "bp-1-1.gcode") -> Watch:
        """Upload, make an intent, start."""
        path = await self.driver.upload(name, body(content))
        watch = Watch(path, dict((await self.driver.look(Watch(path))).baseline))
        answer = await self.driver.start(path)
        assert answer == Accepted(), answer
        return watch

    async def until(
        self, watch: Watch, wanted: Callable[[Reading], bool], within_s: float = WITHIN_S
    ) -> Reading:
        """Look until a reading is as wanted."""
        reading: Reading | None = None
        try:
            async with asyncio.timeout(within_s):
                while True:
                    reading = await self.driver.look(watch)
                    if wanted(reading):
                        return reading
                    await asyncio.sleep(0.02)
        except TimeoutError:
            message = f"never as wanted; at last {reading}"
            raise AssertionError(message) from None

    async def ended(self, watch: Watch, within_s: float = WITHIN_S) -> Reading:
        """The reading that tells the end."""
        return await self.until(
            watch, lambda one: one.evidence is not None and one.evidence.ending is not None,
            within_s,
        )  # fmt: skip

    async def at_line(self, watch: Watch, line: int) -> Reading:
        """A reading of a print that has come to this line of its file."""

        def there(_: Reading) -> bool:
            held = self.driver._line
            return bool(held and held.printing and held.printing.line >= line)

        return await self.until(watch, there)


def body(content: bytes) -> FileBody:
    """A body that lies nowhere on a disk."""

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(content), 1 << 16):
            yield content[at : at + (1 << 16)]

    return FileBody(len(content), hashlib.sha256(content).hexdigest(), pieces)


def timings(notes: Path, may_act: Callable[[], bool] = lambda: True) -> DriverTimings:
    """Limits for a machine that is busy with tests."""
    return DriverTimings(request=3.0, command=5.0, notes=notes, may_act=may_act)


def made(
    simulator: Simulator,
    notes: Path,
    may_act: Callable[[], bool] = lambda: True,
    limits: DriverTimings | None = None,
    **settings: Any,
) -> SerialDriver:
    """A driver for the simulator's first board."""
    connection = {"port": simulator.printers[0]["port"], **settings}
    driver = DRIVER.make(connection, limits or timings(notes, may_act))
    return cast("SerialDriver", driver)


@asynccontextmanager
async def held(
    simulator: Simulator,
    notes: Path,
    may_act: Callable[[], bool] = lambda: True,
    limits: DriverTimings | None = None,
    **settings: Any,
) -> AsyncIterator[Held]:
    """A connected driver for the block."""
    driver = made(simulator, notes, may_act, limits, **settings)
    async with asyncio.TaskGroup() as tasks:
        try:
            await driver.connect()
            one = Held(driver, simulator)
            tasks.create_task(one.listen())
            yield one
        finally:
            await driver.close()
