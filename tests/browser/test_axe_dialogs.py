"""axe on every open dialog, drawer and menu; keys open it, Escape closes it, focus returns."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from playwright.async_api import Locator, ViewportSize, expect

from tests.browser.axe import drawn, faults
from tests.browser.chrome import FINGER, NO_GESTURE, PHONE, POINTER, Visit
from tests.browser.conftest import Opener
from tests.browser.furnished import Furnished
from tests.browser.openings import OPENINGS, Opening
from tests.browser.pages import is_loaded
from tests.browser.reach import small, unreached, wider
from tests.browser.screens import SIZES

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.timeout(300)]
WEB = Path(__file__).parents[2] / "web" / "src"
KINDS = {
    "Dialog": "dialog",
    "Drawer": "dialog",
    "dialog": "dialog",
    "ConfirmDialog": "alertdialog",
    "Menu": "menu",
}
# What the kit's dialogs and menus are made of.
PARTS = re.compile(
    r"\b(Alert)?Dialog(Root|Content)\b|\b(Dropdown|Context)MenuRoot\b|\b(Popover|HoverCard)Root\b"
)
USED = re.compile(rf"<({'|'.join(KINDS)})[\s>]")
INSIDE = "(one) => one.contains(document.activeElement)"
FOCUSED = "(one) => one === document.activeElement"
HAS_IT = "() => document.activeElement?.outerHTML.slice(0, 120) ?? ''"


def components() -> dict[str, str]:
    """The components outside of the kit, and their text, by their paths."""
    return {
        path.relative_to(WEB).as_posix(): path.read_text("utf-8")
        for path in WEB.rglob("*.vue")
        if path.parent.name != "ui"
    }


def opened_in() -> Counter[tuple[str, str]]:
    """How often each of them opens something of each kind."""
    return Counter(
        (path, KINDS[name]) for path, text in components().items() for name in USED.findall(text)
    )


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


async def missed_in(ann: Visit, one: Opening) -> list[str]:
    """What Tab does not come to in a dialog (a menu has arrows), and what a finger misses."""
    shown = one.shown(ann)
    found = [] if one.kind == "menu" else await unreached(ann.page, shown)
    found += await small(shown, FINGER if ann.phone else POINTER)
    return found + await wider(ann.page)


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
    found += [f"{one.what}: {missed}" for missed in await missed_in(ann, one)]
    found += await closes(ann, one, back)
    await ann.page.unroute_all(behavior="ignoreErrors")
    return found


@SIZES
async def test_what_opens_over_a_page_is_accessible_and_gives_the_focus_back(
    furnished: Furnished, visit: Opener, screen: ViewportSize
) -> None:
    ann = await visit(furnished.farm, "admin", phone=screen == PHONE)
    ann.expects(r"409 \(Conflict\)", NO_GESTURE)
    found = []
    for one in OPENINGS:
        try:
            found += await looked_at(ann, one, furnished.names)
        except AssertionError as error:
            found.append(f"{one.what}: {str(error).splitlines()[0]}")
    assert found == [], "\n".join(found)


async def test_nothing_that_opens_is_left_out() -> None:
    listed: Counter[tuple[str, str]] = Counter()
    for one in OPENINGS:
        listed[one.component, one.kind] += one.uses
    assert listed == opened_in()


async def test_only_the_kit_makes_dialogs_and_menus_and_the_palette() -> None:
    makes = {path for path, text in components().items() if PARTS.search(text)}
    assert makes == {"app/palette/Palette.vue"}, "test_palette.py looks at that one"
