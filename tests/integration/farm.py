"""Runs farms for tests of the whole: in this process with steps to wait at, or as the server."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import aiohttp

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
from tests.processes import gone

GREETING_LIMIT_S = 90.0
END_LIMIT_S = 30.0
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


class Reached(Protocol):
    """A host of a printer, real or simulated, and the connection settings that lead to it."""

    @property
    def connection(self) -> dict[str, Any]: ...


@dataclass
class RunningFarm:
    """A farm in this process."""

    farm: Farm
    steps: Steps

    async def add(
        self, host: Reached, name: str = "printer", driver: str = "octoprint"
    ) -> PrinterRecord:
        """Add the host's printer, wait until it is seen, and say that its bed is clear."""
        spec = PrinterSpec("", 0, name, MODEL)
        record = await self.farm.fleet.add(NewPrinter(spec, driver, host.connection))
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
        size: Volume | None = None,
    ) -> JobView:
        """Upload a file and order it, on these printers only where some are named.

        `size` is what it needs of a bed, where the file itself does not tell.
        """
        stored = await self.farm.files.receive(pieces(content), name)
        requirements = Requirements(printers=frozenset(on), build_volume=size)
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
    return ("\n".join(lines) + "\n").encode() + (b"; " + b"." * 997 + b"\n") * (padding // 1000)


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


# --- as the server -------------------------------------------------------------------------------


@dataclass
class Server:
    """A farm in a process of its own, reached over HTTP as everybody else does.

    `said` grows by each line that it prints.
    """

    url: str
    key: str
    http: aiohttp.ClientSession
    pid: int
    said: list[str]

    async def ask(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        """One request that must succeed; the JSON of its answer, None where it has none."""
        url = f"{self.url}/api/v1{path}"
        async with self.http.request(method, url, json=body, **more) as answer:
            assert answer.ok, f"{method} {path}: {answer.status} {await answer.text()}"
            return await answer.json() if answer.status != 204 else None

    async def add(self, host: OctoPrintHost, name: str) -> str:
        """Add the host's printer, wait until it is seen, and say that its bed is clear."""
        body = {
            "name": name,
            "driver": "octoprint",
            "connection": host.connection,
            "model": {"build_volume": {"x": 200, "y": 200, "z": 200}, "nozzles_mm": [0.4]},
        }
        printer_id = str((await self.ask("POST", "/printers", body))["id"])
        async with asyncio.timeout(60):
            while (await self.ask("GET", f"/printers/{printer_id}"))["link"] != "online":
                await asyncio.sleep(0.1)
        await self.clear(printer_id)
        return printer_id

    async def clear(self, printer_id: str) -> None:
        """A person clears the bed they see."""
        seen = {"bed_version": (await self.ask("GET", f"/printers/{printer_id}"))["bed_version"]}
        await self.ask("POST", f"/printers/{printer_id}/clear-bed", seen)

    async def upload(self, content: bytes, name: str) -> dict[str, Any]:
        """Upload a print file as a form, as people do."""
        form = aiohttp.FormData()
        form.add_field("file", io.BytesIO(content), filename=name)
        url = f"{self.url}/api/v1/files"
        async with self.http.post(url, data=form) as answer:
            assert answer.status == 201, await answer.text()
            stored: dict[str, Any] = await answer.json()
            return stored

    async def prints(self, job_id: str) -> list[dict[str, Any]]:
        """The job's prints, the first copy first."""
        items: list[dict[str, Any]] = (await self.ask("GET", f"/prints?job={job_id}"))["items"]
        return sorted(items, key=lambda item: int(item["number"]))


@asynccontextmanager
async def server(folder: Path, *more: str, key: str | None = None) -> AsyncIterator[Server]:
    """`buildplate serve` on the data in this folder; ended in good order after the block.

    `key` is the one of an earlier start; the first start of a demo prints its own, any other farm
    gets one before it starts.
    """
    if key is None and "--demo" not in more:
        key = await first_key(folder)
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("buildplate")), "serve", "--port", "0",
        "--data-dir", str(folder), *more,
        cwd=folder.parent, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL, env={**os.environ, "HOST": "127.0.0.1"},
    )  # fmt: skip
    assert process.stdout is not None
    said: list[str] = []
    try:
        async with asyncio.TaskGroup() as tasks:
            url = await _told(process.stdout, r"runs at (\S+)", said)
            key = key or await _told(process.stdout, r"BUILDPLATE_API_KEY=(\S+)", said)
            tasks.create_task(_read_on(process.stdout, said))
            headers = {"Authorization": f"Bearer {key}"}
            limit = aiohttp.ClientTimeout(total=60)
            async with aiohttp.ClientSession(headers=headers, timeout=limit) as http:
                yield Server(url, key, http, process.pid, said)
            process.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(process.wait(), END_LIMIT_S) == 0
    finally:
        await gone(process)


async def first_key(folder: Path) -> str:
    """An admin key made on the data itself, before any server runs on it."""
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("buildplate")), "--data-dir", str(folder),
        "key", "add", "tests", "--role", "admin", "--json", cwd=folder.parent,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(GREETING_LIMIT_S):
        said, _ = await process.communicate()
    return str(json.loads(said)["key"])


async def _told(output: asyncio.StreamReader, pattern: str, said: list[str]) -> str:
    """Read on to what the server says about itself."""
    async with asyncio.timeout(GREETING_LIMIT_S):
        while line := (await output.readline()).decode():
            said.append(line)
            if found := re.search(pattern, line):
                return found[1]
    raise AssertionError("the server ended: " + "".join(said))


async def _read_on(output: asyncio.StreamReader, said: list[str]) -> None:
    """Keep the server's log from filling its pipe."""
    while line := (await output.readline()).decode():
        said.append(line)
