"""Takes the pictures of the documentation: `python -m tests.browser FOLDER`."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Literal

from playwright.async_api import Browser, expect

from buildplate_sim.launch import Simulator, octoprints
from tests.browser.chrome import MISSING, Visit, chrome, picture, program, visiting
from tests.browser.pages import card, is_live, sign_in
from tests.browser.site import Farm, long_print, set_up_farm

PICTURES: dict[str, tuple[Literal["light", "dark"], bool]] = {
    "farm-light": ("light", False),
    "farm-dark": ("dark", False),
    "farm-phone": ("light", True),
}
# Printer -> what it prints and for how many minutes; with nothing to print, its bed is free.
ORDERS = {
    "Alder": ("bracket.gcode", 50),
    "Birch": ("gear-48.gcode", 25),
    "Cedar": ("spool-holder.gcode", 90),
    "Dogwood": ("hinge.gcode", 3),
    "Elm": None,
    "Fir": ("lamp-shade.gcode", 40),
    "Hazel": ("cable-clip.gcode", 30),
    "Larch": None,
}
PAUSED, GONE = "Hazel", "Larch"
# How a card looks when everything has happened: the key of its state.
SETTLED = {
    "Alder": "printing",
    "Dogwood": "bed_occupied",
    "Elm": "ready",
    PAUSED: "paused",
    GONE: "offline",
}
TIME_FACTOR = 30.0
SETTLED_MS = 90_000


async def furnish(farm: Farm, simulator: Simulator) -> None:
    """Add the printers under their names, and have them do what ORDERS says."""
    announced = dict(zip(ORDERS, simulator.printers, strict=True))
    names = {name: {**one, "name": name} for name, one in announced.items()}
    ids = await farm.add_all(list(names.values()))
    for name, order in ORDERS.items():
        await farm.api.clear_bed(ids[name])
        if order is not None:
            file, minutes = order
            await farm.order(long_print(minutes=minutes), file, ids[name])
    await simulator.admin.do(announced[GONE]["name"], "deafen")
    await farm.has(ids[PAUSED], "activity", "ours")
    await farm.api.call("POST", f"/printers/{ids[PAUSED]}/pause")


async def is_settled(visit: Visit) -> None:
    """Wait until the farm looks as it is to be shown."""
    for name, state in SETTLED.items():
        said = visit.say(f"state.{state}")
        await expect(card(visit, name)).to_contain_text(said, timeout=SETTLED_MS)


async def take(browser: Browser, farm: Farm, folder: Path) -> None:
    """Write every picture into the folder, at the size of its screen."""
    async with AsyncExitStack() as stack:
        for name, (theme, phone) in PICTURES.items():
            opened = visiting(browser, farm.url, phone=phone, color_scheme=theme)
            visit = await stack.enter_async_context(opened)
            await visit.go("/")
            await sign_in(visit, "operator")
            await is_live(visit)
            await is_settled(visit)
            await picture(visit, folder / f"{name}.png")
            print(folder / f"{name}.png")


async def main(folder: Path) -> None:
    """Start a farm and a browser, and end both."""
    found = program()
    if found is None:
        raise SystemExit(MISSING)
    with tempfile.TemporaryDirectory() as home:
        printers = octoprints(Path(home) / "printers", count=len(ORDERS), time_factor=TIME_FACTOR)
        async with (
            printers as simulator,
            set_up_farm(Path(home)) as farm,
            chrome(found) as browser,
        ):
            await furnish(farm, simulator)
            await take(browser, farm, folder)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/images")))
