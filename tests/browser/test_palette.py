"""Finding and going by Ctrl-K, and single keys: not one click, only keys; axe on what they open."""

from __future__ import annotations

import pytest
from playwright.async_api import Locator, expect

from tests.browser.axe import examine
from tests.browser.chrome import Visit
from tests.browser.conftest import Opener
from tests.browser.pages import card, has_focus, is_loaded, tab_to
from tests.browser.site import Farm

pytestmark = pytest.mark.asyncio(loop_scope="package")
FREE = "octo-002"


def typed(ann: Visit) -> Locator:
    """The box of the palette."""
    return ann.page.get_by_role("combobox", name=ann.say("palette.label"))


async def seek(ann: Visit, text: str = "") -> None:
    """Open the palette by its keys, and type."""
    await ann.page.keyboard.press("Control+k")
    await expect(typed(ann)).to_be_focused()
    await ann.page.keyboard.type(text)


def found(ann: Visit, name: str) -> Locator:
    """What the palette found under this name."""
    return ann.page.get_by_role("option", name=name)


async def chosen(ann: Visit, name: str) -> None:
    """Wait until this is what Enter would take, for eyes and for screen readers."""
    await expect(found(ann, name).first).to_have_attribute("aria-selected", "true")
    points = await typed(ann).get_attribute("aria-activedescendant")
    assert points == await found(ann, name).first.get_attribute("id")


async def test_one_finds_and_goes_everywhere_by_keys(farm: Farm, visit: Opener) -> None:
    ann = await visit(farm, "operator")
    keys = ann.page.keyboard
    await expect(card(ann, FREE)).to_be_visible()

    await seek(ann)
    await expect(found(ann, ann.say("queue.new"))).to_be_visible()
    await examine(ann.page, "the palette")
    await keys.press("Escape")
    await expect(typed(ann)).to_have_count(0)

    await seek(ann, FREE)
    await chosen(ann, FREE)
    await examine(ann.page, "the palette with what it found")
    await keys.press("Enter")
    await expect(ann.main.get_by_role("heading", name=FREE, level=1)).to_be_visible()
    await expect(typed(ann)).to_have_count(0)
    assert await has_focus(ann.main), "a new page is read from its beginning"

    await seek(ann, "bracket")
    # the job, its file, and the printer that prints it
    await expect(found(ann, "bracket.gcode")).to_have_count(3)
    job = found(ann, "bracket.gcode").filter(has_text=ann.pattern("job.number"))
    for _ in range(3):
        if await job.get_attribute("aria-selected") != "true":
            await keys.press("ArrowDown")
    await keys.press("Enter")
    await expect(ann.main.get_by_role("heading", name="bracket.gcode", level=1)).to_be_visible()

    await seek(ann, ann.say("queue.farm.stop"))
    await chosen(ann, ann.say("queue.farm.stop"))
    await keys.press("Enter")
    dialog = ann.page.get_by_role("dialog", name=ann.say("queue.farm.stop_title"))
    await expect(dialog).to_be_visible()
    await keys.press("Escape")
    await expect(dialog).to_have_count(0)
    assert [one for one in ann.changes if "/queue" in one] == [], "it only asks"


