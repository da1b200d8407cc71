"""D3: from a job that is accepted to the start at the printer, 100 free printers, 100 copies.

The farm runs in this process, 100 simulated OctoPrints in another one. The start is taken where
the printer itself recorded it; both processes read the same wall clock.
"""

from __future__ import annotations

import asyncio
import resource
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median

import uvloop

from bench.rows import Row
from buildplate.app.composition import Farm, open_farm
from buildplate.app.drivers import installed_drivers
from buildplate.app.logs import set_up_logs
from buildplate.app.settings import Settings
from buildplate.core.printers import Link, PrinterModel, PrinterSpec, Volume
from buildplate.dispatch.model import NewJob
from buildplate.fleet.service import NewPrinter
from buildplate_sim.launch import Simulator, octoprints

NAME = "D3 job to start"
PRINTERS = 100
ROUNDS = 3
READY_WITHIN_S = 60.0
STARTED_WITHIN_S = 60.0
P50_MS, P99_MS = 50.0, 500.0

GCODE = b"G28\nG1 Z0.3 F600\n" + b"".join(
    b"G1 X%d Y%d E%.2f F1200\n" % (10 + i % 50, 10 + i % 37, i * 0.05) for i in range(200)
)


def run() -> list[Row]:
    """Measures; the last round's figures are shown beside the medians."""
    set_up_logs("warning")
    rounds = [uvloop.run(_round()) for _ in range(ROUNDS)]
    p50 = median(found[0] for found in rounds)
    p99 = median(found[1] for found in rounds)
    cpu = median(found[2] for found in rounds)
    return [
        Row("accepted to started, p50", p50, "ms", f"≤ {P50_MS:.0f}", p50 <= P50_MS),
        Row("accepted to started, p99", p99, "ms", f"≤ {P99_MS:.0f}", p99 <= P99_MS),
        Row("CPU of the farm per print, until started", cpu, "ms"),
    ]


async def _round() -> tuple[float, float, float]:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        async with AsyncExitStack() as stack:
            simulator = await stack.enter_async_context(
                octoprints(home / "printers", count=PRINTERS, time_factor=1.0)
            )
            settings = Settings(data_dir=home / "data", transfers=64)
            farm = await stack.enter_async_context(open_farm(settings, installed_drivers()))
            await _fleet(farm, simulator)
            stored = await farm.files.receive(_body(), "small.gcode")
            before = _cpu()
            accepted = time.time()
            await farm.jobs.receive(NewJob(stored.file.id, copies=PRINTERS))
            starts = await _starts(simulator, accepted)
            return (*_percentiles(starts), (_cpu() - before) * 1000 / PRINTERS)


async def _body() -> AsyncIterator[bytes]:
    yield GCODE


async def _fleet(farm: Farm, simulator: Simulator) -> None:
    for printer in simulator.printers:
        model = PrinterModel("Simulated", Volume(250, 250, 250), (0.4,), 300, 110)
        spec = PrinterSpec("", 0, printer["name"], model)
        connection = {"url": printer["url"], "api_key": printer["api_key"]}
        await farm.fleet.add(NewPrinter(spec, "octoprint", connection))
    async with asyncio.timeout(READY_WITHIN_S):
        while any(s.live.link is not Link.ONLINE for s in farm.fleet.sessions.values()):
            await asyncio.sleep(0.1)
    for session in list(farm.fleet.sessions.values()):
        await farm.fleet.clear_bed(session.id, session.record.bed_version)
    await asyncio.sleep(1.0)


async def _starts(simulator: Simulator, accepted: float) -> list[float]:
    """Milliseconds from accepted to each physical start."""
    found: dict[str, float] = {}
    async with asyncio.timeout(STARTED_WITHIN_S):
        while len(found) < PRINTERS:
            await asyncio.sleep(1.0)
            for printer in simulator.printers:
                if printer["name"] in found:
                    continue
                for entry in await simulator.admin.log(printer["name"], "start"):
                    found[printer["name"]] = (entry["t"] - accepted) * 1000
    return sorted(found.values())


def _percentiles(values: list[float]) -> tuple[float, float]:
    return values[len(values) // 2], values[int(len(values) * 0.99) - 1]


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
