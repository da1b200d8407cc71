"""Runs farms for tests of the whole: in this process with steps to wait at, or as the server."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from buildplate.app.clock import SystemClock
from buildplate.app.composition import Farm, Outside, open_farm
from buildplate.app.drivers import installed_drivers
from buildplate.app.settings import Settings
from buildplate.core.jobs import Requirements
from buildplate.core.printers import Bed, Link, PrinterModel, PrinterSpec, Volume
from buildplate.dispatch.model import JobView, NewJob
from buildplate.fleet.model import PrinterRecord
from buildplate.fleet.service import NewPrinter
from buildplate.fleet.session import PrinterSession
from tests.integration.octoprint_host import OctoPrintHost

MODEL = PrinterModel("virtual", Volume(200, 200, 200), (0.4,), 300, 110)


@dataclass
class Steps:
    """What to do when the farm comes to a step: once each, just before it goes on."""

    at: dict[str, Callable[[], None]] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)

    def __call__(self, step: str) -> None:
        self.seen.append(step)
        act = self.at.pop(step, None)
        if act is not None:
            act()


@dataclass
class RunningFarm:
    """A farm in this process."""

    farm: Farm
    steps: Steps

    async def add(self, host: OctoPrintHost, name: str = "printer") -> PrinterRecord:
        """Add the host's printer, wait until it is seen, and say that its bed is clear."""
        spec = PrinterSpec("", 0, name, MODEL)
        record = await self.farm.fleet.add(NewPrinter(spec, "octoprint", host.connection))
        await self.link(record.id, Link.ONLINE)
        await self.clear(record.id)
        return record

    def session(self, printer_id: str) -> PrinterSession:
        return self.farm.fleet.session(printer_id)

    async def link(self, printer_id: str, link: Link, limit: float = 60.0) -> None:
        """Wait until the printer's link is as wanted."""
        await until(lambda: self.session(printer_id).live.link is link, limit)

    async def bed(self, printer_id: str) -> Bed:
        """The bed as stored."""
        return (await self.farm.fleet.get(printer_id)).bed

    async def clear(self, printer_id: str) -> None:
        """A person clears the bed they see."""
        record = await self.farm.fleet.get(printer_id)
        await self.farm.fleet.clear_bed(printer_id, record.bed_version)

    async def order(
        self,
        content: bytes,
        *,
        name: str = "part.gcode",
        copies: int = 1,
        on: tuple[str, ...] = (),
        retries: int = 0,
    ) -> JobView:
        """Upload a file and order it, on these printers only where some are named."""
        stored = await self.farm.files.receive(pieces(content), name)
        requirements = Requirements(printers=frozenset(on))
        order = NewJob(stored.file.id, copies=copies, retries=retries, requirements=requirements)
        view, _ = await self.farm.jobs.receive(order)
        return view


def part(seconds: float, padding: int = 0) -> bytes:
    """A print file of known size that keeps OctoPrint's virtual printer busy for about so long.

    The printer takes a tenth of the time of moves in positive directions. The lines before them
    bring every file past its 115th, where the last simulated error of the serial line waits. No two
    parts are the same.
    """
    lines = [f"; {secrets.token_hex(8)}", "G28", "G90", "M82", "G1 X50 Y50 Z0.2 F6000"]
    lines += ["G1 X50 Y50 F6000"] * 120
    lines += [
        f"G1 X{50 + 100 * (n % 2)} Y50 E{n / 10:.1f} F6000" for n in range(round(seconds * 20))
    ]
    return ("\n".join(lines) + "\n").encode() + b"; padding\n" * (padding // 10)


async def pieces(content: bytes, size: int = 1 << 16) -> AsyncIterator[bytes]:
    """The content in pieces, as uploads arrive."""
    for start in range(0, len(content), size):
        yield content[start : start + size]


async def until(condition: Callable[[], bool], limit: float, pause: float = 0.05) -> None:
    """Wait until the condition holds; TimeoutError."""
    async with asyncio.timeout(limit):
        while not condition():
            await asyncio.sleep(pause)


@asynccontextmanager
async def running_farm(folder: Path) -> AsyncIterator[RunningFarm]:
    """A farm on the data in this folder, nothing of it scaled in time."""
    steps = Steps()
    settings = Settings(data_dir=folder)
    outside = Outside(SystemClock(), steps)
    async with open_farm(settings, installed_drivers(), outside) as farm:
        yield RunningFarm(farm, steps)
