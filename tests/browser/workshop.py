"""A farm whose time runs faster, and whose printers each test takes for itself, as a group."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from buildplate_sim.launch import AdminClient, octoprints
from tests.browser.site import Farm, long_print, set_up_farm

# Simulated seconds in a second, for the printers and for the farm's own durations.
FACTOR = 5.0
PRINTERS = 40
# Longer than any test: an hour of simulated time is twelve minutes.
HOUR = 60.0
NOWHERE = {"group": "a group without printers"}


@dataclass(frozen=True)
class Printer:
    """A printer of the farm, and its name at the simulator."""

    id: str
    name: str
    octoprint: str


@dataclass
class Workshop:
    """The farm and the simulator behind its printers."""

    farm: Farm
    admin: AdminClient
    _free: Iterator[dict[str, Any]]

    async def take(
        self, group: str, printers: Mapping[str, Mapping[str, Any]], **about: Any
    ) -> dict[str, Printer]:
        """Add a printer under each name, seen and with a clear bed; all of them by name.

        `about` describes every one of them, and what stands beside its name the one.
        """
        added = [
            self._add(name, {"group": group} | about | dict(own)) for name, own in printers.items()
        ]
        return {one.name: one for one in await asyncio.gather(*added)}

    async def _add(self, name: str, about: Mapping[str, Any]) -> Printer:
        simulated = next(self._free)
        printer = await self.farm.add(simulated, name=name, **about)
        await self.farm.api.clear_bed(printer)
        return Printer(printer, name, simulated["name"])

    async def print_on(
        self, printers: Collection[Printer], name: str, **about: Any
    ) -> dict[str, dict[str, Any]]:
        """Order a long print on each, and wait until all print; the jobs by the printers' names."""
        file = await self.farm.api.upload(long_print(minutes=HOUR), f"{name}.gcode")

        async def order(printer: Printer) -> dict[str, Any]:
            only = {"requirements": {"printers": [printer.id]}}
            job = await self.farm.job(file, f"{name} on {printer.name}", **only, **about)
            await self.farm.print_in(job["id"], "printing")
            return job

        jobs = await asyncio.gather(*map(order, printers))
        return {printer.name: job for printer, job in zip(printers, jobs, strict=True)}

    async def wait_for_nothing(self, *names: str, **about: Any) -> dict[str, dict[str, Any]]:
        """Order jobs that no printer is there for, one after the other; the jobs by their names."""
        file = await self.farm.api.upload(long_print(minutes=1), "waits.gcode")
        asked = {"requirements": NOWHERE} | about
        return {name: await self.farm.job(file, name, **asked) for name in names}

    async def empty_queue(self) -> None:
        """Cancel every print that waits."""
        for item in (await self.farm.api.call("GET", "/queue?limit=1000"))["items"]:
            await self.farm.api.call("POST", f"/prints/{item['print_id']}/cancel")


@asynccontextmanager
async def working(folder: Path) -> AsyncIterator[Workshop]:
    """A workshop with people; its printers come with the tests that take them."""
    printers = octoprints(folder / "printers", count=PRINTERS, time_factor=FACTOR)
    async with (
        printers as simulator,
        set_up_farm(folder, time_factor=str(FACTOR)) as farm,
    ):
        yield Workshop(farm, simulator.admin, iter(simulator.printers))
