"""Why a print waits: every printer's own reason in words, its first step, and steps that help."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.async_api import Locator, expect

from tests.browser.chrome import Visit
from tests.browser.conftest import Opener
from tests.browser.pages import why_waiting
from tests.browser.site import VOLUME, Farm, long_print
from tests.browser.workshop import HOUR, Printer, Workshop

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.timeout(300)]
GROUP = "why"
JOB = "A shelf of oak"
NEEDS = {
    "group": GROUP,
    "nozzle_mm": 0.4,
    "tags_all": ["oak"],
    "materials": [{"tool": 0, "type": "PLA"}],
}
FITS: dict[str, Any] = {
    "model": {"build_volume": VOLUME, "nozzles_mm": [0.4]},
    "tags": ["oak"],
    "materials": [{"tool": 0, "type": "PLA"}],
}
TINY = {"x": 50, "y": 50, "z": 50}


@dataclass(frozen=True)
class Trouble:
    """What is wrong with a printer, as its code says it, and what an operator is told to do.

    `step` is the key of a text, or of a button where `does` is true; `what` its parameter.
    """

    code: str
    step: str
    does: bool = False
    what: str = ""
    own: tuple[tuple[str, Any], ...] = ()


TROUBLES: dict[str, Trouble] = {
    "Afar": Trouble("offline", "reason.wait.connection"),
    "Bench": Trouble("maintenance", "reason.do.end_maintenance", does=True),
    "Closet": Trouble("disabled", "reason.do.enable", does=True),
    "Dusty": Trouble("bed_not_clear", "reason.do.clear_bed", does=True),
    "Elf": Trouble(
        "too_small",
        "reason.wait.another_printer",
        own=(("model", {"build_volume": TINY, "nozzles_mm": [0.4]}),),
    ),
    "Fat": Trouble(
        "nozzle_mismatch",
        "reason.ask.role",
        own=(("model", {"build_volume": VOLUME, "nozzles_mm": [0.8]}),),
    ),
    "Glue": Trouble(
        "material_missing",
        "reason.do.materials",
        does=True,
        what="PLA",
        own=(("materials", [{"tool": 0, "type": "PETG"}]),),
    ),
    "Hall": Trouble("tag_mismatch", "reason.ask.role", own=(("tags", []),)),
    "Ivy": Trouble(
        "start_needs_confirm",
        "reason.do.confirm_print",
        does=True,
        own=(("start_policy", "confirm"),),
    ),
}


async def afflict(shop: Workshop, printers: dict[str, Printer]) -> None:
    """What no description says: one is gone, one is tended, one off, and on one lies a part."""
    api, admin = shop.farm.api, shop.admin
    dusty = printers["Dusty"]
    await admin.do(dusty.octoprint, "print", path="mine.gcode", gcode=long_print(minutes=HOUR))
    await admin.do(printers["Afar"].octoprint, "deafen")
    await api.call("POST", f"/printers/{printers['Bench'].id}/maintenance", {"on": True})
    await api.call("PATCH", f"/printers/{printers['Closet'].id}", {"enabled": False})
    await shop.farm.has(dusty.id, "activity", "foreign")
    await admin.do(dusty.octoprint, "cancel")
    await asyncio.gather(
        shop.farm.has(dusty.id, "activity", "idle"),
        shop.farm.has(dusty.id, "bed", "occupied"),
        shop.farm.has(printers["Afar"].id, "link", "offline"),
    )


def of_printer(drawer: Locator, printer: str) -> Locator:
    """What the drawer says of a printer."""
    named = drawer.page.get_by_role("heading", name=printer, exact=True)
    return drawer.get_by_role("listitem").filter(has=named)


async def what_still_waits(ann: Visit, printer: str, step: str) -> Locator:
    """The drawer of a copy that waits: for a moment the queue names one that has just started."""
    while True:
        drawer = await why_waiting(ann, JOB)
        button = of_printer(drawer, printer).get_by_role("button", name=step)
        over = drawer.get_by_text(ann.say("queue.why_drawer.started"))
        await expect(button.or_(over).first).to_be_visible()
        if await button.is_visible():
            return drawer
        await ann.page.keyboard.press("Escape")
        await expect(drawer).to_have_count(0)


async def helps(ann: Visit, drawer: Locator, farm: Farm, printer: Printer, step: str) -> None:
    """Press the printer's step, see the print wait no more, and the printer print."""
    await of_printer(drawer, printer.name).get_by_role("button", name=step).click()
    await expect(drawer).to_contain_text(ann.say("queue.why_drawer.started"))
    await farm.has(printer.id, "activity", "ours")
    await ann.page.keyboard.press("Escape")
    await expect(drawer).to_have_count(0)


async def test_each_printer_says_why_and_what_helps_and_the_step_lets_the_print_start(
    shop: Workshop, visit: Opener
) -> None:
    about = {name: dict(trouble.own) for name, trouble in TROUBLES.items()}
    printers = await shop.take(GROUP, about, **FITS)
    await afflict(shop, printers)
    file = await shop.farm.api.upload(long_print(minutes=HOUR), "shelf.gcode")
    await shop.farm.job(file, JOB, copies=4, requirements=NEEDS, hold=True)

    ann = await visit(shop.farm, "operator", path="/queue")
    drawer = await why_waiting(ann, JOB)
    for name, trouble in TROUBLES.items():
        shown = of_printer(drawer, name)
        await expect(shown).to_contain_text(ann.say(f"reason.code.{trouble.code}"))
        step = ann.say(trouble.step, **({"what": trouble.what} if trouble.what else {}))
        buttons = shown.get_by_role("button")
        if trouble.does:
            await expect(buttons).to_have_accessible_name(step)
        else:
            await expect(shown).to_contain_text(step)
            await expect(buttons).to_have_count(0)

    await expect(drawer).to_contain_text(ann.say("reason.code.on_hold"))
    await drawer.get_by_role("button", name=ann.say("reason.do.release_job")).click()
    await expect(drawer).not_to_contain_text(ann.say("reason.code.on_hold"))

    await shop.farm.api.call("POST", "/queue/stop")
    await expect(drawer).to_contain_text(ann.say("reason.code.farm_stopped"))
    await drawer.get_by_role("button", name=ann.say("reason.do.release_queue")).click()
    await expect(drawer).not_to_contain_text(ann.say("reason.code.farm_stopped"))

    await ann.page.keyboard.press("Escape")
    await shop.admin.do(printers["Dusty"].octoprint, "clear-bed")
    for name in ("Bench", "Dusty", "Glue"):
        what = {"what": TROUBLES[name].what} if TROUBLES[name].what else {}
        step = ann.say(TROUBLES[name].step, **what)
        drawer = await what_still_waits(ann, name, step)
        await helps(ann, drawer, shop.farm, printers[name], step)

    boss = await visit(shop.farm, "admin", path="/queue")
    fitted = boss.say("reason.do.nozzles", what="0.4 mm")
    drawer = await what_still_waits(boss, "Fat", fitted)
    await helps(boss, drawer, shop.farm, printers["Fat"], fitted)
    await expect(boss.main.get_by_role("button", name=boss.say("queue.why"))).to_have_count(0)
