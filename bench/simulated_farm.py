"""A farm in this process on simulated OctoPrints in another one, as measurements need it."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from buildplate.app.composition import Farm, open_farm
from buildplate.app.drivers import installed_drivers
from buildplate.app.settings import Settings
from buildplate.core.printers import (
    BedClearing,
    BedPolicy,
    Link,
    PrinterModel,
    PrinterSpec,
    Volume,
)
from buildplate.fleet.service import NewPrinter
from buildplate_sim.launch import Simulator, octoprints

ONLINE_WITHIN_S = 60.0


@dataclass(frozen=True, slots=True)
class SimulatedFarm:
    """The farm, its simulator, and the printers' ids by their names."""

    farm: Farm
    simulator: Simulator
    ids: dict[str, str]


def gcode(seconds: float, *, pad_bytes: int = 0) -> bytes:
    """A print that moves for about so many seconds, made longer by comments if asked."""
    passes = max(1, round(seconds / 2))
    moves = b"".join(
        b"G1 X%d Y20 E%d F3000\n" % (120 if index % 2 else 20, index) for index in range(passes)
    )
    line = b"; " + b"x" * 8000 + b"\n"
    head = b"; estimated printing time (normal mode) = %ds\nG28\nG1 Z0.3 F600\n" % round(seconds)
    return head + moves + line * (pad_bytes // len(line))


async def once(content: bytes) -> AsyncIterator[bytes]:
    """The content as an upload's body."""
    for start in range(0, len(content), 1 << 20):
        yield content[start : start + (1 << 20)]


@asynccontextmanager
async def simulated_farm(count: int, *, time_factor: float) -> AsyncIterator[SimulatedFarm]:
    """A farm with `count` printers that clear their own beds, all online and ready."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        async with AsyncExitStack() as stack:
            simulator = await stack.enter_async_context(
                octoprints(home / "printers", count=count, time_factor=time_factor)
            )
            names = [printer["name"] for printer in simulator.printers]
            for name in names:
                await simulator.admin.do(name, "auto-clear", seconds=0.1)
            settings = Settings(data_dir=home / "data", time_factor=time_factor)
            farm = await stack.enter_async_context(open_farm(settings, installed_drivers()))
            ids = await _add_all(farm, simulator)
            await _all_online(farm, list(ids.values()))
            yield SimulatedFarm(farm, simulator, ids)


async def _add_all(farm: Farm, simulator: Simulator) -> dict[str, str]:
    ids = {}
    model = PrinterModel("Simulated", Volume(250, 250, 250), (0.4,), 300, 110)
    policy = BedPolicy(BedClearing.AUTOMATIC)
    for printer in simulator.printers:
        spec = PrinterSpec("", 0, printer["name"], model, bed_policy=policy)
        connection = {"url": printer["url"], "api_key": printer["api_key"]}
        ids[spec.name] = (await farm.fleet.add(NewPrinter(spec, "octoprint", connection))).id
    return ids


async def _all_online(farm: Farm, wanted: Sequence[str]) -> None:
    async with asyncio.timeout(ONLINE_WITHIN_S):
        while any(farm.fleet.sessions[one].live.link is not Link.ONLINE for one in wanted):
            await asyncio.sleep(0.05)
    for session in list(farm.fleet.sessions.values()):
        await farm.fleet.clear_bed(session.id, session.record.bed_version)
