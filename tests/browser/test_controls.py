"""One printer directly: homed, heated and stopped from its page, and refused while it prints."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, WebSocket, expect

from buildplate_sim.launch import virtual_printers
from tests.browser.axe import examine
from tests.browser.chrome import Visit
from tests.browser.conftest import Opener
from tests.browser.site import SETTLED_S, VOLUME, Farm, set_up_farm

pytestmark = pytest.mark.asyncio(loop_scope="package")
FACTOR = 20.0
OF_A_PAGE = "topics=panel%2Cconsole"


@dataclass(frozen=True, slots=True)
class Pair:
    """A farm of two virtual printers, one of which prints; ids."""

    farm: Farm
    free: str
    prints: str


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def pair(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    """Started once for these tests."""
    folder = tmp_path_factory.mktemp("pair")
    async with (
        virtual_printers(folder / "printers", count=2, time_factor=FACTOR) as simulator,
        set_up_farm(folder) as farm,
    ):
        free, prints = [await added(farm, one) for one in simulator.printers]
        await farm.api.clear_bed(prints)
        await farm.print_for_all(FACTOR, "bracket.gcode", prints)
        yield Pair(farm, free, prints)


async def added(farm: Farm, simulated: dict[str, Any]) -> str:
    """Add a virtual printer, and wait until it is seen; its id."""
    model = {"build_volume": VOLUME, "max_nozzle_c": 250, "max_bed_c": 90}
    about = {"name": simulated["name"], "driver": "virtual", "model": model}
    about["connection"] = simulated["connection"]
    printer = str((await farm.api.call("POST", "/printers", about))["id"])
    await farm.has(printer, "link", "online")
    return printer


async def state(pair: Pair, printer: str) -> dict[str, Any]:
    """What the server knows of it."""
    return dict(await pair.farm.api.call("GET", f"/printers/{printer}/state"))


def noted(socket: WebSocket, known: list[str]) -> None:
    """The socket is known from the first that it tells until it is closed."""

    def told(_: object) -> None:
        if socket.url not in known and not socket.is_closed():
            known.append(socket.url)

    def closed(_: object) -> None:
        if socket.url in known:
            known.remove(socket.url)

    socket.on("framereceived", told)
    socket.on("close", closed)


def part(visit: Visit, key: str) -> Locator:
    """The panel, or the part of one, with this title."""
    return visit.main.get_by_role("region", name=visit.say(key), exact=True)


async def test_a_printer_is_homed_heated_and_spoken_to_from_its_page(
    pair: Pair, visit: Opener
) -> None:
    ann = await visit(pair.farm, "operator", path=f"/printers/{pair.free}")
    move, heat = part(ann, "controls.move"), part(ann, "controls.heat")
    log = ann.main.get_by_role("log", name=ann.say("controls.console.log"))
    await ann.button("controls.home_all").click()
    home = ann.say("controls.home_all")
    await expect(move).to_contain_text(ann.say("controls.done", what=home, at="")[:-1])
    await expect(move).not_to_contain_text(ann.say("controls.not_homed"))
    await expect(log).to_contain_text("home")

    nozzle = ann.say("farm.heater_nozzle")
    target = heat.get_by_label(ann.say("controls.target_of", heater=nozzle))
    await target.fill("900")
    await target.press("Enter")  # more than it bears: the field keeps to the printer's limit
    await expect(heat.locator("[data-heater=tool0]")).to_contain_text("250")
    async with asyncio.timeout(SETTLED_S):
        while (await state(pair, pair.free))["temperatures"]["tool0"]["target"] != 250:
            await asyncio.sleep(0.05)

    await ann.field("controls.console.line").fill("M115")
    await ann.field("controls.console.line").press("Enter")
    await expect(log).to_contain_text(re.compile(r"M115"))
    await ann.field("controls.console.line").fill("M112")
    ann.expects(r"422 \(Unprocessable|409 \(Conflict\)")
    await ann.field("controls.console.line").press("Enter")
    await expect(part(ann, "printer.panel.console").get_by_role("alert")).to_be_visible()
    await examine(ann.page, "a printer that offers everything")


async def test_what_a_print_forbids_is_said_and_refused(pair: Pair, visit: Opener) -> None:
    ann = await visit(pair.farm, "operator", path=f"/printers/{pair.prints}")
    move = part(ann, "controls.move")
    await expect(move).to_contain_text(ann.say("controls.why.prints"))
    await expect(ann.button("controls.home_all")).to_be_disabled()
    ann.expects(r"409 \(Conflict\)")
    await ann.field("controls.console.line").fill("G28")
    await ann.field("controls.console.line").press("Enter")
    alert = part(ann, "printer.panel.console").get_by_role("alert")
    await expect(alert).to_contain_text(ann.say("ui.nothing_changed"))
    assert (await state(pair, pair.prints))["activity"] == "ours"


async def test_a_stop_takes_two_presses_and_a_viewer_has_none(pair: Pair, visit: Opener) -> None:
    looks = await visit(pair.farm, "viewer", path=f"/printers/{pair.free}")
    await expect(looks.main.get_by_role("log")).to_be_visible()
    await expect(looks.button("controls.stop")).to_have_count(0)
    await expect(looks.field("controls.console.line")).to_have_count(0)
    ann = await visit(pair.farm, "operator", path=f"/printers/{pair.free}")
    await ann.button("controls.stop").click()
    assert not [one for one in ann.changes if "emergency-stop" in one]
    await ann.button("controls.stop_again").click()
    await pair.farm.has(pair.free, "activity", "halted")
    await expect(part(ann, "controls.move")).to_contain_text(ann.say("controls.why.halted"))


async def test_a_panel_is_asked_for_only_while_its_page_is_open(pair: Pair, visit: Opener) -> None:
    ann = await visit(pair.farm, "viewer")
    open_: list[str] = []
    ann.page.on("websocket", lambda one: noted(one, open_))
    await ann.page.reload()
    await expect(ann.main.locator("article")).to_have_count(2)
    assert not [url for url in open_ if OF_A_PAGE in url]
    await ann.main.locator("article a").first.click()
    await expect(ann.main.get_by_role("log")).to_be_visible()
    async with asyncio.timeout(SETTLED_S):
        while len([url for url in open_ if OF_A_PAGE in url]) != 1:
            await asyncio.sleep(0.05)
    await ann.main.get_by_role("link", name=ann.say("farm.title")).click()
    await expect(ann.main.locator("article")).to_have_count(2)
    async with asyncio.timeout(SETTLED_S):
        while [url for url in open_ if OF_A_PAGE in url]:
            await asyncio.sleep(0.05)
