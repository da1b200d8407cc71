"""Moonrakers, real and simulated, as hosts of the conformance suite."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from buildplate.drivers.moonraker import DRIVER
from buildplate.drivers.sdk import DriverTimings, Manifest
from buildplate.drivers.sdk.conformance import Markers
from tests.integration.moonraker_side import MoonrakerSide, RpcError, gcode

MARKERS = Markers(
    start=b'"printer.print.start"',
    cancel=b'"printer.print.cancel"',
    upload=b"POST /server/files/upload HTTP",
    fetch=b"GET /server/files/gcodes/",
    delete=b'"server.files.delete_file"',
    read=b'"printer.objects.query"',
)


@dataclass
class Moonraker:
    """A Moonraker, real or simulated, whose machine's time runs `factor` times faster.

    A real one reads an upload in a process of its own before it answers, which takes a while on a
    busy machine.
    """

    side: MoonrakerSide
    manifest: Manifest = DRIVER
    markers: Markers = MARKERS
    timings: DriverTimings = field(
        default_factory=lambda: DriverTimings(
            request=1.5, command=1.2, transfer_idle=4.0, settle=0.5
        )
    )
    patience: float = 12.0
    factor: float = 5.0
    keeps_every_run: bool = False
    pushes_steadily: bool = True

    @property
    def address(self) -> tuple[str, int]:
        url = urlsplit(self.side.url)
        assert url.hostname is not None
        assert url.port is not None
        return url.hostname, url.port

    def connection(self, address: tuple[str, int]) -> Mapping[str, Any]:
        return {"url": f"http://{address[0]}:{address[1]}", "api_key": self.side.api_key}

    def sample(self, seconds: float) -> bytes:
        return gcode(seconds * self.factor, secrets.token_hex(8))

    async def reset(self) -> None:
        async with asyncio.timeout(self.patience):
            while await self._works():
                await asyncio.sleep(0.05)
        for path in self.side.gcodes.glob("*.gcode"):
            await self.side.delete(path.name)

    async def _begins(self) -> bool:
        """Whether Klippy is not ready yet; after an emergency stop it has to be begun anew."""
        try:
            state = (await self.side.trusted_call("printer.info"))["state"]
            if state == "shutdown":
                await self.side.trusted_call("printer.firmware_restart")
        except RpcError:
            return True
        return bool(state != "ready")

    async def _works(self) -> bool:
        if await self._begins():
            return True
        status = await self.side.status("print_stats", "idle_timeout")
        if status["print_stats"]["state"] in ("printing", "paused"):
            await self.side.trusted_call("printer.print.cancel")
            return True
        return bool(status["idle_timeout"]["state"] == "Printing")

    async def starts(self, path: str) -> int:
        return (await self.side.starts()).count(path)

    async def completions(self, path: str) -> int:
        return (await self.side.completions()).count(path)

    async def selected(self) -> str | None:
        found: str = (await self.side.status("print_stats"))["print_stats"]["filename"]
        return found

    async def start_by_hand(self, path: str) -> None:
        await self.side.trusted_call("printer.print.start", filename=path)
