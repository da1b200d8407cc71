"""D3: from a job that is accepted to the start command at the printer, 100 free printers.

The farm runs in this process, 100 simulated OctoPrints in another one, which records when each
command arrived; both read the same wall clock. All printers of the farm share one processor there,
so what a client can reach that does nothing but send the requests of a start is measured beside.
"""

from __future__ import annotations

import asyncio
import hashlib
import resource
import secrets
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import aiohttp
import uvloop

from bench.rows import Row
from bench.simulated_farm import SimulatedFarm, gcode, once, simulated_farm
from buildplate.app.logs import set_up_logs
from buildplate.app.memory import settle_memory
from buildplate.dispatch.model import NewJob
from buildplate_sim.launch import octoprints

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from buildplate_sim.launch import Simulator

NAME = "D3 job to start"
PRINTERS = 100
ROUNDS = 5
ALONE = 20
QUIET_S = 1.5
STARTED_WITHIN_S = 60.0
P50_MS, P99_MS = 50.0, 500.0
GCODE = gcode(400)


def run() -> list[Row]:
    """Measures; every figure is the median of the rounds."""
    set_up_logs("warning")
    rounds = [uvloop.run(_round()) for _ in range(ROUNDS)]
    alone, p50, p99, cpu = (median(figures) for figures in zip(*rounds, strict=True))
    limits = [uvloop.run(_limit()) for _ in range(ROUNDS)]
    limit50, limit99 = (median(figures) for figures in zip(*limits, strict=True))
    return [
        Row("one copy, one after the other, p50", alone, "ms", f"≤ {P50_MS:.0f}", alone <= P50_MS),
        Row("100 copies at once, p50", p50, "ms", f"≤ {P50_MS:.0f}", p50 <= P50_MS),
        Row("100 copies at once, p99", p99, "ms", f"≤ {P99_MS:.0f}", p99 <= P99_MS),
        Row("the bare requests to 100 printers at once, p50", limit50, "ms"),
        Row("the bare requests to 100 printers at once, p99", limit99, "ms"),
        Row("p50 ÷ that of the bare requests", p50 / limit50, "×"),
        Row("CPU of the farm per print, until started", cpu, "ms"),
    ]


async def _round() -> tuple[float, float, float, float]:
    async with simulated_farm(ALONE + PRINTERS, time_factor=1.0) as farm:
        stored = await farm.farm.files.receive(once(GCODE), "small.gcode")
        settle_memory()  # as a server does
        await asyncio.sleep(QUIET_S)
        singles = []
        for nth in range(ALONE):
            accepted = await _order(farm, stored.file.id, copies=1)
            singles += await _starts(farm.simulator, accepted, nth + 1)
        before = _cpu()
        accepted = await _order(farm, stored.file.id, copies=PRINTERS)
        starts = await _starts(farm.simulator, accepted, ALONE + PRINTERS)
        return (median(singles), *_percentiles(starts), (_cpu() - before) * 1000 / PRINTERS)


async def _order(farm: SimulatedFarm, file_id: str, *, copies: int) -> float:
    """Order; when it was accepted, by the wall clock."""
    await farm.farm.jobs.receive(NewJob(file_id, copies=copies))
    return time.time()


async def _starts(simulator: Simulator, since: float, count: int) -> list[float]:
    """Milliseconds from `since` to each later start command, once `count` printers have theirs."""
    found: dict[str, float] = {}
    async with asyncio.timeout(STARTED_WITHIN_S):
        while len(found) < count:
            await asyncio.sleep(0.2 if count <= ALONE else 1.0)
            for printer in simulator.printers:
                if printer["name"] not in found:
                    for entry in await simulator.admin.log(printer["name"], "command"):
                        if entry["command"] == "print":
                            found[printer["name"]] = (entry["arrived"] - since) * 1000
    return sorted(one for one in found.values() if one > 0)


async def _limit() -> tuple[float, float]:
    """The requests that a start takes at least, to all printers at once, by a bare client."""
    with tempfile.TemporaryDirectory() as folder:
        async with (
            octoprints(Path(folder), count=PRINTERS, time_factor=1.0) as simulator,
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http,
        ):
            clients = [_bare_client(http, printer) for printer in simulator.printers]
            for look, _ in clients:
                await look()  # connections are open, as the farm's are
            since = time.time()
            await asyncio.gather(*(start() for _, start in clients))
            return _percentiles(await _starts(simulator, since, PRINTERS))


def _bare_client(
    http: aiohttp.ClientSession, printer: dict[str, Any]
) -> tuple[Callable[[], Awaitable[object]], Callable[[], Awaitable[None]]]:
    """How to look at a printer, and how to send it a file, fetch it back, look, and start it."""
    url, headers = printer["url"], {"X-Api-Key": printer["api_key"]}
    name = f"bp-{secrets.token_hex(16)}-1.gcode"

    async def get(path: str) -> bytes:
        async with http.get(url + path, headers=headers) as answer:
            assert answer.status < 300, await answer.text()
            return await answer.read()

    async def look() -> object:
        paths = ("/api/job", "/api/printer?exclude=temperature,sd")
        return await asyncio.gather(*(get(path) for path in paths))

    async def start() -> None:
        form = aiohttp.FormData()
        form.add_field("file", GCODE, filename=name)
        async with http.post(f"{url}/api/files/local", data=form, headers=headers) as answer:
            assert answer.status == 201, await answer.text()
        content = await get(f"/downloads/files/local/{name}")
        assert hashlib.sha256(content).digest() == hashlib.sha256(GCODE).digest()
        await asyncio.gather(look(), get(f"/api/files/local/{name}"))
        wish = {"command": "select", "print": True}
        async with http.post(f"{url}/api/files/local/{name}", json=wish, headers=headers):
            pass

    return look, start


def _percentiles(values: list[float]) -> tuple[float, float]:
    return values[len(values) // 2], values[int(len(values) * 0.99) - 1]


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
