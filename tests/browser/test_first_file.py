"""The guided page from a new printer to the first file that it prints."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.async_api import expect

from buildplate_sim.launch import octoprints
from tests.browser.axe import examine
from tests.browser.chrome import Language
from tests.browser.conftest import Opener
from tests.browser.site import long_print, set_up_farm

pytestmark = pytest.mark.asyncio(loop_scope="package")
ADDED = "Aspen"
SEEN_MS = 20_000


@pytest.mark.parametrize(("language", "phone"), [("en", False), ("de", True)])
async def test_a_new_printer_is_sent_its_first_file_where_it_was_added(
    tmp_path: Path, visit: Opener, language: Language, phone: bool
) -> None:
    file = tmp_path / "first.gcode"
    file.write_text(long_print(minutes=30))
    async with (
        octoprints(tmp_path / "printers", count=1) as simulator,
        set_up_farm(tmp_path) as farm,
    ):
        host = simulator.printers[0]
        ann = await visit(farm, "admin", path="/printers/add", phone=phone, language=language)
        await ann.page.get_by_role("radio", name=re.compile("^OctoPrint")).check()
        await ann.field("printer.known.octoprint.url").fill(host["url"])
        await ann.field("printer.known.octoprint.api_key").fill(host["api_key"])
        await ann.button("printer-add.probe").click()
        await ann.field("printer.form.name").fill(ADDED)
        for side in "xyz":
            await ann.field(f"printer.form.side_{side}").fill("200")
        await ann.button("printer-add.save").click()

        title = ann.say("printer-add.step_first", name=ADDED)
        await expect(ann.main.get_by_role("heading", name=title)).to_be_focused()
        await examine(ann.page, "the first file of a printer")
        async with ann.page.expect_file_chooser() as asked:
            await ann.button("printer-add.choose_first").click()
        await (await asked.value).set_files(file)
        await expect(ann.main).to_contain_text(
            ann.say("farm.upload_ordered", number=1), timeout=SEEN_MS
        )
        await ann.button("printer.clear_bed").click(timeout=SEEN_MS)
        await expect(ann.main).to_contain_text("first.gcode", timeout=SEEN_MS)
        await expect(ann.button("printer.cancel")).to_be_visible()
        (job,) = (await farm.api.call("GET", "/jobs"))["items"]
        (only,) = (await farm.api.call("GET", "/printers"))["items"]
        assert (job["copies"], job["requirements"]["printers"]) == (1, [only["id"]])
        await ann.main.get_by_role("link", name=ann.say("printer-add.go_on", name=ADDED)).click()
        await expect(ann.main.get_by_role("heading", name=ADDED, exact=True)).to_be_visible()
        await ann.page.close()  # it would miss the server, which ends before the visit does
