"""Whoever works by keys goes on beside the row that went."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Opener
from tests.browser.pages import act_by_keys, is_live, row, sign_in_by_keys, tab_to
from tests.browser.workshop import Workshop

pytestmark = pytest.mark.asyncio(loop_scope="package")
JOBS = ("Kettle", "Ladle", "Mug")


async def test_the_focus_goes_to_the_next_job_when_one_is_cancelled_by_keys(
    shop: Workshop, visit: Opener
) -> None:
    await shop.wait_for_nothing(*JOBS, priority="low")
    ann = await visit(shop.farm)
    await ann.go("/queue")
    await sign_in_by_keys(ann, "operator")
    await is_live(ann)
    for gone, left in (("Ladle", "Mug"), ("Mug", "Kettle")):
        await act_by_keys(ann, gone, "cancel")
        dialog = ann.page.get_by_role("alertdialog")
        await tab_to(ann.page, dialog.get_by_role("button", name=ann.say("queue.cancel")))
        await ann.page.keyboard.press("Enter")
        await expect(dialog).to_have_count(0)
        next_one = row(ann, left).get_by_role("link", name=left, exact=True)
        await expect(next_one).to_be_focused()
