"""The hosts that the conformance suite runs on: real OctoPrint, simulated OctoPrint, virtual."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from buildplate.drivers.octoprint import DRIVER as OCTOPRINT
from buildplate.drivers.sdk import Activity, DriverTimings, Manifest
from buildplate.drivers.sdk.conformance import Markers
from buildplate_sim.launch import Simulator
from buildplate_sim.virtual_driver.manifest import DRIVER as VIRTUAL
from tests.integration.octoprint_host import OctoPrintHost, gcode

OCTOPRINT_MARKERS = Markers(
    start=b'"print":true',
    cancel=b'"cancel"',
    upload=b"POST /api/files/local HTTP",
    fetch=b"GET /downloads/files/local/",
    delete=b"DELETE /api/files/local/",
    read=b"GET /api/job",
)
VIRTUAL_MARKERS = Markers(
    start=b'"do":"start"',
    cancel=b'"do":"cancel"',
    upload=b'"do":"upload"',
    fetch=b'"do":"fetch"',
    delete=b'"do":"delete"',
    read=b'"do":"status"',
)


@dataclass
class RealOctoPrint:
    """A real OctoPrint and its virtual printer."""

    real: OctoPrintHost
    manifest: Manifest = OCTOPRINT
    markers: Markers = OCTOPRINT_MARKERS
    timings: DriverTimings = field(
        default_factory=lambda: DriverTimings(request=3.0, command=2.0, transfer_idle=3.0)
    )
    patience: float = 30.0
    keeps_every_run: bool = False
    pushes_steadily: bool = True

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self.real.port

    def connection(self, address: tuple[str, int]) -> Mapping[str, Any]:
        return {"url": f"http://{address[0]}:{address[1]}", "api_key": self.real.api_key}

    def sample(self, seconds: float) -> bytes:
        return gcode(seconds)

    async def reset(self) -> None:
        job = await self.real.job()
        if job["state"].startswith("Offline"):
            await self.real.connect_printer()
        if job["state"] != "Operational":
            await self.real.api("POST", "/api/job", {"command": "cancel"})
            await self.real.printer_is("Operational")
        for path in await self.real.files():
            await self.real.api("DELETE", f"/api/files/local/{path}")

    async def starts(self, path: str) -> int:
        return self.real.starts().count(path)

    async def completions(self, path: str) -> int:
        return self.real.completions().count(path)

    async def selected(self) -> str | None:
        path: str | None = (await self.real.job())["job"]["file"]["path"]
        return path

    async def start_by_hand(self, path: str) -> None:
        wish = {"command": "select", "print": True}
        await self.real.api("POST", f"/api/files/local/{path}", wish)


@dataclass
class Simulated:
    """One simulated printer of a simulator process; time there runs `factor` times faster."""

    simulator: Simulator
    manifest: Manifest
    markers: Markers
    keeps_every_run: bool
    factor: float = 1.0
    pushes_steadily: bool = True
    timings: DriverTimings = field(
        default_factory=lambda: DriverTimings(request=1.5, command=1.0, transfer_idle=1.5)
    )
    patience: float = 15.0

    @property
    def printer(self) -> dict[str, Any]:
        return self.simulator.printers[0]

    def sample(self, seconds: float) -> bytes:
        """Moves of 1 s of the simulated printer's time each."""
        moves = max(1, round(seconds * self.factor))
        lines = [f"; {secrets.token_hex(8)}"]
        lines += [f"G1 X{100 * (move % 2)} F6000" for move in range(1, moves + 1)]
        return ("\n".join(lines) + "\n").encode()

    async def _log(self, event: str) -> list[dict[str, Any]]:
        return await self.simulator.admin.log(self.printer["name"], event)

    async def starts(self, path: str) -> int:
        return sum(entry["path"] == path for entry in await self._log("start"))

    async def completions(self, path: str) -> int:
        ends = await self._log("end")
        return sum(one["path"] == path and one["outcome"] == "completed" for one in ends)

    async def orders(self) -> list[str]:
        """What was carried out by hand, by the printer's own record."""
        return [entry["order"] for entry in await self._log("order")]

    async def selected(self) -> str | None:
        state = await self.simulator.admin.printer(self.printer["name"])
        path: str | None = state.get("selected")
        return path


@dataclass
class SimulatedOctoPrint(Simulated):
    """A simulated OctoPrint."""

    manifest: Manifest = OCTOPRINT
    markers: Markers = OCTOPRINT_MARKERS
    keeps_every_run: bool = False
    marker_of_orders: bytes = b"POST /api/printer/"
    apart: bool = True

    @property
    def address(self) -> tuple[str, int]:
        url = urlsplit(self.printer["url"])
        assert url.hostname is not None
        assert url.port is not None
        return url.hostname, url.port

    def connection(self, address: tuple[str, int]) -> Mapping[str, Any]:
        key = self.printer["api_key"]
        return {"url": f"http://{address[0]}:{address[1]}", "api_key": key}

    async def _call(self, method: str, path: str, body: Any = None) -> Any:
        timeout = aiohttp.ClientTimeout(total=5)
        headers = {"X-Api-Key": self.printer["api_key"]}
        async with (
            aiohttp.ClientSession(self.printer["url"], timeout=timeout, headers=headers) as http,
            http.request(method, path, json=body) as answer,
        ):
            is_json = answer.content_type == "application/json"
            return await answer.json() if is_json else None

    async def reset(self) -> None:
        await self.simulator.admin.clear_rules(self.printer["name"])
        async with asyncio.timeout(self.patience):
            while (await self._call("GET", "/api/job"))["state"] != "Operational":
                await self._call("POST", "/api/job", {"command": "cancel"})
                await self._call("POST", "/api/connection", {"command": "connect"})
                await asyncio.sleep(0.05)
        for entry in (await self._call("GET", "/api/files/local"))["files"]:
            await self._call("DELETE", f"/api/files/local/{entry['path']}")

    async def start_by_hand(self, path: str) -> None:
        wish = {"command": "select", "print": True}
        await self._call("POST", f"/api/files/local/{path}", wish)


@dataclass
class VirtualPrinter(Simulated):
    """A virtual printer of the demo, which is driven by the virtual driver."""

    manifest: Manifest = VIRTUAL
    markers: Markers = VIRTUAL_MARKERS
    keeps_every_run: bool = True
    pushes_steadily: bool = False
    marker_of_orders: bytes = b'"do":"order"'
    apart: bool = False

    @property
    def address(self) -> tuple[str, int]:
        known = self.printer["connection"]
        return known["host"], known["port"]

    def connection(self, address: tuple[str, int]) -> Mapping[str, Any]:
        return {"host": address[0], "port": address[1]}

    async def reset(self) -> None:
        driver = self.manifest.make(self.connection(self.address), self.timings)
        await driver.connect(wake=True)
        try:
            async with asyncio.timeout(self.patience):
                while (await driver.look(None)).activity is not Activity.IDLE:
                    await driver.cancel()
                    await asyncio.sleep(0.05)
            for path in await driver.files(""):
                await driver.delete(path)
        finally:
            await driver.close()

    async def start_by_hand(self, path: str) -> None:
        driver = self.manifest.make(self.connection(self.address), self.timings)
        await driver.connect()
        try:
            await driver.start(path)
        finally:
            await driver.close()
