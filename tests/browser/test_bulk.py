"""One order for twenty printers: most do it, three do not, and each of those says why."""

from __future__ import annotations

import pytest
from playwright.async_api import Locator, expect

from tests.browser.chrome import Visit
from tests.browser.conftest import Opener
from tests.browser.pages import card
from tests.browser.site import long_print
from tests.browser.workshop import HOUR, Workshop

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.timeout(300)]
GROUP = "hall"
NAMES = [f"hall-{number:02}" for number in range(1, 21)]
PAUSED_BY_HAND, ANOTHERS, SPEECHLESS = "hall-03", "hall-07", "hall-12"
REFUSE = (PAUSED_BY_HAND, ANOTHERS, SPEECHLESS)
# The hosts answer one after the other, six at a time.
ANSWERED_MS = 40_000


async def all_print(shop: Workshop) -> dict[str, str]:
    """Twenty printers that print, one of them not for us; their names at the simulator."""
    printers = await shop.take(GROUP, {name: {} for name in NAMES})
    ours = [one for one in printers.values() if one.name != ANOTHERS]
    await shop.print_on(ours, "hook")
    admin, at = shop.admin, {one.name: one.octoprint for one in printers.values()}
    await admin.do(at[ANOTHERS], "print", path="mine.gcode", gcode=long_print(minutes=HOUR))
    await admin.do(at[PAUSED_BY_HAND], "pause")
    await admin.rule(at[SPEECHLESS], "request", "error", command="pause")
    await shop.farm.has(printers[ANOTHERS].id, "activity", "foreign")
    await shop.farm.has(printers[PAUSED_BY_HAND].id, "activity", "paused")
    return at


async def pause_all(ann: Visit) -> Locator:
    """Pick every printer that is shown, and pause them; what the bar says of it."""
    await card(ann, NAMES[0]).get_by_role("checkbox").check()
    bar = ann.page.get_by_role("region", name=ann.say("farm.bulk"))
    await bar.get_by_role("button", name=ann.say("farm.pick_all", count=len(NAMES))).click()
    await expect(bar).to_contain_text(ann.say("farm.picked", count=len(NAMES)))
    await bar.get_by_role("button", name=ann.say("farm.bulk_pause"), exact=True).click()
    return bar


async def test_of_twenty_that_are_paused_three_refuse_and_each_says_why(
    shop: Workshop, visit: Opener
) -> None:
    at = await all_print(shop)
    ann = await visit(shop.farm, "operator", path=f"/?group={GROUP}")
    ann.expects(r"409 \(Conflict\) .*/pause")
    bar = await pause_all(ann)

    done = ann.say("farm.bulk_done_pause", done=len(NAMES) - len(REFUSE))
    summary = f"{done} {ann.say('farm.bulk_refused', refused=len(REFUSE))}"
    await expect(bar.get_by_text(summary)).to_be_visible(timeout=ANSWERED_MS)
    await expect(ann.page.get_by_role("status").filter(has_text=summary)).to_have_count(1)
    why = {
        PAUSED_BY_HAND: "is paused, so there is nothing to pause",
        ANOTHERS: ann.say("problem.no_active_print.detail"),
        SPEECHLESS: ann.say("problem.command_unknown.detail"),
    }
    for name, reason in why.items():
        said = bar.get_by_role("listitem").filter(has_text=name)
        await expect(said).to_contain_text(reason, ignore_case=True)
    was = ann.page.get_by_text(ann.say("farm.was_pause"), exact=True)
    done_by = bar.get_by_role("listitem").filter(has=was)
    await expect(done_by).to_have_count(len(NAMES) - len(REFUSE))

    for name in NAMES:
        state = "foreign" if name == ANOTHERS else "printing" if name == SPEECHLESS else "paused"
        await expect(card(ann, name)).to_contain_text(ann.say(f"state.{state}"))
    truth = {one["name"]: one["state"] for one in await shop.admin.printers()}
    paused = {name for name in NAMES if truth[at[name]] == "Paused"}
    assert paused == set(NAMES) - {ANOTHERS, SPEECHLESS}
