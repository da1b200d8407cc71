"""A2: 500 live clients of 1,000 printers at 1 Hz, some of which never read.

The farm's board and its HTTP server run in this process, the clients in another one. The printers
say something once a second each, and every fourth time their state changes. Lag is from the change
of a printer's state to the frame that tells it, at the client; both read the same clock.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import resource
import statistics
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson
import uvloop

from bench.rows import Row
from buildplate.access.model import Role
from buildplate.api import create_app
from buildplate.app.composition import Farm, open_farm
from buildplate.app.logs import set_up_logs
from buildplate.app.serve import http_server, rooms_of
from buildplate.app.settings import Settings
from buildplate.core.printers import PrinterModel, PrinterSpec, Volume
from buildplate.drivers.sdk import DriverTimings, Manifest
from buildplate.fleet.service import NewPrinter

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "A2 live clients"
PRINTERS, CLIENTS, STALLED = 1000, 500, 5
SECONDS = 20.0
LAG_MS = 250.0


def run() -> list[Row]:
    """Measures once without stalled clients and once with five."""
    set_up_logs("error")
    free, with_stalled = (uvloop.run(_round(stalled)) for stalled in (0, STALLED))
    return [
        Row("p99 lag of a change of state", free["p99"], "ms", "≤ 250", free["p99"] <= LAG_MS),
        Row(
            "the same with 5 clients that never read",
            with_stalled["p99"],
            "ms",
            "≤ 250",
            with_stalled["p99"] <= LAG_MS,
        ),
        Row("frames to each client a second", free["frames"], ""),
        Row("kB to each client a second", free["kbytes"], "kB"),
        Row("CPU of the server", free["cpu"], "% of a core"),
        Row("CPU of the server per frame", free["per_frame_us"], "µs"),
    ]


async def _round(stalled: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder), _env_file=None)
        async with open_farm(settings, {"silent": _silent()}) as farm:
            await _add_printers(farm)
            secret = (await farm.keys.create("screens", Role.VIEWER)).secret
            app = create_app(rooms_of(farm, settings))
            farm.supervisor.start("live", app.state.live.run)
            server = http_server(app)
            server.config.port = 0
            async with asyncio.TaskGroup() as tasks:
                serving = tasks.create_task(server.serve())
                while not server.started:
                    await asyncio.sleep(0.01)
                port = server.servers[0].sockets[0].getsockname()[1]
                found = await _measure(farm, app.state.live, port, secret, stalled)
                server.should_exit = True
                await serving
    return found


async def _measure(farm: Farm, hub: Any, port: int, secret: str, stalled: int) -> dict[str, float]:
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(
        target=_clients, args=(theirs, port, secret, CLIENTS, stalled), daemon=True
    )
    process.start()
    try:
        async with asyncio.timeout(60):
            while hub.clients < CLIENTS:
                await asyncio.sleep(0.05)
        await asyncio.sleep(1.0)
        before = _cpu()
        ours.send("go")
        await _chatter(farm)
        used = _cpu() - before
        async with asyncio.timeout(60):
            while not ours.poll():
                await asyncio.sleep(0.05)
        lags, frames, size = ours.recv()
    finally:
        process.kill()
        await asyncio.to_thread(process.join, 10)
    listening = CLIENTS - stalled
    return {
        "p99": statistics.quantiles(lags, n=100)[98] * 1000,
        "frames": frames / listening / SECONDS,
        "kbytes": size / listening / SECONDS / 1000,
        "cpu": 100 * used / SECONDS,
        "per_frame_us": 1e6 * used / frames,
    }


async def _chatter(farm: Farm) -> None:
    """Every printer speaks once a second, evenly spread; every fourth time its state changes."""
    sessions = list(farm.fleet.sessions.values())
    began, said = time.monotonic(), 0
    while (now := time.monotonic()) < began + SECONDS:
        due = int((now - began) * PRINTERS)
        while said < due:
            session = sessions[said % PRINTERS]
            turn = said // PRINTERS
            session.live.told_at = now
            session.live.progress = (said % 997) / 997
            if (said + turn) % 4 == 0:
                session.live.detail = f"changed {time.monotonic()}"
            farm.watchers.tell(session.id)
            said += 1
        await asyncio.sleep(0.005)


def _clients(pipe: Any, port: int, secret: str, count: int, stalled: int) -> None:
    uvloop.run(_listen(pipe, port, secret, count, stalled))


async def _listen(pipe: Any, port: int, secret: str, count: int, stalled: int) -> None:
    total = SimpleNamespace(lags=[], frames=0, size=0, measuring=False)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as http, asyncio.TaskGroup() as tasks:
        for nth in range(count):
            quiet = nth < stalled
            tasks.create_task(_client(http, port, secret, total, nth, quiet=quiet))
        await asyncio.to_thread(pipe.recv)
        total.measuring = True
        await asyncio.sleep(SECONDS)
        pipe.send((total.lags, total.frames, total.size))


async def _client(
    http: aiohttp.ClientSession, port: int, secret: str, total: Any, nth: int, *, quiet: bool
) -> None:
    url = f"http://127.0.0.1:{port}/api/v1/live?topics=printers"
    async with http.ws_connect(url, headers={"X-Api-Key": secret}, compress=0) as socket:
        if quiet:
            connection: Any = socket._conn  # noqa: SLF001 (aiohttp reads on by itself)
            connection.transport.pause_reading()
            await asyncio.Event().wait()
        async for message in socket:
            if total.measuring:
                total.frames += 1
                total.size += len(message.data)
                if nth % 10 == 9:  # reading every frame would measure this process
                    _note(total.lags, orjson.loads(message.data))


def _note(lags: list[float], frame: Mapping[str, Any]) -> None:
    now = time.monotonic()
    for view in frame.get("printers", ()):
        detail = view.get("detail", "")
        if frame["type"] == "patch" and detail.startswith("changed "):
            lags.append(now - float(detail.partition(" ")[2]))


def _silent() -> Manifest:
    """A driver that is never connected: the printers' words are made up here."""

    def make(_connection: Mapping[str, Any], _timings: DriverTimings) -> Any:
        return SimpleNamespace()

    return Manifest(
        name="silent", title="Silent", description="says nothing", connection_schema={}, make=make
    )


async def _add_printers(farm: Farm) -> None:
    model = PrinterModel("Simulated", Volume(250, 250, 250), (0.4,), 300, 110)
    for number in range(PRINTERS):
        spec = PrinterSpec("", 0, f"printer {number}", model, enabled=False)
        await farm.fleet.add(NewPrinter(spec, "silent", {}))


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
