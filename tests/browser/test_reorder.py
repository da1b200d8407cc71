"""The order of the queue, changed by keys alone: said aloud, and kept by the server."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Locator, expect

from tests.browser.chrome import Visit
from tests.browser.conftest import Opener
from tests.browser.pages import act_by_keys, is_live, row, sign_in_by_keys, tab_to
from tests.browser.workshop import Workshop

pytestmark = pytest.mark.asyncio(loop_scope="package")
JOBS = ("Vase", "Hook", "Lamp")


async def stand(ann: Visit, *names: str) -> None:
    """Wait until the jobs stand in this order on the page."""
    rows = ann.main.get_by_role("article", name=re.compile(f"^({'|'.join(JOBS)})$"))
    await expect(rows).to_have_count(len(names))
    for place, name in enumerate(names):
        await expect(rows.nth(place)).to_have_accessible_name(name)


def handle(ann: Visit, name: str, place: int) -> Locator:
    """What a job is moved by; its name says where it is."""
    return ann.button("queue.move", name=name, place=place, count=len(JOBS))


async def is_said(ann: Visit, text: str) -> None:
    """Wait until a screen reader is told this."""
    await expect(ann.page.get_by_role("status").filter(has_text=text)).to_have_count(1)


async def test_a_job_goes_up_and_down_the_queue_by_keys_and_stays_there(
    shop: Workshop, visit: Opener
) -> None:
    jobs = await shop.wait_for_nothing(*JOBS, priority="low")
    ann = await visit(shop.farm)
    keys = ann.page.keyboard
    await ann.go("/queue")
    await sign_in_by_keys(ann, "operator")
    await is_live(ann)
    await stand(ann, "Vase", "Hook", "Lamp")

    await tab_to(ann.page, handle(ann, "Lamp", 3))
    await keys.press("ArrowUp")
    await is_said(ann, ann.say("queue.moved", name="Lamp", place=2, count=3))
    await stand(ann, "Vase", "Lamp", "Hook")
    await expect(handle(ann, "Lamp", 2)).to_be_focused()
    await keys.press("ArrowUp")
    await is_said(ann, ann.say("queue.moved", name="Lamp", place=1, count=3))
    await keys.press("ArrowUp")
    await is_said(ann, ann.say("queue.at_end", name="Lamp"))
    await stand(ann, "Lamp", "Vase", "Hook")

    await act_by_keys(ann, "Vase", "move_down")
    await is_said(ann, ann.say("queue.moved", name="Vase", place=3, count=3))
    await stand(ann, "Lamp", "Hook", "Vase")

    await ann.page.reload()
    await expect(row(ann, "Lamp")).to_be_visible()
    await stand(ann, "Lamp", "Hook", "Vase")
    queued = (await shop.farm.api.call("GET", "/queue"))["items"]
    order = [item["job_id"] for item in queued if item["priority"] == "low"]
    assert order == [jobs[name]["id"] for name in ("Lamp", "Hook", "Vase")]
