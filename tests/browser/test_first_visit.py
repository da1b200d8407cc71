"""From the link that a fresh installation prints to a farm that is seen live."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.axe import examine
from tests.browser.chrome import Language
from tests.browser.conftest import Opener
from tests.browser.pages import card, is_live, moves, set_up
from tests.browser.reach import wider
from tests.browser.screens import READERS
from tests.browser.site import Farm, Site

pytestmark = pytest.mark.asyncio(loop_scope="package")


@READERS
async def test_the_printed_link_makes_the_administrator_and_leads_to_the_empty_farm(
    site: Site, visit: Opener, language: Language, phone: bool
) -> None:
    link = await site.set_up_link()
    ann = await visit(site, language=language, phone=phone)
    await ann.page.goto(link)
    await expect(ann.heading("set-up.title")).to_be_visible()
    await expect(ann.page.locator("html")).to_have_attribute("lang", language)
    await examine(ann.page, "set-up")
    await set_up(ann, "ann")
    await expect(ann.heading("farm.title")).to_be_visible()
    await expect(ann.main).to_contain_text(ann.say("farm.empty"))
    await is_live(ann)
    await examine(ann.page, "the empty farm")
    await expect(ann.button("shell.account", name="ann")).to_be_visible()
    await expect(ann.page).to_have_url(f"{site.url}/")

    bob = await visit(site, language=language, phone=phone)
    await bob.page.goto(link)
    await expect(bob.main).to_contain_text(bob.say("set-up.closed"))
    await examine(bob.page, "a set-up link that was used")


@READERS
async def test_the_farm_shows_its_printers_live(
    farm: Farm, visit: Opener, language: Language, phone: bool
) -> None:
    ann = await visit(farm, "operator", language=language, phone=phone)
    printing = card(ann, "octo-001")
    await expect(printing).to_contain_text(ann.say("state.printing"))
    await expect(printing).to_contain_text("bracket.gcode")
    await expect(card(ann, "octo-002")).to_contain_text(ann.say("state.ready"))
    await expect(card(ann, "octo-003")).to_contain_text(ann.say("state.offline"))
    await expect(card(ann, "octo-004")).to_contain_text(ann.say("state.auth_required"))
    await moves(printing)
    assert await wider(ann.page) == []
