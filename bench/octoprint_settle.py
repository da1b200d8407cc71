"""Settle times of a real OctoPrint: late starts, deletes that meet a start, the history's writing.

The figures behind the settle time of 5 s; docs/reference/drivers/octoprint.md says how to read
them. Nothing here is scaled: the host is the real program with its own virtual printer.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp

from bench.rows import Row
from tests.integration.octoprint_host import OctoPrintHost, make_template, octoprint_host

NAME = "OctoPrint settle times"
IDLE, LOADED, FROZEN, RACES, ENDINGS = 60, 40, 12, 60, 40
FREEZE_S = 2.0
SETTLE_S = 5.0
WATCHED_S = 2.0
LIMIT_S = 20.0
PART = b"G28\n" + b"M117 x\n" * 20
LONG = b"G28\n" + b"".join(b"G1 X%d F6000\n" % (5 * (i % 2)) for i in range(4000))


@dataclass
class Watcher:
    """A client that holds the push socket and notes when each event came."""

    host: OctoPrintHost
    http: aiohttp.ClientSession
    events: list[tuple[float, str, dict[str, Any]]] = field(default_factory=list)
    more: asyncio.Event = field(default_factory=asyncio.Event)

    async def listen(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Note events until cancelled."""
        async for message in socket:
            content = message.json()
            if "event" in content:
                event = content["event"]
                self.events.append((time.perf_counter(), event["type"], event["payload"] or {}))
                self.more.set()

    async def event(self, kind: str, path: str, limit: float = LIMIT_S) -> float:
        """When the first event of this kind on this file came; TimeoutError when it never does."""
        async with asyncio.timeout(limit):
            while True:
                for at, name, payload in self.events:
                    if name == kind and payload.get("path") == path:
                        return at
                self.more.clear()
                await self.more.wait()

    def has(self, kind: str, path: str) -> bool:
        """Whether such an event has come."""
        return any(name == kind and p.get("path") == path for _, name, p in self.events)

    async def start(self, path: str) -> int:
        """Select and print."""
        url = f"/api/files/local/{path}"
        async with self.http.post(url, json={"command": "select", "print": True}) as answer:
            return answer.status

    async def delete(self, path: str) -> int:
        """Delete."""
        async with self.http.delete(f"/api/files/local/{path}") as answer:
            return answer.status

    async def state(self) -> tuple[str, str | None]:
        """The state's text and the current file."""
        async with self.http.get("/api/job") as answer:
            job = await answer.json()
            return job["state"], job["job"]["file"]["path"]

    async def operational(self) -> None:
        """Wait until the printer is idle; a wedged or halted one is disconnected and connected."""
        began = time.perf_counter()
        async with asyncio.timeout(LIMIT_S * 2):
            while (state := (await self.state())[0]) != "Operational":
                if time.perf_counter() - began > LIMIT_S / 2 or state.startswith("Offline"):
                    await self.http.post("/api/connection", json={"command": "disconnect"})
                    await asyncio.sleep(0.5)
                    await self.host.connect_printer()
                await asyncio.sleep(0.02)
        await asyncio.sleep(0.05)


@asynccontextmanager
async def watching(host: OctoPrintHost) -> AsyncIterator[Watcher]:
    """A watcher of the host for the block."""
    timeout = aiohttp.ClientTimeout(total=LIMIT_S * 2)
    headers = {"X-Api-Key": host.api_key}
    async with aiohttp.ClientSession(host.url, headers=headers, timeout=timeout) as http:
        async with http.post("/api/login", json={"passive": True}) as answer:
            login = await answer.json()
        async with http.ws_connect("/sockjs/websocket") as socket, asyncio.TaskGroup() as tasks:
            await socket.send_json({"auth": f"{login['name']}:{login['session']}"})
            watcher = Watcher(host, http)
            task = tasks.create_task(watcher.listen(socket))
            await asyncio.sleep(0.5)
            yield watcher
            task.cancel()


async def start_delays(watcher: Watcher, rounds: int, label: str) -> dict[str, list[float]]:
    """From the POST's sending and from its answer to PrintStarted, and to /api/job showing it."""
    found: dict[str, list[float]] = {"sent": [], "answered": [], "shown": []}
    for number in range(rounds):
        path = f"{label}-{number}.gcode"
        await watcher.host.put(path, PART)
        await watcher.operational()
        sent = time.perf_counter()
        assert await watcher.start(path) == 204
        answered = time.perf_counter()
        while (await watcher.state()) == ("Operational", path) and not watcher.has(
            "PrintStarted", path
        ):
            await asyncio.sleep(0.002)
        shown = time.perf_counter()
        started = await watcher.event("PrintStarted", path)
        found["sent"].append(started - sent)
        found["answered"].append(started - answered)
        found["shown"].append(shown - answered)
        await watcher.event("PrintDone", path)
        await watcher.operational()
        await watcher.delete(path)
    return found


async def frozen_starts(watcher: Watcher) -> dict[str, list[float]]:
    """A stopped host with a whole start in its socket: when it runs after the host goes on."""
    found: dict[str, list[float]] = {"thawed": [], "read": []}
    host = watcher.host
    for number in range(FROZEN):
        path = f"frozen-{number}.gcode"
        await host.put(path, PART)
        await watcher.operational()
        host.freeze()
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(0.3):
                    await watcher.start(path)
            await asyncio.sleep(FREEZE_S)
        finally:
            host.thaw()
        thawed = time.perf_counter()
        await watcher.state()
        read = time.perf_counter()
        started = await watcher.event("PrintStarted", path)
        found["thawed"].append(started - thawed)
        found["read"].append(started - read)
        await watcher.event("PrintDone", path)
        await watcher.operational()
        await watcher.delete(path)
    return found


