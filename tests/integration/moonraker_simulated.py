"""One simulated Moonraker among many, with the handles that a real one has in the tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from buildplate_sim.launch import AdminClient, Simulator
from tests.integration.moonraker_side import MoonrakerSide


class SimulatedMoonraker(MoonrakerSide):
    """The one at `index` among those of a simulator process that keeps its state in `folder`."""

    def __init__(self, simulator: Simulator, folder: Path, index: int = 0) -> None:
        entry = simulator.printers[index]
        self._simulator = simulator
        self._folder: Path = folder / entry["name"]
        self._url = str(entry["url"])
        self.printer = str(entry["name"])
        self.api_key = str(entry["api_key"])

    @property
    def url(self) -> str:
        return self._url

    @property
    def machine(self) -> AdminClient:
        return self._simulator.admin

    @property
    def gcodes(self) -> Path:
        return self._folder / "gcodes"

    async def trusted_call(self, method: str, **params: Any) -> Any:
        async with self.client() as client:
            return await client.call(method, **params)

    async def start_moonraker(self) -> None:
        await self.do("boot")

    async def kill_moonraker(self) -> None:
        await self.do("kill")

    async def start_klippy(self) -> None:
        await self.do("klippy-boot")

    async def kill_klippy(self) -> None:
        await self.do("klippy-kill")

    async def freeze_klippy(self) -> None:
        await self.do("klippy-freeze")

    async def thaw_klippy(self) -> None:
        await self.do("klippy-thaw")
