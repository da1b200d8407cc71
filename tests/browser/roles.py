"""What a viewer must not find on each page, and a way to press everything that there is."""

from __future__ import annotations

import asyncio
import re
from urllib.parse import urlsplit

from playwright.async_api import Locator, expect

from tests.browser.axe import drawn
from tests.browser.chrome import Visit
from tests.browser.openings import Opening
from tests.browser.pages import is_loaded
from tests.browser.routes import REDIRECTED

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
        "controls.stop",
        "controls.home_all",
        "controls.jog",
        "controls.set_named",
        "controls.preheat_for",
        "controls.all_off",
        "controls.extrude",
        "controls.console.line",
        "controls.console.send",
        "printer.pause",
        "printer.cancel",
        "printer.change",
        "printer.maintenance_begin",
        "printer.disable",
        "printer.edit",
        "printer.retire",
    ),
    "/jobs/{job_id}": ("queue.actions",),
    "/files/{file_id}/layers": (),
    "/settings/appearance": (),
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
# What opens for a viewer (openings.py) -> the keys of the names of all that is in it to be used.
OPEN_TO_VIEWERS: dict[str, tuple[str, ...]] = {
    "app/Shell.vue menu of themes": (
        "shell.theme_system",
        "shell.theme_light",
        "shell.theme_dark",
    ),
    "app/Shell.vue menu of one's own": ("keys.title", "shell.sign_out"),
    "app/keys/KeysDialog.vue dialog": ("ui.close", "keys.switch"),
    "pages/farm/WallMode.vue dialog": ("farm.leave_wall",),
    "pages/queue/WhyDrawer.vue dialog": ("ui.close",),
    "pages/queue/ResolveDialog.vue dialog": ("ui.close",),
    "pages/queue/WhyDrawer.vue dialog of a job": ("ui.close",),
    "pages/printer/panels/Panel.vue menu": ("printer.move_up", "printer.move_down"),
    "pages/history/PrintDialog.vue dialog": (
        "ui.close",
        "history.job_number",
        "history.prints_of_file",
    ),
    "pages/settings/SessionsList.vue alertdialog": ("ui.keep", "settings.sessions.end_others"),
}
LANGUAGES = ("English", "Deutsch")
# What a viewer may send although it changes something: all of it is their own.
THEIR_OWN = re.compile(r"^/api/v1/(setup|auth/\w+|me/\w+(/\{\w+\})?|live/ticket)$")
# What belongs to nothing on the farm, and so to nobody's role.
NOT_FOUND = "/:rest(.*)*"
PRESSED = "button, [role=button], [role=switch], [role=checkbox], [role=menuitem], summary"
USED = f"{PRESSED}, a[href], input, select, textarea"
NAMES = "(all) => all.map((one) => one.ariaLabel || one.innerText.trim())"
PRESSED_MOST = 60
PRESS_MS = 2_000
# How long after a press a page may wait before it sends something.
LATE_MS = 600


def judged_routes() -> set[str]:
    """The routes that the tables say something of."""
    named = {*FORBIDDEN, *BEYOND, *CLOSED} - {REDIRECTED}
    return {re.sub(r"\{\w+\}", ":id", path) for path in named}


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


async def ready(visit: Visit, one: Opening, names: dict[str, str]) -> None:
    """Come to where it may be opened."""
    await one.prepare(visit)
    await visit.go(one.path.format(**names))
    await expect(visit.page.locator("main h1, dialog[open]").first).to_be_visible()
    if one.steps:
        await is_loaded(visit)


async def is_closed(looks: Visit, acts: Visit, one: Opening, names: dict[str, str]) -> bool:
    """Whether nothing leads to it for who looks, on a page as complete as that of who acts.

    A slow dialog does not pass as a closed one: it is the control that must not be there, or must
    be disabled, once the other person has theirs. Where nothing is pressed the other person's is
    open by then.
    """
    await asyncio.gather(*(ready(visit, one, names) for visit in (looks, acts)))
    if not one.steps:
        await one.open(acts)
        await is_loaded(looks)
        return not await one.shown(looks).count()
    await expect(one.steps[0].find(acts), f"{one.what}: nothing leads to it").to_be_enabled()
    for number, step in enumerate(one.steps, start=1):
        found = step.find(looks)
        if not await found.count() or await found.is_disabled():
            return True
        if number < len(one.steps):
            await step(looks)
    return False


async def usable(within: Locator) -> list[str]:
    """The names of all that can be used in what is open."""
    return [name for name in await within.locator(USED).evaluate_all(NAMES) if name]


async def press_everything(visit: Visit, path: str) -> list[str]:
    """Press one control of each name on the page, and close with Escape what opens; the names.

    What a control brings to light is not pressed: dialogs ask before they do anything. It ends
    when a page has sent what it sends a little later.
    """
    await visit.go(path)
    await is_loaded(visit)
    pressed = []
    names = list(await controls(visit))
    assert len(names) <= PRESSED_MOST, f"{path}: too much to press, of which some would be left out"
    for name in names:
        control = (await controls(visit)).get(name)
        if control is None or not (await control.is_visible() and await control.is_enabled()):
            continue
        pressed.append(name)
        await control.click(timeout=PRESS_MS)
        await drawn(visit.page)
        await visit.page.keyboard.press("Escape")
        if urlsplit(visit.page.url).path != path:
            await visit.page.wait_for_timeout(LATE_MS)
            await visit.go(path)
            await is_loaded(visit)
    await visit.page.wait_for_timeout(LATE_MS)
    return pressed
