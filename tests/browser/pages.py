"""What people do on the pages, and how they find it there: by role, name and label."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.chrome import PATIENCE_MS, Visit
from tests.browser.site import PASSWORD

TABS_MOST = 60


# --- the way in and out --------------------------------------------------------------------------


async def sign_in(visit: Visit, name: str, password: str = PASSWORD) -> None:
    """Fill in the form that is on the screen, and send it."""
    await visit.field("sign-in.name").fill(name)
    await visit.field("sign-in.password").fill(password)
    await visit.field("sign-in.password").press("Enter")


async def sign_in_by_keys(visit: Visit, name: str, password: str = PASSWORD) -> None:
    """The same without a pointer: the name has the focus already."""
    await expect(visit.field("sign-in.name")).to_be_focused()
    await visit.page.keyboard.type(name)
    await visit.page.keyboard.press("Tab")
    await visit.page.keyboard.type(password)
    await visit.page.keyboard.press("Enter")


async def set_up(visit: Visit, name: str) -> None:
    """Become the administrator by the form that the printed link leads to."""
    await visit.field("sign-in.name").fill(name)
    await visit.field("sign-in.password").fill(PASSWORD)
    await visit.button("set-up.do").click()


async def sign_out(visit: Visit, name: str) -> None:
    """Leave by one's own menu."""
    await visit.button("shell.account", name=name).click()
    await visit.page.get_by_role("menuitem", name=visit.say("shell.sign_out")).click()


def navigation(visit: Visit) -> Locator:
    """The links to the pages."""
    return visit.page.get_by_role("navigation", name=visit.say("shell.pages"))


async def page_links(visit: Visit) -> list[str]:
    """The addresses that the navigation leads this person to."""
    await expect(navigation(visit)).to_be_visible()
    links = await navigation(visit).get_by_role("link").all()
    return [str(await link.get_attribute("href")) for link in links]


async def is_loaded(visit: Visit) -> None:
    """Wait until the page has its heading, and nothing of it is still being loaded."""
    await expect(visit.main.get_by_role("heading", level=1)).to_be_visible()
    await expect(visit.main.locator("[aria-busy=true]")).to_have_count(0)


async def is_told(visit: Visit, key: str, **parameters: object) -> None:
    """Wait for a notice."""
    notices = visit.page.get_by_role("region", name=visit.say("ui.notices"))
    await expect(notices).to_contain_text(visit.say(key, **parameters))


# --- the farm ------------------------------------------------------------------------------------


def card(visit: Visit, printer: str) -> Locator:
    """The card of this printer."""
    return visit.main.get_by_role("article", name=printer, exact=True)


async def is_live(visit: Visit, *, within_ms: float = PATIENCE_MS) -> None:
    """Wait until the header says that what is shown is live."""
    live = visit.page.get_by_role("banner").get_by_text(visit.say("shell.live"), exact=True)
    await expect(live).to_be_visible(timeout=within_ms)


async def is_lost(visit: Visit, *, within_ms: float) -> None:
    """Wait until the header says for how long nothing was heard."""
    lost = visit.page.get_by_role("banner").get_by_text(visit.pattern("shell.lost"))
    await expect(lost).to_be_visible(timeout=within_ms)


async def is_lost_for(visit: Visit, seconds: int) -> None:
    """Wait until the header says that nothing was heard for so long, which is under a minute."""
    told = [visit.say("ui.age_seconds", value=value) for value in range(seconds, 60)]
    ages = "|".join([*told, visit.say("ui.age_minutes", value=1)])
    said = visit.pattern("shell.lost").pattern.replace(".+", f"({ages})")
    lost = visit.page.get_by_role("banner").get_by_text(re.compile(said))
    await expect(lost).to_be_visible(timeout=(seconds + 1) * 1000)


MOVES_MS = 60_000
"""A print holds each temperature for a while; on a busy machine it takes its time."""


async def moves(card: Locator) -> None:
    """Wait until the nozzle's temperature on the card is another than now."""
    nozzle = card.locator("dd").first
    await expect(nozzle).to_have_text(re.compile(r"\d"))
    now = await nozzle.inner_text()
    await expect(nozzle).not_to_have_text(now, use_inner_text=True, timeout=MOVES_MS)


# --- by keyboard ---------------------------------------------------------------------------------


async def tab_to(page: Page, wanted: Locator) -> None:
    """Press Tab until the wanted thing has the focus, as somebody without a pointer does."""
    passed = []
    for _ in range(TABS_MOST):
        await page.keyboard.press("Tab")
        if await has_focus(wanted):
            return
        passed.append(await page.evaluate("document.activeElement?.outerHTML.slice(0, 80) ?? ''"))
    pytest.fail("Tab never comes to it, but to:\n" + "\n".join(passed))


async def arrow_to(page: Page, wanted: Locator) -> None:
    """Press the arrow until the wanted entry of the open menu has the focus."""
    await expect(wanted).to_be_visible()
    for _ in range(TABS_MOST):
        if await has_focus(wanted):
            return
        await page.keyboard.press("ArrowDown")
    pytest.fail(f"the arrow never comes to {wanted}")


async def has_focus(wanted: Locator) -> bool:
    """Whether it is this that keys go to, and whether that can be seen."""
    return bool(await wanted.evaluate("(one) => one === document.activeElement"))


# --- the queue -----------------------------------------------------------------------------------


def row(visit: Visit, job: str) -> Locator:
    """What the page shows of a job: it waits, is being made, or has ended lately."""
    return visit.main.get_by_role("article", name=job, exact=True)


async def why_waiting(visit: Visit, job: str) -> Locator:
    """Ask of a job that waits why it does; the drawer that answers."""
    await row(visit, job).get_by_role("button", name=visit.say("queue.why"), exact=True).click()
    drawer = visit.page.get_by_role("dialog", name=visit.say("queue.why_of", name=job))
    await expect(drawer).to_be_visible()
    return drawer


async def act_on(visit: Visit, job: str, action: str) -> None:
    """Choose an action from the menu of a job; `action` is its key."""
    await row(visit, job).get_by_role("button", name=visit.say("queue.actions", name=job)).click()
    await visit.page.get_by_role("menuitem", name=visit.say(f"queue.{action}"), exact=True).click()


async def act_by_keys(visit: Visit, job: str, action: str) -> None:
    """The same without a pointer."""
    page = visit.page
    menu = row(visit, job).get_by_role("button", name=visit.say("queue.actions", name=job))
    await tab_to(page, menu)
    await page.keyboard.press("Enter")
    entry = page.get_by_role("menuitem", name=visit.say(f"queue.{action}"), exact=True)
    await arrow_to(page, entry)
    await page.keyboard.press("Enter")
