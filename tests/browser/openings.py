"""How every dialog, drawer and menu of the UI is opened, by keys alone."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

from playwright.async_api import Locator, Route, expect

from tests.browser.chrome import Visit
from tests.browser.furnished import PRINTS

Kind = Literal["dialog", "alertdialog", "menu"]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that is pressed or written into: how it is found, and what is done with it."""

    find: Callable[[Visit], Locator]
    do: Callable[[Locator], Awaitable[None]]

    async def __call__(self, visit: Visit) -> Locator:
        """Do it; what it was done with."""
        found = self.find(visit)
        await self.do(found)
        return found


def button(key: str, *, nth: int = 0) -> Step:
    """Press a button of this name; of several, the nth."""
    return Step(lambda visit: _named(visit, "button", key, nth), _press("Enter"))


def entry(key: str) -> Step:
    """Choose an entry of the open menu."""
    return Step(lambda visit: _named(visit, "menuitem", key, 0), _press("Enter"))


def pick(name: str) -> Step:
    """Pick a printer for the bulk bar."""

    def find(visit: Visit) -> Locator:
        return visit.main.get_by_role("checkbox", name=visit.say("farm.pick", name=name))

    return Step(find, _press("Space"))


def write(key: str, text: str) -> Step:
    """Write into a field, and send its form."""

    async def do(field: Locator) -> None:
        await field.fill(text)
        await field.press("Enter")

    return Step(lambda visit: visit.field(key), do)


def key(name: str) -> Step:
    """Press a single key of the page."""

    async def do(main: Locator) -> None:
        await main.page.keyboard.press(name)

    return Step(lambda visit: visit.main, do)


def _named(visit: Visit, role: Literal["button", "menuitem"], key: str, nth: int) -> Locator:
    name = re.compile(f"^{visit.pattern(key).pattern}$")
    return visit.page.get_by_role(role, name=name).nth(nth)


def _press(key: str) -> Callable[[Locator], Awaitable[None]]:
    async def do(found: Locator) -> None:
        await found.press(key)

    return do


