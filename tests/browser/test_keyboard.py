"""Everything of the shell without a pointer: not one click, only keys."""

from __future__ import annotations

import pytest
from playwright.async_api import Locator, expect

from tests.browser.chrome import Visit
from tests.browser.conftest import Opener
from tests.browser.pages import (
    arrow_to,
    has_focus,
    is_live,
    navigation,
    sign_in_by_keys,
    tab_to,
)
from tests.browser.site import Farm

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def choose(ann: Visit, menu: Locator, entry: str) -> None:
    """Choose an entry of a menu."""
    await tab_to(ann.page, menu)
    await ann.page.keyboard.press("Enter")
    await arrow_to(ann.page, ann.page.get_by_role("menuitem", name=entry))
    await ann.page.keyboard.press("Enter")


async def test_one_signs_in_looks_around_changes_theme_and_language_and_leaves_by_keys(
    farm: Farm, visit: Opener
) -> None:
    ann = await visit(farm)
    page, keys = ann.page, ann.page.keyboard
    await ann.go("/nowhere")
    await sign_in_by_keys(ann, "operator")
    await is_live(ann)

    skip = page.get_by_role("link", name=ann.say("shell.to_content"))
    await page.evaluate("document.activeElement.blur()")
    await tab_to(page, skip)
    await expect(skip).to_be_in_viewport()
    await keys.press("Enter")
    await tab_to(page, ann.main.get_by_role("link", name=ann.say("farm.title")))

    await page.evaluate("document.activeElement.blur()")
    to_farm = navigation(ann).get_by_role("link", name=ann.say("farm.title"))
    await tab_to(page, to_farm)
    outline = await to_farm.evaluate("(one) => getComputedStyle(one).outlineStyle")
    assert outline != "none", "the focus is not seen"
    await keys.press("Enter")
    await expect(ann.heading("farm.title")).to_be_visible()
    assert await has_focus(ann.main), "a new page is read from its beginning"

    for theme in ("dark", "light"):
        await page.evaluate("document.activeElement.blur()")
        await tab_to(page, ann.button("shell.theme"))
        await keys.press("Enter")
        await arrow_to(page, page.get_by_role("menuitem", name=ann.say(f"shell.theme_{theme}")))
        await keys.press("Enter")
        await expect(page.locator("html")).to_have_attribute("data-theme", theme)

    await expect(ann.button("shell.theme")).to_be_focused()
    await tab_to(page, ann.button("shell.account", name="operator"))
    await keys.press("Enter")
    await arrow_to(page, page.get_by_role("menuitem", name="Deutsch"))
    await keys.press("Enter")
    await expect(page.locator("html")).to_have_attribute("lang", "de")
    ann.language = "de"
    await expect(ann.heading("farm.title")).to_be_visible()

    await expect(ann.button("shell.account", name="operator")).to_be_focused()
    await keys.press("Enter")
    await arrow_to(page, page.get_by_role("menuitem", name=ann.say("shell.sign_out")))
    await keys.press("Enter")
    await expect(ann.heading("sign-in.title")).to_be_visible()
    await expect(ann.field("sign-in.name")).to_be_focused()


async def test_a_menu_closes_with_escape_and_gives_the_focus_back(
    farm: Farm, visit: Opener
) -> None:
    ann = await visit(farm, "viewer")
    await tab_to(ann.page, ann.button("shell.theme"))
    await ann.page.keyboard.press("Enter")
    await expect(ann.page.get_by_role("menu")).to_be_visible()
    await ann.page.keyboard.press("Escape")
    await expect(ann.page.get_by_role("menu")).to_have_count(0)
    await expect(ann.button("shell.theme")).to_be_focused()


async def test_theme_and_language_are_remembered_in_this_browser(farm: Farm, visit: Opener) -> None:
    ann = await visit(farm, "viewer")
    await choose(ann, ann.button("shell.theme"), ann.say("shell.theme_dark"))
    await choose(ann, ann.button("shell.account", name="viewer"), "Deutsch")
    await expect(ann.page.locator("html")).to_have_attribute("lang", "de")
    await ann.page.reload()
    ann.language = "de"
    await expect(ann.heading("farm.title")).to_be_visible()
    await expect(ann.page.locator("html")).to_have_attribute("data-theme", "dark")
