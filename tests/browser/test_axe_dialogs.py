"""axe on every open dialog, drawer and menu; keys open it, Escape closes it, focus returns."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.async_api import Locator, ViewportSize, expect

from tests.browser.axe import drawn, faults, on
from tests.browser.chrome import DESKTOP, PHONE, Visit
from tests.browser.conftest import Opener
from tests.browser.furnished import Furnished
from tests.browser.openings import OPENINGS, Opening
from tests.browser.pages import is_loaded

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.timeout(300)]
WEB = Path(__file__).parents[2] / "web" / "src"
KINDS = {
    "Dialog": "dialog",
    "Drawer": "dialog",
    "dialog": "dialog",
    "ConfirmDialog": "alertdialog",
    "Menu": "menu",
}
USED = re.compile(rf"<({'|'.join(KINDS)})[\s>]")
# The wall wants the whole screen, which a browser gives only to who has pressed something.
NO_GESTURE = "requestFullscreen"
INSIDE = "(one) => one.contains(document.activeElement)"
FOCUSED = "(one) => one === document.activeElement"
HAS_IT = "() => document.activeElement?.outerHTML.slice(0, 120) ?? ''"


def opened_in() -> set[tuple[str, str]]:
    """Every component outside of the kit that opens something, and what kind that is."""
    return {
        (path.relative_to(WEB).as_posix(), KINDS[name])
        for path in WEB.rglob("*.vue")
        if path.parent.name != "ui"
        for name in USED.findall(path.read_text("utf-8"))
    }


async def closes(ann: Visit, one: Opening, back: Locator | None) -> list[str]:
    """Escape closes it, and who opened it has the focus again; else what is wrong."""
    await ann.page.keyboard.press("Escape")
    if one.firm:
        await drawn(ann.page)
        await one.shown(ann).get_by_role("button", name=ann.say(one.firm)).press("Enter")
    await expect(one.shown(ann)).to_have_count(0)
    if back is None:
        return []
    try:
        await expect(back).to_be_focused(timeout=2_000)
    except AssertionError:
        return [f"{one.what}: the focus is at {await ann.page.evaluate(HAS_IT)!r}"]
    return []


async def looked_at(ann: Visit, one: Opening, names: dict[str, str]) -> list[str]:
    await one.prepare(ann)
    await ann.go(one.path.format(**names))
    if one.steps:
        await is_loaded(ann)
    back = await one.open(ann)
    shown = one.shown(ann)
    found = [] if await shown.evaluate(INSIDE) else [f"{one.what}: the focus stays outside"]
    found += await faults(ann.page, one.what)
    await expect(shown).to_be_visible()
    found += await closes(ann, one, back)
    await ann.page.unroute_all(behavior="ignoreErrors")
    return found


@pytest.mark.parametrize("screen", [DESKTOP, PHONE], ids=["desktop", "phone"])
async def test_what_opens_over_a_page_is_accessible_and_gives_the_focus_back(
    furnished: Furnished, visit: Opener, screen: ViewportSize
) -> None:
    ann = await visit(furnished.farm, "admin")
    ann.expects(r"409 \(Conflict\)", NO_GESTURE)
    await on(ann.page, screen)
    found = []
    for one in OPENINGS:
        try:
            found += await looked_at(ann, one, furnished.names)
        except AssertionError as error:
            found.append(f"{one.what}: {str(error).splitlines()[0]}")
    assert found == [], "\n".join(found)


async def test_nothing_that_opens_is_left_out() -> None:
    assert {(one.component, one.kind) for one in OPENINGS} == opened_in()