async def races(watcher: Watcher) -> tuple[Counter[str], list[float]]:
    """A delete sent together with a start: what came of both, and the latest sign of a start."""
    outcomes: Counter[str] = Counter()
    late: list[float] = []
    for number in range(RACES):
        path = f"race-{number}.gcode"
        await watcher.host.put(path, LONG)
        await watcher.operational()
        delay = (number % 12) * 0.0025

        async def delete(path: str = path, delay: float = delay) -> tuple[int, float]:
            await asyncio.sleep(delay)
            status = await watcher.delete(path)
            return status, time.perf_counter()

        start, (deleted, at) = await asyncio.gather(watcher.start(path), delete())
        await asyncio.sleep(WATCHED_S)
        state, file = await watcher.state()
        ran = watcher.has("PrintStarted", path)
        if ran and deleted == 204:
            late.append(await watcher.event("PrintStarted", path) - at)
        went = "ran on" if state == "Printing" and file == path else state.lower()
        if state == "Printing" and file is None:
            went = "wedged: printing no file"
        outcomes[
            f"start {start}, delete {deleted}, {'announced' if ran else 'silent'}, {went}"
        ] += 1
        await tidy(watcher, path)
    return outcomes, late


async def tidy(watcher: Watcher, path: str) -> None:
    """Make the printer idle again after a race, by force where nothing else helps."""
    async with watcher.http.post("/api/job", json={"command": "cancel"}):
        pass
    await asyncio.sleep(0.3)
    if (await watcher.state())[0] != "Operational":
        async with watcher.http.post("/api/connection", json={"command": "disconnect"}):
            pass
        await asyncio.sleep(0.5)
        await watcher.host.connect_printer()
    await watcher.operational()
    await watcher.delete(path)


async def endings(watcher: Watcher) -> dict[str, list[float]]:
    """From PrintDone to the written history, to Operational, and to a delete that is allowed."""
    found: dict[str, list[float]] = {"history": [], "operational": [], "deletable": []}
    for number in range(ENDINGS):
        path = f"ending-{number}.gcode"
        await watcher.host.put(path, PART)
        await watcher.operational()
        await watcher.start(path)
        done = await watcher.event("PrintDone", path)
        prints = None
        while prints is None:
            async with watcher.http.get(f"/api/files/local/{path}") as answer:
                prints = (await answer.json()).get("prints")
        assert prints["last"]["printTime"] is not None
        found["history"].append(time.perf_counter() - done)
        while (await watcher.state())[0] != "Operational":
            await asyncio.sleep(0.001)
        found["operational"].append(time.perf_counter() - done)
        while await watcher.delete(path) != 204:
            await asyncio.sleep(0.001)
        found["deletable"].append(time.perf_counter() - done)
    return found


def _spin() -> None:
    while True:
        pass


@contextmanager
def load(processes: int) -> Iterator[None]:
    """Keep so many processors busy."""
    workers = [multiprocessing.Process(target=_spin, daemon=True) for _ in range(processes)]
    for worker in workers:
        worker.start()
    try:
        yield
    finally:
        for worker in workers:
            worker.kill()
            worker.join()


def _rows(what: str, seconds: list[float], goal_s: float | None = None) -> list[Row]:
    worst = max(seconds)
    goal = "" if goal_s is None else f"< {goal_s:g} s"
    met = None if goal_s is None else worst < goal_s
    return [
        Row(f"{what}, median of {len(seconds)}", median(seconds) * 1000, "ms"),
        Row(f"{what}, worst", worst * 1000, "ms", goal, met),
    ]


async def _measure(folder: Path) -> list[Row]:
    template = await make_template(folder / "template")
    rows: list[Row] = []
    async with octoprint_host(template, folder / "host") as host:
        await host.connect_printer()
        async with watching(host) as watcher:
            idle = await start_delays(watcher, IDLE, "idle")
            with load(2 * multiprocessing.cpu_count()):
                loaded = await start_delays(watcher, LOADED, "loaded")
            frozen = await frozen_starts(watcher)
            ended = await endings(watcher)
            outcomes, late = await races(watcher)
    rows += _rows("start sent → PrintStarted", idle["sent"], SETTLE_S)
    rows += _rows("start answered → PrintStarted", idle["answered"], SETTLE_S)
    rows += _rows("start answered → shown by a read or the event", idle["shown"], SETTLE_S)
    rows += _rows("busy machine: start sent → PrintStarted", loaded["sent"], SETTLE_S)
    rows += _rows("busy machine: start answered → PrintStarted", loaded["answered"], SETTLE_S)
    rows += _rows("host goes on after a freeze → PrintStarted", frozen["thawed"], SETTLE_S)
    rows += _rows("first answered read after a freeze → PrintStarted", frozen["read"], SETTLE_S)
    rows += _rows("PrintDone → history with a print time", ended["history"], SETTLE_S)
    rows += _rows("PrintDone → Operational", ended["operational"])
    rows += _rows("PrintDone → the file can be deleted", ended["deletable"])
    if late:
        rows += _rows("delete answered 204 → PrintStarted all the same", late, SETTLE_S)
    for outcome, count in outcomes.most_common():
        rows.append(Row(f"delete against start: {outcome}", count, f"of {RACES}"))
    return rows


def run() -> list[Row]:
    """Measure on a fresh host; about three minutes."""
    folder = Path(tempfile.mkdtemp(prefix="octoprint-settle-"))
    try:
        return asyncio.run(_measure(folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
