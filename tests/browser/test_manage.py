"""What people look after beside the prints: orders, connections, floors, users, their sessions."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from playwright.async_api import Locator, expect

from tests.browser.axe import examine
from tests.browser.chrome import Visit
from tests.browser.conftest import Opener
from tests.browser.pages import card, is_live, moves, sign_in
from tests.browser.site import PASSWORD, Farm, long_print

pytestmark = pytest.mark.asyncio(loop_scope="package")
OUT = r"401 \(Unauthorized\) .*/api/v1/"
REFUSED_TRY = r"422 .*/api/v1/printers/probe"


async def id_of(farm: Farm, printer: str) -> str:
    """The printer of this name."""
    found = await farm.api.call("GET", f"/printers?name={printer}")
    return str(found["items"][0]["id"])


def dialog(ann: Visit) -> Locator:
    """The dialog that is open."""
    return ann.page.get_by_role("dialog")


async def test_a_card_shows_the_picture_of_its_print_and_asks_for_it_once(
    farm: Farm, visit: Opener
) -> None:
    ann = await visit(farm)
    asked: list[str] = []
    ann.page.on("request", lambda request: asked.append(urlsplit(request.url).path))
    await ann.go("/")
    await sign_in(ann, "viewer")
    await is_live(ann)
    prints = card(ann, "octo-001")
    await expect(prints.locator("img")).to_have_js_property("naturalWidth", 32)
    await moves(prints)
    await moves(prints)
    files = [path for path in asked if path.startswith("/api/v1/files/")]
    assert len(files) == 2, files
    assert files[1] == f"{files[0]}/thumbnail"


async def test_what_an_order_asks_of_printers_is_changed_on_its_page(
    farm: Farm, visit: Opener
) -> None:
    gone = await id_of(farm, "octo-003")
    stored = await farm.api.upload(long_print(minutes=5), "asks.gcode")
    asked = {"file_id": stored, "name": "asks", "requirements": {"printers": [gone]}}
    job = await farm.api.call("POST", "/jobs", asked)
    try:
        ann = await visit(farm, "operator", path=f"/jobs/{job['id']}")
        await ann.button("queue.actions", name="asks").click()
        await ann.page.get_by_role("menuitem", name=ann.say("queue.edit")).click()
        await ann.button("printer.slot.add").click()
        await ann.field("printer.slot.type").fill("PETG")
        await dialog(ann).get_by_text(ann.say("queue.demand.more")).click()
        await ann.field("queue.demand.nozzle").fill("0.6")
        await examine(ann.page, "edit of an order")
        await ann.button("queue.order.save").click()
        await expect(dialog(ann)).to_have_count(0)
        await expect(ann.main).to_contain_text("PETG")
        await expect(ann.main).to_contain_text(ann.say("job.nozzle", size="0.6"))
        found = (await farm.api.call("GET", f"/jobs/{job['id']}"))["requirements"]
        assert (found["printers"], found["nozzle_mm"]) == ([gone], 0.6)
    finally:
        await farm.api.call("POST", f"/jobs/{job['id']}/cancel")


async def test_a_connection_is_tried_with_the_stored_key_and_not_elsewhere(
    farm: Farm, visit: Opener
) -> None:
    free = await id_of(farm, "octo-002")
    ann = await visit(farm, "admin", path=f"/printers/{free}")
    ann.expects(REFUSED_TRY)
    await ann.button("printer.edit").click()
    await ann.button("printer-add.probe").click()
    await expect(dialog(ann)).to_contain_text(ann.say("printer-add.answered"))
    await ann.field("printer.known.octoprint.url").fill(farm.url)
    await ann.button("printer-add.probe").click()
    told = dialog(ann).get_by_role("alert")
    await expect(told).to_contain_text(ann.say("problem.secret_not_sent.hint"))
    await examine(ann.page, "a key that is not sent elsewhere")


async def test_a_floor_is_renamed_and_removed_beside_its_plan(farm: Farm, visit: Opener) -> None:
    size = {"width_mm": 9000, "depth_mm": 6000}
    await farm.api.call("POST", "/floors", {"name": "Hall", **size})
    try:
        ann = await visit(farm, "admin", path="/?view=plan")
        await ann.button("settings.places.change", name="Hall").click()
        await ann.field("settings.name").fill("Attic")
        await ann.button("settings.save").click()
        await expect(ann.page.get_by_role("list", name="Attic")).to_be_visible()
        await ann.button("settings.places.remove", name="Attic").click()
        await ann.button("settings.remove").click()
        await expect(ann.page.get_by_role("alertdialog")).to_have_count(0)
        assert (await farm.api.call("GET", "/floors"))["items"] == []
    finally:
        for floor in (await farm.api.call("GET", "/floors"))["items"]:
            await farm.api.call("DELETE", f"/floors/{floor['id']}")


async def test_whoever_is_disabled_is_out_and_others_end_their_sessions_elsewhere(
    farm: Farm, visit: Opener
) -> None:
    body = {"name": "otto", "role": "viewer", "password": PASSWORD}
    otto = await farm.api.call("POST", "/users", body)
    try:
        here, there = await visit(farm), await visit(farm)
        for one in (there, here):  # whoever looks later sees both
            one.expects(OUT)
            await one.go("/settings/account")
            await sign_in(one, "otto")
            await is_live(one)
        await here.button("settings.sessions.end_others").click()
        asked = here.page.get_by_role("alertdialog")
        await asked.get_by_role("button", name=here.say("settings.sessions.end_others")).click()
        await expect(asked).to_have_count(0)
        await there.page.reload()
        await expect(there.heading("sign-in.title")).to_be_visible()

        ann = await visit(farm, "admin", path="/settings/users")
        switch = ann.page.get_by_role(
            "switch", name=ann.say("settings.users.enable_one", name="otto")
        )
        await switch.click()
        await expect(switch).not_to_be_checked()
        await examine(ann.page, "a user who is disabled")
        await here.page.reload()
        await expect(here.heading("sign-in.title")).to_be_visible()
        await sign_in(here, "otto")
        refused = here.page.get_by_role("alert")
        await expect(refused).to_contain_text(here.say("problem.login_failed.detail"))
        await switch.click()
        await expect(switch).to_be_checked()
        await sign_in(here, "otto")
        await is_live(here)
    finally:
        await farm.api.call("DELETE", f"/users/{otto['id']}")
