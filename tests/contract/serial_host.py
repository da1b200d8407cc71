"""The host for the conformance suite of streaming drivers: a simulated board behind TCP."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from buildplate.drivers.marlin import DRIVER as MARLIN
from buildplate.drivers.sdk import DriverTimings, Manifest
from buildplate.drivers.sdk.conformance import Markers
from buildplate_sim.launch import Simulator

ORDERS = {
    "G28": "home",
    "G1": "jog",
    "M104": "heat",
    "M140": "heat",
    "M106": "fan",
    "M220": "pace",
    "M290": "shift_z",
    "M115": "gcode",
}
NOWHERE = b"\0 never on the wire"
MARKERS = Markers(
    start=b"M117 begin",
    cancel=b"M84",
    upload=NOWHERE,
    fetch=NOWHERE,
    delete=NOWHERE,
    read=b"M105",
)


@dataclass
class SerialPrinter:
    """One simulated board; time there runs `factor` times faster. Its own record is the truth."""

    simulator: Simulator
    folder: Path
    factor: float
    manifest: Manifest = MARLIN
    markers: Markers = MARKERS
    keeps_every_run: bool = True
    pushes_steadily: bool = True
    patience: float = 15.0
    marker_of_orders: bytes = b"G28"
    apart: bool = False
    more: Mapping[str, Any] = field(default_factory=dict)
    timings: DriverTimings = field(init=False)
    _tokens: dict[str, str] = field(default_factory=dict)
    _before: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        notes = self.folder / "notes"
        self.timings = DriverTimings(request=1.5, command=1.0, transfer_idle=1.5, notes=notes)

    @property
    def name(self) -> str:
        return str(self.simulator.printers[0]["name"])

    @property
    def address(self) -> tuple[str, int]:
        url = urlsplit(self.simulator.printers[0]["port"])
        assert url.hostname is not None
        assert url.port is not None
        return url.hostname, url.port

    def connection(self, address: tuple[str, int]) -> Mapping[str, Any]:
        return {"port": f"socket://{address[0]}:{address[1]}", "silence_s": 5.0, **self.more}

    def sample(self, seconds: float) -> bytes:
        """Moves of 1 s of the simulated printer's time each, from a first line to a last."""
        token = secrets.token_hex(8)
        moves = max(2, round(seconds * self.factor))
        lines = [f"M117 begin {token}", "M83", "; a comment", ""]
        lines += [f"G1 X{100 * (move % 2)} E1 F6000" for move in range(1, moves + 1)]
        lines += [f"M117 end {token}", "M104 S0"]
        return ("\n".join(lines) + "\n").encode()

    async def reset(self) -> None:
        await self.simulator.admin.clear_rules(self.name)
        if (await self.simulator.admin.printer(self.name))["state"] != "running":
            await self.simulator.admin.do(self.name, "reset")
            await asyncio.sleep(10 / self.factor)
        for word in ("begin", "end"):
            self._before[word] = await self._all(word)

    async def starts(self, path: str) -> int:
        return await self._said("begin", path)

    async def completions(self, path: str) -> int:
        return await self._said("end", path)

    async def orders(self) -> list[str]:
        """The capability of each order that was carried out."""
        accepted = await self.simulator.admin.accepted(self.name)
        codes = (str(one.get("text", "")).partition(" ")[0] for one in accepted)
        return [ORDERS[code] for code in codes if code in ORDERS]

    async def selected(self) -> str | None:
        return None

    async def start_by_hand(self, path: str) -> None:
        raise NotImplementedError("nobody but us has the file")

    async def _said(self, word: str, path: str) -> int:
        token = await asyncio.to_thread(self._token, path)
        if token is None:  # a file that is gone is known by nothing: any print would be of it
            return await self._all(word) - self._before[word]
        return await self._all(f"{word} {token}")

    async def _all(self, words: str) -> int:
        accepted = await self.simulator.admin.accepted(self.name)
        return sum(str(one.get("text")).startswith(f"M117 {words}") for one in accepted)

    def _token(self, path: str) -> str | None:
        file = self.folder / "notes" / "files" / path
        if path not in self._tokens and file.exists():
            self._tokens[path] = file.read_text().split("\n", 1)[0].split()[-1]
        return self._tokens.get(path)
