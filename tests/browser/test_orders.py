"""Orders from the pages: a file three times, a job changed, held, repeated, cancelled, noted."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Opener
from tests.browser.pages import act_on, row
from tests.browser.site import long_print
from tests.browser.workshop import HOUR, Workshop

pytestmark = pytest.mark.asyncio(loop_scope="package")
DUE = "2031-05-01T10:00"


async def test_a_file_is_sent_and_ordered_three_times_for_one_printer(
    shop: Workshop, visit: Opener, tmp_path: Path
) -> None:
    await shop.take("workbench", {"Saw": {}})
    name = "Coaster.gcode"
    # Of its own length: the same content twice would be one file, under its first name.
    (tmp_path / name).write_text(long_print(minutes=HOUR + 1))
    ann = await visit(shop.farm, "operator", path="/files")
    await ann.main.get_by_label(ann.say("files.choose")).set_input_files(tmp_path / name)
    await ann.button("files.print_named", name=name).click()

    dialog = ann.page.get_by_role("dialog", name=ann.say("files.print_title"))
    await dialog.get_by_label(ann.say("files.copies")).fill("3")
    await dialog.get_by_label(ann.say("files.printer"), exact=True).select_option(label="Saw")
    await dialog.get_by_role("button", name=ann.say("files.order")).click()
    await expect(dialog).to_have_count(0)
    told = ann.page.get_by_role("region", name=ann.say("ui.notices"))
    await expect(told).to_contain_text(ann.pattern("files.ordered"))

    await ann.page.get_by_role("link", name=ann.say("queue.title")).click()
    why = ann.button("queue.why")
    waits, made = row(ann, name).filter(has=why), row(ann, name).filter(has_not=why)
    await expect(waits).to_contain_text(ann.say("queue.waiting_copies", count=2))
    await expect(made).to_contain_text(ann.say("queue.on", printer="Saw"))
    await expect(made).to_contain_text(ann.say("queue.copy", copy=1, copies=3))


async def test_what_is_being_changed_stays_when_its_job_leaves_the_queue(
    shop: Workshop, visit: Opener
) -> None:
    job = (await shop.wait_for_nothing("Peg"))["Peg"]
    ann = await visit(shop.farm, "operator", path="/queue")
    await act_on(ann, "Peg", "edit")
    dialog = ann.page.get_by_role("dialog", name=ann.say("queue.order.edit_title", name="Peg"))
    await dialog.get_by_label(ann.say("queue.order.customer")).fill("Typed already")
    # By selectors: what stands behind a dialog has no roles.
    why = ann.page.locator("[data-act=why]")
    waiting = ann.page.locator("main article").filter(has_text="Peg").filter(has=why)
    await expect(waiting).to_have_count(1)
    await shop.farm.api.call("POST", f"/jobs/{job['id']}/cancel")
    await expect(waiting).to_have_count(0)
    await expect(dialog.get_by_label(ann.say("queue.order.customer"))).to_have_value(
        "Typed already"
    )
    ann.expects(r"412 \(Precondition Failed\)")
    await dialog.get_by_role("button", name=ann.say("queue.order.save")).click()
    await expect(dialog.get_by_role("alert")).to_be_visible()


async def test_a_job_is_changed_held_released_repeated_and_cancelled(
    shop: Workshop, visit: Opener
) -> None:
    job = (await shop.wait_for_nothing("Clip"))["Clip"]
    ann = await visit(shop.farm, "operator", path="/queue")
    clip = row(ann, "Clip")

    await act_on(ann, "Clip", "edit")
    dialog = ann.page.get_by_role("dialog", name=ann.say("queue.order.edit_title", name="Clip"))
    await dialog.get_by_label(ann.say("queue.order.copies")).fill("4")
    await dialog.get_by_label(ann.say("queue.order.due")).fill(DUE)
    await dialog.get_by_role("button", name=ann.say("queue.order.save")).click()
    await expect(dialog).to_have_count(0)
    await expect(clip).to_contain_text(ann.say("queue.copies", finished=0, copies=4))
    await expect(clip).to_contain_text(ann.pattern("queue.due.due"))
    stored = await shop.farm.api.call("GET", f"/jobs/{job['id']}")
    due = datetime.fromisoformat(stored["due"]).timestamp() * 1000
    assert due == await ann.page.evaluate("(local) => new Date(local).getTime()", DUE)

    await act_on(ann, "Clip", "hold")
    await expect(clip).to_contain_text(ann.say("queue.held"))
    await act_on(ann, "Clip", "release")
    await expect(clip).not_to_contain_text(ann.say("queue.held"))

    await act_on(ann, "Clip", "duplicate")
    await expect(clip).to_have_count(2)
    told = ann.page.get_by_role("region", name=ann.say("ui.notices"))
    await told.get_by_role("button", name=ann.say("queue.duplicated_open")).click()
    await expect(ann.page).to_have_url(re.compile("/jobs/"))
    await ann.button("queue.actions", name="Clip").click()
    await ann.page.get_by_role("menuitem", name=ann.say("queue.cancel")).click()
    asked = ann.page.get_by_role("alertdialog", name=ann.say("queue.cancel_title", name="Clip"))
    await asked.get_by_role("button", name=ann.say("queue.cancel")).click()
    await expect(ann.main).to_contain_text(ann.say("queue.job_state.cancelled"))
    await ann.main.get_by_role("link", name=ann.say("job.back")).click()
    await expect(clip.filter(has=ann.button("queue.why"))).to_have_count(1)
    await expect(clip).to_contain_text([ann.say("queue.job_state.cancelled")])


async def test_a_note_to_an_ended_print_stays_and_goes_into_the_spreadsheet(
    shop: Workshop, visit: Opener
) -> None:
    job = (await shop.wait_for_nothing("Badge"))["Badge"]
    await shop.farm.api.call("POST", f"/jobs/{job['id']}/cancel")
    ann = await visit(shop.farm, "operator", path="/history?text=Badge")
    await ann.main.get_by_role("button", name=ann.pattern("history.open")).click()
    dialog = ann.page.get_by_role("dialog")
    note = "The customer wants it in blue"
    await dialog.get_by_label(ann.say("history.new_note")).fill(note)
    await dialog.get_by_role("button", name=ann.say("history.add_note")).click()
    await expect(dialog.get_by_role("listitem")).to_contain_text([note])

    await ann.page.reload()
    await ann.main.get_by_role("button", name=ann.pattern("history.open")).click()
    await expect(dialog.get_by_role("listitem").filter(has_text=note)).to_contain_text("operator")
    await ann.page.keyboard.press("Escape")
    async with ann.page.expect_download() as coming:
        await ann.main.get_by_role("link", name=ann.say("history.csv")).click()
    lines = lines_of(await (await coming.value).path())
    assert [line for line in lines if "Badge" in line and note in line]


def lines_of(path: Path) -> list[str]:
    """The lines of a spreadsheet."""
    return path.read_text("utf-8-sig").splitlines()