async def test_the_keys_of_a_page_do_what_the_help_says_and_can_be_switched_off(
    farm: Farm, visit: Opener
) -> None:
    ann = await visit(farm, "operator")
    keys = ann.page.keyboard
    await expect(card(ann, FREE)).to_be_visible()
    help_ = ann.page.get_by_role("dialog", name=ann.say("keys.title"))

    await keys.press("j")
    await keys.press("j")
    slot = ann.main.locator("[data-printer]").filter(
        has=ann.page.get_by_role("article", name=FREE, exact=True)
    )
    assert await has_focus(slot)
    await keys.press("x")
    await expect(slot.get_by_role("checkbox")).to_be_checked()
    await keys.press("/")
    await expect(ann.field("farm.search")).to_be_focused()
    await keys.type("j?")
    await expect(ann.field("farm.search")).to_have_value("j?")
    await expect(help_).to_have_count(0)

    await keys.press("Tab")
    await keys.press("?")
    await expect(help_).to_be_visible()
    await expect(help_).to_contain_text(ann.say("keys.next_printer"))
    await examine(ann.page, "the help")
    await tab_to(ann.page, help_.get_by_role("switch"))
    await keys.press("Space")
    await keys.press("Escape")
    await expect(help_).to_have_count(0)
    await keys.press("g")
    await keys.press("q")
    await keys.press("?")
    await expect(ann.heading("farm.title")).to_be_visible()
    await expect(help_).to_have_count(0)

    await seek(ann, ann.say("settings.appearance.title"))
    await keys.press("ArrowDown")
    await keys.press("Escape")
    await ann.go("/settings/appearance")
    switch = ann.main.get_by_role("switch", name=ann.say("keys.switch"))
    await expect(switch).not_to_be_checked()
    await tab_to(ann.page, switch)
    await keys.press("Space")
    await keys.press("g")
    await keys.press("q")
    await expect(ann.heading("queue.title")).to_be_visible()
    await keys.press("n")
    await expect(ann.page.get_by_role("dialog", name=ann.say("queue.order.title"))).to_be_visible()
    await ann.page.go_back()
    await expect(ann.page.get_by_role("dialog")).to_have_count(0)


async def test_a_phone_finds_too_in_german_and_a_viewer_is_offered_no_action_of_others(
    farm: Farm, visit: Opener
) -> None:
    ann = await visit(farm, "viewer", language="de", phone=True)
    button = ann.page.get_by_role("button", name=ann.pattern("shell.search"))
    await tab_to(ann.page, button)
    await ann.page.keyboard.press("Enter")
    await expect(typed(ann)).to_be_focused()
    await expect(found(ann, ann.say("queue.title"))).to_be_visible()
    for key in ("queue.new", "queue.farm.stop", "palette.upload", "printer-add.title"):
        await expect(found(ann, ann.say(key))).to_have_count(0)
    await ann.page.keyboard.type(ann.say("state.offline"))
    await chosen(ann, "octo-003")
    await ann.page.keyboard.press("Enter")
    await expect(ann.main.get_by_role("heading", name="octo-003", level=1)).to_be_visible()
    await expect(ann.main).to_contain_text(ann.say("problem.connection_refused.detail"))


async def test_a_view_of_the_farm_is_its_address_and_comes_back(farm: Farm, visit: Opener) -> None:
    saved = "/?view=table&state=ready,printing&q=octo&density=compact&sort=-name"
    ann = await visit(farm, "viewer", path=saved)
    rows = ann.main.locator("[data-printer]")

    async def is_as_saved() -> None:
        await expect(rows).to_have_count(2)
        await expect(rows.first).to_contain_text("octo-002")
        await expect(ann.field("farm.search")).to_have_value("octo")
        await expect(ann.button("farm.compact")).to_have_attribute("aria-pressed", "true")

    await is_as_saved()
    await ann.page.reload()
    await is_as_saved()
    await rows.first.get_by_role("link").press("Enter")
    await expect(ann.main.get_by_role("heading", name="octo-002", level=1)).to_be_visible()
    await ann.page.go_back()
    await is_as_saved()


async def test_a_page_of_an_older_build_offers_to_load_anew(farm: Farm, visit: Opener) -> None:
    ann = await visit(farm, "viewer")
    await is_loaded(ann)
    ann.expects(r"404", r"Failed to fetch dynamically", r"error loading dynamically")
    await ann.page.route("**/assets/HistoryPage-*.js", lambda route: route.fulfill(status=404))
    await ann.page.keyboard.press("g")
    await ann.page.keyboard.press("h")
    reload = ann.button("ui.reload")
    await expect(reload).to_be_visible()
    await ann.page.unroute("**/assets/HistoryPage-*.js")
    await tab_to(ann.page, reload)
    await ann.page.keyboard.press("Enter")
    await is_loaded(ann)
