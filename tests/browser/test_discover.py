"""What announces itself is found, chosen and filled in, by keys alone."""

from __future__ import annotations

import pytest
from playwright.async_api import expect
from yarl import URL

from tests.announcing import LOOPBACK, OCTOPRINT, hosts
from tests.browser.axe import examine
from tests.browser.conftest import Opener
from tests.browser.site import Farm, free_port

pytestmark = pytest.mark.asyncio(loop_scope="package")
FOUND_MS = 10_000
LEFT, MK4, KNOWN = "OctoPrint on left", "PrusaLink at mk4", "octo-002"


async def test_what_announces_itself_is_found_and_chosen_by_keys_alone(
    farm: Farm, visit: Opener
) -> None:
    (known,) = (await farm.api.call("GET", f"/printers?name={KNOWN}"))["items"]
    address = URL(known["connection"]["url"])
    assert address.host is not None
    assert address.port is not None
    left = free_port()
    async with hosts() as around:
        await around.announce(
            ("_octoprint._tcp", LEFT, left, OCTOPRINT),
            ("_prusalink._tcp", MK4, 8080, {"path": "/"}),
        )
        announced = ("_octoprint._tcp", "a second one", address.port, OCTOPRINT)
        await around.announce(announced, address=address.host)
        ann = await visit(farm, "admin", path="/printers/add", language="de")
        prusa = ann.main.get_by_role("listitem").filter(has_text=MK4)
        await expect(prusa).to_contain_text("kein Treiber", timeout=FOUND_MS)
        await expect(prusa.get_by_role("button")).to_have_count(0)
        is_known = ann.main.get_by_role("link", name=ann.say("printer-add.found.is", name=KNOWN))
        await expect(is_known).to_be_visible()
        await examine(ann.page, "what was found")

        where = f"{LOOPBACK}:{left}"
        await ann.button("printer-add.found.choose_this", name=LEFT, where=where).press("Enter")
        step = ann.main.get_by_role("heading", name=ann.say("printer-add.step_connection"))
        await expect(step).to_be_focused()
        await ann.page.keyboard.press("Tab")
        url = ann.field("printer.known.octoprint.url")
        await expect(url).to_be_focused()
        await expect(url).to_have_value(f"http://{where}")
        await ann.page.keyboard.press("Tab")
        await ann.page.keyboard.type("a-key-that-is-long-enough")
        await ann.page.keyboard.press("Enter")
        told = ann.main.locator(".state-card[role=status]")
        await expect(told).to_contain_text(ann.say("printer-add.because.offline"))
