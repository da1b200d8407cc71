"""What a viewer must not find on each page, and a way to press everything that there is."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from playwright.async_api import Locator

from tests.browser.axe import drawn
from tests.browser.chrome import Visit
from tests.browser.pages import is_loaded

# Page -> the keys of the names of its controls that change the farm. The test sees to it that an
# administrator has each of them, so that none is listed under a name that it no longer has.
FORBIDDEN: dict[str, tuple[str, ...]] = {
    "/": (
        "printer-add.title",
        "farm.act_pause",
        "farm.act_print",
        "farm.cancel_of",
        "farm.pick",
    ),
    "/queue": ("queue.new", "queue.farm.stop", "queue.move", "queue.actions"),
    "/files": ("files.choose", "files.print_named", "files.more_named"),
    "/history": (),
    "/settings": (),
}
# The same of what the navigation does not lead to at once; in braces stand ids.
BEYOND: dict[str, tuple[str, ...]] = {
    "/printers/{printer_id}": (
        "printer.pause",
        "printer.cancel",
        "printer.change",
        "printer.maintenance_begin",
        "printer.disable",
        "printer.edit",
        "printer.retire",
    ),
    "/jobs/{job_id}": ("queue.actions",),
    "/settings/printers": ("settings.printers.add",),
    "/settings/places": (
        "settings.places.add_group",
        "settings.places.add_floor",
        "settings.places.change",
        "settings.places.remove",
    ),
    "/settings/account": (),
    "/settings/about": (),
}
# Pages that lead a viewer back to the farm.
CLOSED = (
    "/printers/add",
    "/settings/users",
    "/settings/keys",
    "/settings/backups",
    "/settings/audit",
)
# What a viewer may send although it changes something: all of it is their own.
THEIR_OWN = re.compile(r"/(setup|auth/\w+|me/\w+(/\{\w+\})?|live/ticket)$")
PRESSED = "button, [role=button], [role=switch], [role=checkbox], [role=menuitem], summary"
NAMES = "(all) => all.map((one) => one.ariaLabel || one.innerText.trim())"
PRESSED_MOST = 40
PRESS_MS = 2_000


async def offered(visit: Visit, keys: tuple[str, ...]) -> set[str]:
    """Those of the keys whose control is on the page, enabled or not."""
    return {key for key in keys if await control(visit, key).count()}


def control(visit: Visit, key: str) -> Locator:
    """The controls of this name, of whatever kind, in the content or in a dialog."""
    name = re.compile(rf"^\s*(?:{visit.pattern(key).pattern})\s*$")
    main = visit.main.or_(visit.page.get_by_role("dialog"))
    return (
        main.get_by_role("button", name=name)
        .or_(main.get_by_role("link", name=name))
        .or_(main.get_by_role("switch", name=name))
        .or_(main.get_by_role("menuitem", name=name))
        .or_(main.get_by_label(name))
    )


async def controls(visit: Visit) -> dict[str, Locator]:
    """What can be pressed in the page's content, the first of each name."""
    found = visit.main.locator(PRESSED)
    names = await found.evaluate_all(NAMES)
    return {name: found.nth(names.index(name)) for name in names}


async def press_everything(visit: Visit, path: str) -> list[str]:
    """Press one control of each name on the page, and close with Escape what opens; the names.

    What a control brings to light is not pressed: dialogs ask before they do anything.
    """
    await visit.go(path)
    await is_loaded(visit)
    pressed = []
    for name in list(await controls(visit))[:PRESSED_MOST]:
        control = (await controls(visit)).get(name)
        if control is None or not (await control.is_visible() and await control.is_enabled()):
            continue
        pressed.append(name)
        await control.click(timeout=PRESS_MS)
        await drawn(visit.page)
        await visit.page.keyboard.press("Escape")
        if urlsplit(visit.page.url).path != path:
            await visit.go(path)
            await is_loaded(visit)
    return pressed
