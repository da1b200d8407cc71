"""What a pointer does: drops a file on a card, drags a printer on its floor, a job in the queue."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.async_api import JSHandle, Locator, Page, expect

from tests.browser.chrome import Visit
from tests.browser.conftest import Opener
from tests.browser.furnished import FLOOR, FREE, PLACES, Furnished
from tests.browser.pages import card, is_loaded, row
from tests.browser.site import long_print
from tests.browser.workshop import HOUR, Workshop

pytestmark = pytest.mark.asyncio(loop_scope="package")
STEPS = 8
TAKEN = """([name, text]) => {
  const taken = new DataTransfer();
  taken.items.add(new File([text], name));
  return taken;
}"""
JOBS = ("Bowl", "Cup", "Dish")


async def middle(of: Locator) -> tuple[float, float]:
    """The middle of what is on the screen."""
    await of.scroll_into_view_if_needed()
    box = await of.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


async def grasp(page: Page, what: Locator) -> None:
    """Take it by its middle."""
    await page.mouse.move(*await middle(what))
    await page.mouse.down()


# --- a file on a card ----------------------------------------------------------------------------


async def hold_over(ann: Visit, printer: str, name: str, minutes: float) -> JSHandle:
    """Drag a file over the card of a printer; the file."""
    taken = await ann.page.evaluate_handle(TAKEN, [name, long_print(minutes=minutes)])
    await (
        card(ann, printer)
        .get_by_role("heading")
        .dispatch_event("dragover", {"dataTransfer": taken})
    )
    return taken


async def let_go(ann: Visit, printer: str, taken: JSHandle) -> None:
    heading = card(ann, printer).get_by_role("heading")
    await heading.dispatch_event("drop", {"dataTransfer": taken})


async def test_a_file_that_is_dropped_on_a_card_is_printed_there(
    shop: Workshop, visit: Opener
) -> None:
    printers = await shop.take("dropped", {"Xylo": {}, "Yard": {}})
    ann = await visit(shop.farm, "operator", path="/?group=dropped")
    taken = await hold_over(ann, "Yard", "dropped.gcode", HOUR + 2)
    await expect(card(ann, "Yard")).to_have_class(re.compile(r"\bring-2\b"))
    await expect(card(ann, "Xylo")).not_to_have_class(re.compile(r"\bring-2\b"))
    await let_go(ann, "Yard", taken)
    tray = ann.page.get_by_role("region", name=ann.say("farm.uploads"))
    await expect(tray).to_contain_text(ann.pattern("farm.upload_ordered"))
    await expect(card(ann, "Yard")).not_to_have_class(re.compile(r"\bring-2\b"))
    await expect(card(ann, "Yard")).to_contain_text("dropped.gcode")
    await expect(card(ann, "Yard")).to_contain_text(ann.say("state.printing"))
    jobs = (await shop.farm.api.call("GET", "/jobs?limit=1000"))["items"]
    asked = [job["requirements"]["printers"] for job in jobs if job["name"] == "dropped.gcode"]
    assert asked == [[printers["Yard"].id]]


async def test_what_a_viewer_drops_on_a_card_goes_nowhere(shop: Workshop, visit: Opener) -> None:
    await shop.take("dropped in vain", {"Zinc": {}})
    ann = await visit(shop.farm, "viewer", path="/?group=dropped+in+vain")
    taken = await hold_over(ann, "Zinc", "vain.gcode", 1)
    await expect(card(ann, "Zinc")).not_to_have_class(re.compile(r"\bring-2\b"))
    before = list(ann.changes)
    await let_go(ann, "Zinc", taken)
    await ann.page.wait_for_timeout(500)
    assert ann.changes == before


# --- a printer on its floor ----------------------------------------------------------------------


async def stands(furnished: Furnished) -> dict[str, Any]:
    """Where the free printer stands by the server's word."""
    printer = furnished.printers[FREE]
    described = await furnished.farm.api.call("GET", f"/printers/{printer}")
    return dict(described["floor_position"])


async def on_plan(plan: Locator, x: float, y: float) -> tuple[float, float]:
    """Where on the screen this place of the floor is, in mm."""
    box = await plan.bounding_box()
    assert box is not None
    return (
        box["x"] + box["width"] * x / float(str(FLOOR["width_mm"])),
        box["y"] + box["height"] * y / float(str(FLOOR["depth_mm"])),
    )


async def test_a_printer_is_dragged_to_its_place_on_the_floor(
    furnished: Furnished, visit: Opener
) -> None:
    ann = await visit(furnished.farm, "admin", path="/?view=plan")
    await is_loaded(ann)
    plan = ann.main.get_by_role("list", name=ann.say("farm.plan_of", name="Workshop"))
    await ann.main.get_by_role("switch", name=ann.say("farm.arrange")).click()
    await expect(ann.main.get_by_text(ann.say("farm.arrange_help"))).to_be_visible()
    marker = plan.get_by_role("button", name=FREE)
    x, y = PLACES[FREE]
    to = (x + 700, y + 1200)
    try:
        await grasp(ann.page, marker)
        await ann.page.mouse.move(*await on_plan(plan, *to), steps=STEPS)
        await expect(marker).to_contain_text(ann.say("farm.stands", x=to[0], y=to[1]))
        assert (await stands(furnished))["x"] == x, "stored before it was let go"
        await ann.page.mouse.up()
        table = ann.main.get_by_role("row").filter(has_text=FREE)
        await expect(table).to_contain_text(ann.say("farm.mm", value=to[0]))
        found = await stands(furnished)
        assert (found["x"], found["y"]) == to
        await ann.page.reload()
        await expect(table).to_contain_text(ann.say("farm.mm", value=to[1]))
    finally:
        place = {"floor_position": {"floor": furnished.floor, "x": x, "y": y}}
        await furnished.farm.api.call("PATCH", f"/printers/{furnished.printers[FREE]}", place)


# --- a job in the queue --------------------------------------------------------------------------


async def stand(ann: Visit, *names: str) -> None:
    """Wait until the jobs stand in this order on the page."""
    rows = ann.main.get_by_role("article", name=re.compile(f"^({'|'.join(JOBS)})$"))
    await expect(rows).to_have_count(len(names))
    for place, name in enumerate(names):
        await expect(rows.nth(place)).to_have_accessible_name(name)


async def test_a_job_is_dragged_to_its_place_in_the_queue_and_escape_lets_it_stay(
    shop: Workshop, visit: Opener
) -> None:
    jobs = await shop.wait_for_nothing(*JOBS, priority="low")
    ann = await visit(shop.farm, "operator", path="/queue")
    await stand(ann, *JOBS)
    handle = ann.button("queue.move", name="Dish", place=3, count=3)
    await grasp(ann.page, handle)
    await ann.page.mouse.move(*await middle(row(ann, "Bowl")), steps=STEPS)
    await ann.page.keyboard.press("Escape")
    await ann.page.mouse.up()
    await ann.page.wait_for_timeout(300)
    await stand(ann, *JOBS)

    await grasp(ann.page, handle)
    await ann.page.mouse.move(*await middle(row(ann, "Bowl")), steps=STEPS)
    await ann.page.mouse.up()
    await stand(ann, "Dish", "Bowl", "Cup")
    queued = (await shop.farm.api.call("GET", "/queue"))["items"]
    order = [item["job_id"] for item in queued if item["priority"] == "low"]
    assert order == [jobs[name]["id"] for name in ("Dish", "Bowl", "Cup")]
