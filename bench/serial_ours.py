"""Streams a file with our driver and prints the CPU seconds that took, the upload included.

The driver is held as a session of the fleet holds it: on uvloop, its pushes read as they come, and
a look at every push that says something changed.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import resource
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import uvloop

from buildplate.app.drivers import installed_drivers
from buildplate.drivers.sdk import (
    Accepted,
    Activity,
    Driver,
    DriverError,
    DriverTimings,
    FileBody,
    PushKind,
)

BAUD = 250_000
WITHIN_S = 300.0
POLL_S = 10.0


async def main(device: str, path: Path) -> None:
    """Connect, upload, start, and look until the printer is idle again."""
    with tempfile.TemporaryDirectory() as notes:
        timings = DriverTimings(notes=Path(notes))
        driver = installed_drivers()["marlin"].make({"port": device, "baud": BAUD}, timings)
        await driver.connect()
        changed = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            listening = tasks.create_task(_listen(driver, changed))
            before = _cpu()
            stored = await driver.upload("bench.gcode", _body(path))
            assert isinstance(await driver.start(stored), Accepted)
            await asyncio.wait_for(_until_idle(driver, changed), WITHIN_S)
            used = _cpu() - before
            listening.cancel()
        await driver.close()
    print(json.dumps({"cpu": used}))


async def _listen(driver: Driver, changed: asyncio.Event) -> None:
    async for push in driver.pushes():
        if push.kind is PushKind.CHANGED:
            changed.set()


async def _until_idle(driver: Driver, changed: asyncio.Event) -> None:
    while True:
        with suppress(DriverError):
            if (await driver.look(None)).activity is Activity.IDLE:
                return
        changed.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(changed.wait(), POLL_S)


def _body(path: Path) -> FileBody:
    content = path.read_bytes()

    async def opened() -> AsyncIterator[bytes]:
        yield content

    return FileBody(len(content), hashlib.sha256(content).hexdigest(), opened, path)


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], Path(sys.argv[2])))