Change = Callable[[dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Opening:
    """Where it stands in `web/src`, its page, and what is pressed there one after the other.

    `back`: the step whose button has the focus again once it is closed, if one has. `answers` are
    given in the place of the server's, `changed` is done to its answer: for what a farm seldom
    comes to. `uses`: in how many places of its component it is written; none where another entry
    opens the same, more where each screen has its own. `firm`: what it shows is shown once, so that
    only the button with these words closes it, and Escape leaves it open.
    """

    component: str
    path: str
    steps: tuple[Step, ...]
    kind: Kind = "dialog"
    back: int | None = 0
    answers: tuple[tuple[str, int, dict[str, Any]], ...] = ()
    changed: tuple[str, Change] | None = None
    note: str = ""
    uses: int = 1
    firm: str = ""

    @property
    def what(self) -> str:
        """Its name in a failure."""
        return " ".join(filter(None, (self.component, self.kind, self.note)))

    async def prepare(self, visit: Visit) -> None:
        """Put the answers in the place of the server's."""
        for pattern, status, body in self.answers:
            await visit.page.route(pattern, _fulfil(status, body))
        if self.changed is not None:
            pattern, change = self.changed
            await visit.page.route(pattern, _change(change))

    async def open(self, visit: Visit) -> Locator | None:
        """Open it, and wait for it; what is to have the focus again afterwards."""
        pressed = [await step(visit) for step in self.steps]
        await expect(self.shown(visit)).to_be_visible()
        return pressed[self.back] if pressed and self.back is not None else None

    def shown(self, visit: Visit) -> Locator:
        """The open one."""
        return visit.page.get_by_role(self.kind)


def _fulfil(status: int, body: dict[str, Any]) -> Callable[[Route], Awaitable[None]]:
    kind = "application/json" if status < 300 else "application/problem+json"

    async def handle(route: Route) -> None:
        await route.fulfill(status=status, content_type=kind, body=json.dumps(body))

    return handle


def _change(change: Change) -> Callable[[Route], Awaitable[None]]:
    async def handle(route: Route) -> None:
        answer = await route.fetch()
        await route.fulfill(response=answer, json=change(await answer.json()))

    return handle


def _doubtful(print_: dict[str, Any]) -> dict[str, Any]:
    evidence = {"run": "none", "silent": True, "others_ran": False}
    return print_ | {"state": "needs_attention", "evidence": evidence, "ended_at": None}


def _switching(drivers: dict[str, Any]) -> dict[str, Any]:
    able = [one | {"capabilities": [*one["capabilities"], "power"]} for one in drivers["items"]]
    return drivers | {"items": able}


POWERED = {
    "capabilities": ["power"],
    "macros": [],
    "objects": [],
    "mesh": None,
    "cameras": [],
    "power": [{"name": "outlet", "on": True, "locked": False}],
    "file": None,
    "suggestions": [],
}
STOPPED = {"items": [], "total": 0, "next_cursor": None, "stopped": True, "stopped_reason": "Fire"}
UNSEEN = {
    "status": 409,
    "code": "printers_unseen",
    "detail": "one printer was not compared",
    "hint": "Wait for it.",
}
SESSIONS = {
    "items": [
        {
            "id": f"00000000-0000-7000-8000-00000000000{number}",
            "kind": "browser",
            "address": "192.0.2.7",
            "created_at": "2026-01-31T12:00:00Z",
            "seen_at": "2026-01-31T13:00:00Z",
            "expires_at": "2027-01-31T13:00:00Z",
            "current": number == 0,
        }
        for number in range(2)
    ],
    "next_cursor": None,
}
WAITING = button("queue.actions")

OPENINGS: tuple[Opening, ...] = (
    Opening(
        "app/Shell.vue", "/settings/appearance", (button("shell.theme"),), "menu", note="of themes"
    ),
    Opening(
        "app/Shell.vue",
        "/settings/appearance",
        (button("shell.account"),),
        "menu",
        note="of one's own",
    ),
    Opening("app/keys/KeysDialog.vue", "/", (key("Shift+?"),), back=None),
    # the farm
    Opening("pages/farm/CancelDialog.vue", "/", (button("farm.cancel_of"),), "alertdialog"),
    Opening(
        "pages/farm/BulkBar.vue",
        "/",
        (pick(PRINTS), button("farm.bulk_cancel")),
        "alertdialog",
        back=1,
    ),
    Opening(
        "pages/settings/PlaceDialog.vue",
        "/?view=plan",
        (button("settings.places.add_floor"),),
        note="on the plan",
        uses=0,
    ),
    Opening("pages/farm/PlaceDialog.vue", "/?view=plan", (button("farm.move"),)),
    Opening("pages/farm/WallMode.vue", "/?view=wall", ()),
    # the queue
    Opening("pages/queue/JobMenu.vue", "/queue", (WAITING,), "menu"),
    Opening(
        "pages/queue/JobQuestion.vue", "/queue", (WAITING, entry("queue.cancel")), "alertdialog"
    ),
    Opening("pages/queue/EditDialog.vue", "/queue", (WAITING, entry("queue.edit"))),
    Opening("pages/queue/OrderDialog.vue", "/queue", (button("queue.new"),)),
    Opening("pages/queue/WhyDrawer.vue", "/queue", (button("queue.why"),)),
    Opening("pages/queue/FarmSwitch.vue", "/queue", (button("queue.farm.stop"),)),
    Opening(
        "pages/queue/FarmSwitch.vue",
        "/queue?farm=release",
        (),
        answers=(("**/api/v1/queue?*", 200, STOPPED),),
        note="of the release",
    ),
    Opening(
        "pages/queue/FarmSwitch.vue",
        "/queue",
        (button("queue.farm.release"), button("queue.farm.anyway")),
        "alertdialog",
        back=1,
        answers=(("**/api/v1/queue?*", 200, STOPPED), ("**/api/v1/queue/release", 409, UNSEEN)),
    ),
    Opening(
        "pages/queue/ResolveDialog.vue",
        "/queue?print={print}",
        (),
        changed=("**/api/v1/prints/*", _doubtful),
    ),
    Opening("pages/queue/JobMenu.vue", "/jobs/{job}", (WAITING,), "menu", note="of a job", uses=0),
    Opening(
        "pages/queue/WhyDrawer.vue", "/jobs/{job}", (button("queue.why"),), note="of a job", uses=0
    ),
    # files
    Opening("pages/files/FileList.vue", "/files", (button("files.more_named"),), "menu", uses=2),
    Opening(
        "pages/files/FileDrawer.vue", "/files", (button("files.more_named"), entry("files.details"))
    ),
    Opening("pages/files/PrintDialog.vue", "/files", (button("files.print_named"),)),
    Opening(
        "pages/files/FilesPage.vue",
        "/files",
        (button("files.more_named"), entry("files.delete_ask")),
        "alertdialog",
    ),
    # printers
    Opening(
        "pages/printer/panels/Panel.vue", "/printers/{free}", (button("printer.arrange"),), "menu"
    ),
    Opening("pages/printer/MaterialsPanel.vue", "/printers/{free}", (button("printer.change"),)),
    Opening(
        "pages/printer/settings/EditPrinter.vue", "/printers/{free}", (button("printer.edit"),)
    ),
    Opening(
        "pages/printer/settings/ServiceButtons.vue",
        "/printers/{printing}",
        (button("printer.disable"),),
        "alertdialog",
    ),
    Opening(
        "pages/printer/settings/RetirePrinter.vue",
        "/printers/{free}",
        (button("printer.retire"),),
        "alertdialog",
    ),
    Opening(
        "pages/printer/current/CurrentPanel.vue",
        "/printers/{printing}",
        (button("printer.cancel"),),
        "alertdialog",
    ),
    Opening(
        "pages/printer/equipment/PowerDevices.vue",
        "/printers/{free}",
        (button("controls.power.off_named"),),
        "alertdialog",
        answers=(("**/api/v1/printers/*/equipment", 200, POWERED),),
        changed=("**/api/v1/drivers*", _switching),
    ),
    # history
    Opening("pages/history/PrintDialog.vue", "/history", (button("history.open"),)),
    # settings
    Opening(
        "pages/settings/SessionsList.vue",
        "/settings/account",
        (button("settings.sessions.end_others"),),
        "alertdialog",
        answers=(("**/api/v1/me/sessions", 200, SESSIONS),),
    ),
    Opening(
        "pages/settings/PlaceDialog.vue", "/settings/places", (button("settings.places.add_group"),)
    ),
    Opening(
        "pages/settings/PlaceDialog.vue",
        "/settings/places",
        (button("settings.places.add_floor"),),
        note="of a floor",
        uses=0,
    ),
    Opening(
        "pages/settings/RemovePlace.vue",
        "/settings/places",
        (button("settings.places.remove"),),
        "alertdialog",
    ),
    Opening("pages/settings/UserDialog.vue", "/settings/users", (button("settings.users.add"),)),
    Opening(
        "pages/settings/UserDialog.vue",
        "/settings/users",
        (button("settings.users.set_password"),),
        note="for a password",
        uses=0,
    ),
    Opening(
        "pages/settings/UsersSection.vue",
        "/settings/users",
        (button("settings.users.remove_one"),),
        "alertdialog",
    ),
    Opening("pages/settings/KeyDialog.vue", "/settings/keys", (button("settings.keys.add"),)),
    Opening(
        "pages/settings/KeyDialog.vue",
        "/settings/keys",
        (button("settings.keys.add"), write("settings.name", "script")),
        note="with the key",
        uses=0,
        firm="settings.keys.kept",
    ),
    Opening(
        "pages/settings/KeysSection.vue",
        "/settings/keys",
        (button("settings.keys.revoke_one"),),
        "alertdialog",
    ),
    Opening(
        "pages/settings/BackupDialog.vue", "/settings/backups", (button("settings.backups.take"),)
    ),
    Opening(
        "pages/settings/BackupsSection.vue",
        "/settings/backups",
        (button("settings.backups.delete_one"),),
        "alertdialog",
    ),
)
