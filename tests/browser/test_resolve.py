"""A print that nobody can tell the end of: the evidence is shown, and a person's word ends it."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Locator, expect

from tests.browser.chrome import Visit
from tests.browser.conftest import Opener
from tests.browser.pages import act_on, is_told, row, why_waiting
from tests.browser.workshop import Printer, Workshop

pytestmark = pytest.mark.asyncio(loop_scope="package")
NAMES = ("Oslo", "Paris", "Quito")
FILE = "riddle"
# Simulated seconds.
DOWN_S = 4.0
REFUSED = r"409 \(Conflict\) .*/resolve"


@dataclass(frozen=True)
class Riddle:
    """A printer whose host forgot the print, that print, and its job's name."""

    printer: Printer
    print_id: str
    job: str


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def riddles(open_workshop: Workshop) -> dict[str, Riddle]:
    """Three printers whose hosts were restarted in the middle of a print."""
    shop = open_workshop
    printers = await shop.take("riddles", {name: {} for name in NAMES})
    jobs = await shop.print_on(printers.values(), FILE, retries=0)

    async def forget(printer: Printer) -> Riddle:
        job = jobs[printer.name]
        await shop.admin.do(printer.octoprint, "restart", down_s=DOWN_S)
        print_ = await shop.farm.print_in(job["id"], "needs_attention")
        await shop.farm.has(printer.id, "link", "online")
        return Riddle(printer, print_["id"], job["name"])

    found = await asyncio.gather(*map(forget, printers.values()))
    return {one.printer.name: one for one in found}


async def asked(ann: Visit, riddle: Riddle) -> Locator:
    """Open the question by the list of what needs a person; it shows what is known."""
    needs = ann.main.locator("p").filter(has_text=riddle.printer.name)
    await needs.get_by_role("button", name=ann.say("reason.do.resolve_print")).click()
    dialog = ann.page.get_by_role("dialog", name=ann.say("queue.resolve.title"))
    known = dialog.get_by_role("listitem")
    await expect(known.filter(has_text=ann.pattern("queue.resolve.intent_at"))).to_have_count(1)
    await expect(known.filter(has_text=ann.pattern("queue.resolve.started_at"))).to_have_count(1)
    await expect(known.filter(has_text=ann.say("queue.resolve.no_ending"))).to_have_count(1)
    await expect(dialog).to_contain_text("does not say why")
    await expect(dialog).to_contain_text(riddle.job)
    await expect(dialog.get_by_role("button", name=ann.say("queue.resolve.send"))).to_be_disabled()
    return dialog


async def answer(ann: Visit, dialog: Locator, outcome: str, bed: str) -> None:
    """Say what was seen, and send it."""
    for key in (outcome, bed):
        word = re.compile("^" + re.escape(ann.say(f"queue.resolve.{key}")))
        await dialog.get_by_role("radio", name=word).check()
    await dialog.get_by_role("button", name=ann.say("queue.resolve.send")).click()


async def is_over(ann: Visit, dialog: Locator, riddle: Riddle, state: str) -> None:
    """The dialog goes by itself, the end is told, and the job has it."""
    await expect(dialog).to_have_count(0)
    await is_told(ann, "queue.resolve.ended", state=ann.say(f"queue.print_state.{state}"))
    await expect(row(ann, riddle.job)).to_contain_text(ann.say(f"queue.job_state.{state}"))


async def resolution(shop: Workshop, riddle: Riddle) -> dict[str, Any]:
    """What the server wrote down of a person's word."""
    found = await shop.farm.api.call("GET", f"/prints/{riddle.print_id}")
    return dict(found["resolution"])


async def test_a_print_that_failed_by_a_persons_word_can_be_tried_again(
    shop: Workshop, riddles: dict[str, Riddle], visit: Opener
) -> None:
    riddle = riddles["Oslo"]
    ann = await visit(shop.farm, "operator", path="/queue")
    dialog = await asked(ann, riddle)
    await expect(dialog).to_contain_text(ann.say("queue.resolve.run.none"))
    await answer(ann, dialog, "failed", "occupied")
    await is_over(ann, dialog, riddle, "failed")

    await act_on(ann, riddle.job, "retry")
    drawer = await why_waiting(ann, riddle.job)
    await expect(drawer).to_contain_text(ann.say("reason.code.bed_not_clear"))


async def test_a_print_that_was_finished_by_a_persons_word_completes_its_job(
    shop: Workshop, riddles: dict[str, Riddle], visit: Opener
) -> None:
    riddle = riddles["Paris"]
    ann = await visit(shop.farm, "operator", path="/queue")
    dialog = await asked(ann, riddle)
    await answer(ann, dialog, "completed", "clear")
    await is_over(ann, dialog, riddle, "completed")
    assert (await resolution(shop, riddle))["by"] == "user operator"
    await shop.farm.has(riddle.printer.id, "bed", "clear")


async def test_a_word_that_cannot_be_checked_is_only_taken_as_an_override(
    shop: Workshop, riddles: dict[str, Riddle], visit: Opener
) -> None:
    riddle = riddles["Quito"]
    await shop.admin.do(riddle.printer.octoprint, "deafen")
    await shop.farm.has(riddle.printer.id, "link", "offline")
    ann = await visit(shop.farm, "operator", path="/queue")
    ann.expects(REFUSED)
    dialog = await asked(ann, riddle)
    await expect(dialog).to_contain_text(ann.say("queue.resolve.unreachable"))
    await answer(ann, dialog, "failed", "occupied")
    await expect(dialog.get_by_role("alert")).to_contain_text("the word can't be checked")
    override = re.compile("^" + re.escape(ann.say("queue.resolve.override")))
    await dialog.get_by_role("checkbox", name=override).check()
    await dialog.get_by_role("button", name=ann.say("queue.resolve.send")).click()
    await is_over(ann, dialog, riddle, "failed")
    assert (await resolution(shop, riddle))["override"] is True
