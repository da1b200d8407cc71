"""One system over one fleet of simulated OctoPrints: what it uses, and how soon it tells.

`python -m bench.fleet_run buildplate|fdm-monster COUNT SECONDS CHANGES` prints its figures as JSON.
It is meant for a network namespace that has only loopback (`unshare -n`). When all printers are
online, half of them begin to print, one after the other, each a file of its own that is started at
the printer. One client of the system's live updates is connected.
"""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson
import uvloop

from bench.fleet_peer import fdm_monster, first_run
from bench.processes import Tree
from bench.served_farm import add_printers, serving
from buildplate_sim.launch import Simulator, octoprints

if TYPE_CHECKING:
    from collections.abc import Mapping

BUILDPLATE, FDM_MONSTER = "buildplate", "fdm-monster"
PORT = 15931
SETTLED_S, TOLD_WITHIN_S, BETWEEN_S = 20.0, 15.0, 0.3
CHANGES_WITHIN_S = 120.0
CONTENT = "G28\n" + "".join(f"G1 X{120 if n % 2 else 20} F60\n" for n in range(144))
"""Four hours of slow moves in few lines: FDM Monster fetches and reads what is printed."""


@dataclass
class Figures:
    """CPU-seconds a second, bytes held, bytes written to the disk a second; latencies in ms."""

    cpu: list[float] = field(default_factory=list)
    memory: int = 0
    written_per_s: float = 0.0
    p50: float = 0.0
    p95: float = 0.0
    p99: float = 0.0
    changes: int = 0
    unseen: int = 0


@dataclass
class Screen:
    """What one client of live updates has been told of each printer, by its name."""

    states: dict[str, str] = field(default_factory=dict)
    turned: asyncio.Event = field(default_factory=asyncio.Event)

    def show(self, name: str, state: str) -> None:
        """The system has told this of a printer."""
        if self.states.get(name) != state:
            self.states[name] = state
            turned, self.turned = self.turned, asyncio.Event()
            turned.set()

    async def until(self, name: str, holds: Callable[[str], bool]) -> None:
        """Wait until what is shown of a printer holds."""
        async with asyncio.timeout(TOLD_WITHIN_S):
            while not holds(self.states.get(name, "")):
                await self.turned.wait()


async def measure(system: str, count: int, seconds: float, changes: int) -> Figures:
    """Everything of one system, on a fresh fleet."""
    opened = _buildplate if system == BUILDPLATE else _fdm_monster
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        more = ["--user=bench"]
        async with (
            octoprints(home / "printers", count=count, time_factor=1.0, more=more) as fleet,
            opened(fleet, home / system) as (pid, screen),
        ):
            printing = [one["name"] for one in fleet.printers[::2]]
            for name in printing:
                await fleet.admin.do(name, "print", path=f"{name}.gcode", gcode=CONTENT)
                await asyncio.sleep(BETWEEN_S)
            await asyncio.sleep(SETTLED_S)
            figures = await _usage(pid, seconds)
            await _latencies(fleet, screen, printing, changes, figures)
            return figures


async def _usage(pid: int, seconds: float) -> Figures:
    """Three stretches, one after the other, while nothing changes but levels."""
    tree, figures, written = Tree(pid), Figures(), 0
    began = tree.written_bytes()
    for _ in range(3):
        before, at = tree.cpu_seconds(), time.monotonic()
        await asyncio.sleep(seconds / 3)
        figures.cpu.append((tree.cpu_seconds() - before) / (time.monotonic() - at))
    written = tree.written_bytes() - began
    figures.memory, figures.written_per_s = tree.resident_bytes(), written / seconds
    return figures


async def _latencies(
    fleet: Simulator, screen: Screen, printing: list[str], changes: int, figures: Figures
) -> None:
    """From the moment a printer is told to pause to the frame that tells that it no longer prints.

    Part of it is the way of that order to the simulator, the same for both systems.
    """
    dice, took = random.Random(1), []
    until = time.monotonic() + CHANGES_WITHIN_S
    for turn in range(changes):
        if time.monotonic() > until:
            break
        name = printing[turn % len(printing)]
        await asyncio.sleep(BETWEEN_S * dice.uniform(0.5, 1.5))
        try:
            await screen.until(name, lambda state: state == "Printing")
            began = time.perf_counter()
            await fleet.admin.do(name, "pause")
            await screen.until(name, lambda state: state != "Printing")
            took.append((time.perf_counter() - began) * 1000)
            await screen.until(name, lambda state: state == "Paused")
        except TimeoutError:
            figures.unseen += 1
        await fleet.admin.do(name, "resume")
    figures.changes = len(took)
    if len(took) < 2:
        return
    cuts = statistics.quantiles(took, n=100, method="inclusive")
    figures.p50, figures.p95, figures.p99 = cuts[49], cuts[94], cuts[98]


@asynccontextmanager
async def _showing(read: Callable[[Screen], Coroutine[Any, Any, None]]) -> AsyncIterator[Screen]:
    """A screen that is kept up to date while the block runs."""
    screen = Screen()
    async with asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(read(screen))
        yield screen
        reading.cancel()


# --- the systems ---------------------------------------------------------------------------------


@asynccontextmanager
async def _buildplate(fleet: Simulator, data: Path) -> AsyncIterator[tuple[int, Screen]]:
    with serving(data, PORT) as farm:
        async with farm.http() as http:
            ids = await add_printers(http, fleet.printers)
            names = {id_: name for name, id_ in ids.items()}
            async with (
                http.ws_connect("/api/v1/live", max_msg_size=0) as socket,
                _showing(partial(_read_live, socket, names)) as screen,
            ):
                yield farm.pid, screen


async def _read_live(
    socket: aiohttp.ClientWebSocketResponse, names: Mapping[str, str], screen: Screen
) -> None:
    async for message in socket:
        for view in orjson.loads(message.data).get("printers", ()):
            if "detail" in view:
                screen.show(names[view["id"]], view["detail"])


@asynccontextmanager
async def _fdm_monster(fleet: Simulator, data: Path) -> AsyncIterator[tuple[int, Screen]]:
    with fdm_monster(data) as pid:
        # It closes kept-open connections after 5 s, in the middle of the next request if need be.
        connector = aiohttp.TCPConnector(force_close=True)
        async with aiohttp.ClientSession(connector=connector) as http:
            peer = await first_run(http)
            ids = await peer.add(fleet.printers)
            async with (
                peer.updates() as updates,
                _showing(partial(_read_updates, updates, ids)) as screen,
            ):
                yield pid, screen


async def _read_updates(
    updates: AsyncIterator[dict[str, Any]], ids: Mapping[str, str], screen: Screen
) -> None:
    async for update in updates:
        for name, id_ in ids.items():
            current = (update["printerEvents"].get(id_) or {}).get("current") or {}
            text = ((current.get("payload") or {}).get("state") or {}).get("text")
            if text:
                screen.show(name, text)


def main(system: str, count: str, seconds: str, changes: str) -> None:
    """Measure and print."""
    found = uvloop.run(measure(system, int(count), float(seconds), int(changes)))
    print(json.dumps(asdict(found)))


if __name__ == "__main__":
    main(*sys.argv[1:])
