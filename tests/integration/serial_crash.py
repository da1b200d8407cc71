"""A process that streams a print until it is killed: `python -m tests.integration.serial_crash`.

Arguments: the port, the folder of notes, the file. It prints `streaming` after the start.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from buildplate.drivers.marlin import DRIVER
from buildplate.drivers.sdk import Watch
from tests.integration.serial_printer import body, timings


async def main(port: str, notes: Path, content: bytes) -> None:
    """Start and stay."""
    driver = DRIVER.make({"port": port}, timings(notes))
    await driver.connect()
    path = await driver.upload("bp-1-1.gcode", body(content))
    await driver.look(Watch(path))
    print(await driver.start(path), flush=True)
    async for _ in driver.pushes():
        pass


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]).read_bytes()))
