"""A farm in which every page has something to show, and every dialog something to ask about."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from buildplate_sim.launch import octoprints
from tests.browser.site import SETTLED_S, Farm, long_print, set_up_farm

PRINTS, FREE, MADE, GONE = "Alder", "Birch", "Cedar", "Dogwood"
FACTOR = 60.0
FLOOR = {"name": "Workshop", "width_mm": 6000, "depth_mm": 4000}
PLACES = {PRINTS: (1000, 1000), FREE: (2500, 1000), MADE: (4000, 1000)}
LOADED = [{"tool": 0, "type": "PLA", "variant": "matte", "color": "black", "remaining_g": 400.0}]


@dataclass(frozen=True, slots=True)
class Furnished:
    """The farm, and what is in it: ids by name."""

    farm: Farm
    printers: dict[str, str]
    floor: str
    held: str
    print_: str
    file: str

    @property
    def names(self) -> dict[str, str]:
        """What the addresses of pages are filled in with."""
        return {
            "printing": self.printers[PRINTS],
            "free": self.printers[FREE],
            "gone": self.printers[GONE],
            "job": self.held,
            "print": self.print_,
            "file": self.file,
        }


@asynccontextmanager
async def furnished_farm(folder: Path) -> AsyncIterator[Furnished]:
    """Four printers: one prints, one is free, one has made something, one is gone."""
    async with (
        octoprints(folder / "printers", count=4, time_factor=FACTOR) as simulator,
        set_up_farm(folder) as farm,
    ):
        named = zip((PRINTS, FREE, MADE, GONE), simulator.printers, strict=True)
        announced = {name: {**one, "name": name} for name, one in named}
        printers = await farm.add_all(list(announced.values()))
        for name in (PRINTS, FREE, MADE):
            await farm.api.clear_bed(printers[name])
        await farm.order(long_print(minutes=0.2), "clip.gcode", printers[MADE])
        await farm.print_for_all(FACTOR, "bracket.gcode", printers[PRINTS])
        floor = await _furnish(farm, printers)
        held = await _orders(farm)
        gone = next(
            one["name"] for one in simulator.printers if one["url"] == announced[GONE]["url"]
        )
        await simulator.admin.do(gone, "deafen")
        await farm.has(printers[GONE], "link", "offline")
        made = await _made(farm)
        await farm.api.call("POST", f"/prints/{made}/notes", {"text": "A fine clip."})
        file = (await farm.api.call("GET", f"/jobs/{held}"))["file_id"]
        yield Furnished(farm, printers, floor, held, made, file)


async def _furnish(farm: Farm, printers: dict[str, str]) -> str:
    """A group, a floor with three printers, materials, a key and a backup; the floor's id."""
    api = farm.api
    await api.call("POST", "/groups", {"name": "small", "description": "The small ones."})
    floor = str((await api.call("POST", "/floors", FLOOR))["id"])
    for name, (x, y) in PLACES.items():
        described = {
            "floor_position": {"floor": floor, "x": x, "y": y},
            "materials": LOADED,
            "tags": ["fast"],
            "group": "small",
        }
        await api.call("PATCH", f"/printers/{printers[name]}", described)
    await api.call("POST", "/keys", {"name": "shop", "role": "operator"})
    await api.call("POST", "/backups", {"passphrase": None})
    async with asyncio.timeout(SETTLED_S):
        while (await api.call("GET", "/backups"))["items"][0]["state"] != "ready":
            await asyncio.sleep(0.1)
    return floor


async def _orders(farm: Farm) -> str:
    """Jobs that wait, each for another reason; the id of the one that is held."""
    stored = await farm.api.upload(long_print(minutes=30), "lamp-shade.gcode")
    due = (datetime.now(UTC) + timedelta(hours=5)).isoformat()
    lacking = {"materials": [{"tool": 0, "type": "PETG", "color": "orange"}]}
    orders: list[dict[str, Any]] = [
        {"name": "spool holder", "requirements": lacking, "due": due, "customer": "Workshop"},
        {"name": "gear", "requirements": lacking, "copies": 3, "priority": "urgent"},
        {"name": "lamp shade", "hold": True},
    ]
    made = [await farm.api.call("POST", "/jobs", {"file_id": stored} | one) for one in orders]
    return str(made[-1]["id"])


async def _made(farm: Farm) -> str:
    """Wait until the first print has ended; its id."""
    async with asyncio.timeout(SETTLED_S):
        while not (found := (await farm.api.call("GET", "/history"))["items"]):
            await asyncio.sleep(0.1)
    return str(found[0]["id"])
