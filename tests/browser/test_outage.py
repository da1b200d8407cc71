"""The server away for a while: values stay, dimmed and with their age, and come back alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, expect

from buildplate_sim.launch import octoprints
from tests.browser.axe import examine
from tests.browser.chrome import NO_ANSWER, Visit
from tests.browser.conftest import Opener
from tests.browser.pages import card, is_live, is_lost, is_lost_for, moves
from tests.browser.site import Farm, set_up_farm

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.timeout(300)]
FACTOR = 4.0
AWAY_S = 30
# Silence for 10 s makes the page doubt, a question without an answer for 5 s makes it sure.
SURE_MS = 40_000
BACK_MS = 40_000
DIMMED = "xpath=ancestor::*[contains(@class, 'stale')]"


@dataclass
class Floor:
    """A farm of its own, with one printer that prints."""

    farm: Farm
    printer: str


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def floor(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Floor]:
    folder = tmp_path_factory.mktemp("outage")
    async with (
        octoprints(folder / "printers", time_factor=FACTOR) as simulator,
        set_up_farm(folder) as farm,
    ):
        name = simulator.printers[0]["name"]
        printer = (await farm.add_all(simulator.printers))[name]
        await farm.api.clear_bed(printer)
        await farm.print_for_all(FACTOR, "bracket.gcode", printer)
        yield Floor(farm, name)


async def watching(visit: Opener, floor: Floor) -> tuple[Visit, Locator]:
    ann = await visit(floor.farm, "operator")
    ann.expects(*NO_ANSWER)
    shown = card(ann, floor.printer)
    await expect(shown).to_contain_text(ann.say("state.printing"))
    await moves(shown)
    return ann, shown


async def is_old(ann: Visit, shown: Locator) -> None:
    """The card still says what it said, grey and with its age."""
    await expect(shown).to_contain_text(ann.say("state.printing"))
    await expect(shown.locator("dd").first).to_contain_text("°C")
    await expect(shown).to_contain_text(ann.pattern("ui.age"))
    await expect(shown.locator(DIMMED)).to_have_css("filter", "grayscale(1)")


async def is_fresh(ann: Visit, shown: Locator) -> None:
    await expect(shown).to_contain_text(ann.say("state.printing"), timeout=BACK_MS)
    await expect(shown).not_to_contain_text(ann.pattern("ui.age"))
    await expect(shown.locator(DIMMED)).to_have_count(0)
    await moves(shown)


async def test_half_a_minute_without_the_server_is_told_and_goes_by_without_a_hand(
    floor: Floor, visit: Opener
) -> None:
    ann, shown = await watching(visit, floor)
    await floor.farm.stop()
    try:
        await is_lost(ann, within_ms=SURE_MS)
        await is_old(ann, shown)
        told = ann.page.get_by_role("status").filter(has_text=ann.say("shell.said_lost"))
        await expect(told).to_have_count(1)
        await examine(ann.page, "the farm without a server")
        await is_lost_for(ann, AWAY_S)
        await is_old(ann, shown)
    finally:
        await floor.farm.start()
    await is_live(ann, within_ms=BACK_MS)
    await is_fresh(ann, shown)


async def test_a_server_that_hangs_is_noticed_and_its_return_too(
    floor: Floor, visit: Opener
) -> None:
    ann, shown = await watching(visit, floor)
    floor.farm.freeze()
    try:
        await is_lost(ann, within_ms=SURE_MS)
        await is_old(ann, shown)
    finally:
        floor.farm.thaw()
    await is_live(ann, within_ms=BACK_MS)
    await is_fresh(ann, shown)
