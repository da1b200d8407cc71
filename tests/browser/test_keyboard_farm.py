"""The farm without a pointer: many printers at once, and a printer's place on its floor."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Opener
from tests.browser.furnished import FREE, MADE, PLACES, PRINTS, Furnished
from tests.browser.pages import card, is_loaded, tab_to
from tests.browser.site import Farm

pytestmark = pytest.mark.asyncio(loop_scope="package")
STEP_MM, FINE_MM = 100, 10


async def test_printers_are_picked_told_and_let_go_by_keys(
    furnished: Furnished, visit: Opener
) -> None:
    ann = await visit(furnished.farm, "operator")
    ann.expects(r"409 \(Conflict\)")
    page, keys = ann.page, ann.page.keyboard
    for name in (PRINTS, FREE):
        await tab_to(page, ann.main.get_by_role("checkbox", name=ann.say("farm.pick", name=name)))
        await keys.press("Space")
    bar = ann.main.get_by_role("region", name=ann.say("farm.bulk"))
    await expect(bar).to_contain_text(ann.say("farm.picked", count=2))
    pause = bar.get_by_role("button", name=ann.say("farm.bulk_pause"), exact=True)
    await tab_to(page, pause)
    await keys.press("Enter")
    await expect(bar).to_contain_text(ann.say("farm.bulk_done_pause", done=1))
    await expect(bar).to_contain_text(ann.say("farm.bulk_refused", refused=1))
    await expect(bar.get_by_role("listitem").filter(has_text=FREE)).to_be_visible()
    await expect(pause).to_be_focused()
    await expect(card(ann, PRINTS)).to_contain_text(ann.say("state.paused"))

    resume = bar.get_by_role("button", name=ann.say("farm.bulk_resume"), exact=True)
    await tab_to(page, resume)
    await keys.press("Enter")
    await expect(card(ann, PRINTS)).to_contain_text(ann.say("state.printing"))
    await keys.press("Escape")
    await expect(ann.main.get_by_role("checkbox", checked=True)).to_have_count(0)


async def test_a_range_of_printers_is_picked_with_shift(
    furnished: Furnished, visit: Opener
) -> None:
    ann = await visit(furnished.farm, "operator")
    page, keys = ann.page, ann.page.keyboard
    await tab_to(page, ann.main.get_by_role("checkbox", name=ann.say("farm.pick", name=PRINTS)))
    await keys.press("Space")
    await tab_to(page, ann.main.get_by_role("checkbox", name=ann.say("farm.pick", name=MADE)))
    await keys.press("Shift+Space")
    bar = ann.main.get_by_role("region", name=ann.say("farm.bulk"))
    await expect(bar).to_contain_text(ann.say("farm.picked", count=3))


async def stands(farm: Farm, printer: str) -> tuple[float, float]:
    place = (await farm.api.call("GET", f"/printers/{printer}"))["floor_position"]
    return place["x"], place["y"]


async def test_a_printer_is_moved_on_its_floor_by_arrow_keys(
    furnished: Furnished, visit: Opener
) -> None:
    ann = await visit(furnished.farm, "admin", path="/?view=plan")
    page, keys = ann.page, ann.page.keyboard
    await is_loaded(ann)
    x, y = PLACES[FREE]
    await tab_to(page, ann.main.get_by_role("switch", name=ann.say("farm.arrange")))
    await keys.press("Space")
    plan = ann.main.get_by_role("list", name=ann.say("farm.plan_of", name="Workshop"))
    marker = plan.get_by_role("button", name=FREE)
    await tab_to(page, marker)
    await keys.press("ArrowRight")
    await keys.press("Shift+ArrowDown")
    moved = ann.say("farm.stands", x=x + STEP_MM, y=y + FINE_MM)
    await expect(marker).to_contain_text(moved)
    await keys.press("Escape")
    await expect(marker).to_contain_text(ann.say("farm.stands", x=x, y=y))
    assert await stands(furnished.farm, furnished.printers[FREE]) == (x, y)

    await keys.press("ArrowRight")
    await keys.press("Shift+ArrowDown")
    await keys.press("Enter")
    table = ann.main.get_by_role("row").filter(has_text=FREE)
    await expect(table).to_contain_text(ann.say("farm.mm", value=x + STEP_MM))
    assert await stands(furnished.farm, furnished.printers[FREE]) == (x + STEP_MM, y + FINE_MM)
    await expect(marker).to_be_focused()

    await keys.press("ArrowLeft")
    await keys.press("Shift+ArrowUp")
    await keys.press("Enter")
    await expect(table).to_contain_text(ann.say("farm.mm", value=x))
    assert await stands(furnished.farm, furnished.printers[FREE]) == (x, y)
