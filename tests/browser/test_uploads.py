"""Uploads from the pages: cut off and gone on with, cancelled, and refused for a reason."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Request, Response, expect

from tests.browser.chrome import NO_ANSWER, Visit
from tests.browser.conftest import Opener
from tests.browser.pages import card, is_live
from tests.browser.site import Farm, set_up_farm
from tests.browser.workshop import Workshop

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.timeout(300)]
LINE = b"G1 X10.123 Y20.456 E0.0123 F1800\n"
SIZE = 5_000_000
# Bytes a second: the first parts are 256 kB, and the whole takes some seconds.
SLOW = 2_500_000
PARTS_BEFORE = 2
WITHIN_S = 20.0
# Between 1 and 99 %.
PARTLY = re.compile(r"^[1-9][0-9]?$")
BACK_MS = 40_000
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(600)


@dataclass
class Wire:
    """The parts of uploads as they leave the browser: where each begins, and what was answered.

    `found` is what the server said when it was asked how much it has.
    """

    begun: list[int] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)
    found: list[int] = field(default_factory=list)

    def watch(self, ann: Visit) -> None:
        """Note the parts of this visit."""

        def asked(request: Request) -> None:
            if request.method == "PATCH" and "/api/v1/uploads/" in request.url:
                self.begun.append(int(request.headers["upload-offset"]))

        def answered(response: Response) -> None:
            at = response.headers.get("upload-offset")
            if at is None or "/api/v1/uploads/" not in response.url:
                return
            if response.request.method == "PATCH" and response.status == 204:
                self.kept.append(int(at))
            if response.request.method == "HEAD":
                self.found.append(int(at))

        ann.page.on("request", asked)
        ann.page.on("response", answered)

    async def has_kept(self, parts: int) -> int:
        """Wait until the server has taken so many parts and another one is under way; the bytes."""
        async with asyncio.timeout(WITHIN_S):
            while len(self.kept) < parts or len(self.begun) <= len(self.kept):
                await asyncio.sleep(0.01)
        return self.kept[-1]


def free_bytes(folder: Path) -> int:
    """The room on the disk of this folder."""
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def site(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Farm]:
    """A farm without printers that takes files as large as its disk, and none twice as large."""
    assert browser is not None
    folder = tmp_path_factory.mktemp("uploads")
    async with set_up_farm(folder, max_file_bytes=str(2 * free_bytes(folder))) as farm:
        yield farm


def gcode(path: Path, size: int = SIZE) -> Path:
    """G-code of about this size, at this path."""
    path.write_bytes(b"G28\n" + LINE * (size // len(LINE)))
    return path


def as_large_as(path: Path, size: int) -> Path:
    """A file that begins as G-code and is so large; it takes hardly any room on the disk."""
    gcode(path)
    os.truncate(path, size)
    return path


async def keeps(site: Farm, uploads: int) -> None:
    """Wait until the server keeps the bytes of so many unfinished uploads."""
    folder = site.folder / "data" / "uploads"
    async with asyncio.timeout(WITHIN_S):
        while len(list(folder.glob("*.bytes"))) != uploads:
            await asyncio.sleep(0.05)


def bytes_of(path: Path) -> bytes:
    """What is in a file."""
    return path.read_bytes()


async def slowed(ann: Visit) -> None:
    """From now on the line to the server is slow."""
    wire = await ann.page.context.new_cdp_session(ann.page)
    await wire.send("Network.enable")
    limits = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": SLOW}
    await wire.send("Network.emulateNetworkConditions", limits)


async def choose(ann: Visit, *paths: Path) -> None:
    """Choose files on the page of files."""
    await ann.main.get_by_label(ann.say("files.choose")).set_input_files(paths)


def upload(ann: Visit, name: str) -> Locator:
    """What the page says of an upload."""
    queue = ann.main.get_by_role("region", name=ann.say("files.uploads"))
    return queue.get_by_role("listitem").filter(has_text=name)


def again(ann: Visit, name: str) -> Locator:
    """The button that tries an upload again."""
    return ann.button("files.again_named", name=name)


async def is_stored(ann: Visit, site: Farm, path: Path) -> None:
    """The page says so, and the server has the very bytes."""
    shown = upload(ann, path.name)
    await expect(shown).to_contain_text(ann.say("files.upload_done"), timeout=BACK_MS)
    (file,) = [
        one for one in (await site.api.call("GET", "/files"))["items"] if one["name"] == path.name
    ]
    address = f"{site.url}/api/v1/files/{file['id']}/content"
    async with site.api.http.get(address) as content:
        assert await content.read() == bytes_of(path)


async def test_an_upload_goes_on_where_it_was_when_the_server_died_and_came_back(
    site: Farm, visit: Opener, tmp_path: Path
) -> None:
    path, wire = gcode(tmp_path / "cut-off.gcode"), Wire()
    ann = await visit(site, "operator", path="/files")
    ann.expects(*NO_ANSWER)
    wire.watch(ann)
    await slowed(ann)
    await choose(ann, path)
    kept = await wire.has_kept(PARTS_BEFORE)
    shown = upload(ann, path.name)
    await expect(shown.get_by_role("progressbar")).to_have_attribute("aria-valuenow", PARTLY)
    await site.kill()
    try:
        await expect(shown).to_contain_text(ann.say("files.upload_lost"))
        await expect(shown.get_by_role("progressbar")).to_have_attribute("aria-valuenow", PARTLY)
        before, looked = len(wire.begun), len(wire.found)
    finally:
        await site.start()
    await is_stored(ann, site, path)
    # Of a part that was on its way the server may have kept some.
    found = wire.found[looked]
    assert found >= kept > 0
    assert wire.begun[before] == found, "it did not go on from what the server has"
    assert min(wire.begun[before:]) == found, "what is there was sent again"
    await is_live(ann, within_ms=BACK_MS)


async def test_an_upload_goes_on_after_the_page_was_loaded_anew_and_the_file_chosen_again(
    site: Farm, visit: Opener, tmp_path: Path
) -> None:
    path, wire = gcode(tmp_path / "left.gcode", SIZE - len(LINE)), Wire()
    ann = await visit(site, "operator", path="/files")
    # What was on its way at the reload may arrive after the server was asked where it is.
    ann.expects(r"409 \(Conflict\) .*/uploads/")
    wire.watch(ann)
    await slowed(ann)
    await choose(ann, path)
    kept = await wire.has_kept(PARTS_BEFORE)
    await ann.page.reload()
    await expect(upload(ann, path.name)).to_contain_text(ann.pattern("files.unfinished"))
    before = len(wire.begun)
    await choose(ann, path)
    await is_stored(ann, site, path)
    assert min(wire.begun[before:]) >= kept > 0, "what is there was sent again"


async def test_a_cancelled_upload_gives_its_room_on_the_server_back(
    site: Farm, visit: Opener, tmp_path: Path
) -> None:
    large = int(free_bytes(tmp_path) * 0.4)
    first, second = (as_large_as(tmp_path / f"{name}.gcode", large) for name in ("a", "b"))
    ann = await visit(site, "operator", path="/files")
    ann.expects(r"507 ")
    await slowed(ann)
    await choose(ann, first)
    sending = ann.say("files.upload_sending")
    await expect(upload(ann, first.name)).to_contain_text(sending)
    await choose(ann, second)
    refused = upload(ann, second.name)
    await expect(refused).to_contain_text(ann.say("problem.storage_full.detail"))
    await expect(refused).to_contain_text(ann.say("problem.storage_full.hint"))

    await ann.button("files.cancel_upload", name=first.name).click()
    await expect(upload(ann, first.name)).to_have_count(0)
    await keeps(site, 0)
    await again(ann, second.name).click()
    await expect(refused).to_contain_text(sending)
    await keeps(site, 1)
    await ann.button("files.cancel_upload", name=second.name).click()
    await expect(refused).to_have_count(0)
    await keeps(site, 0)


async def test_a_file_that_cannot_be_taken_says_why_and_is_not_tried_again(
    site: Farm, visit: Opener, tmp_path: Path
) -> None:
    photo, nothing = tmp_path / "photo.gcode", tmp_path / "nothing.gcode"
    photo.write_bytes(PICTURE)
    nothing.write_bytes(b"")
    huge = as_large_as(tmp_path / "huge.gcode", 3 * free_bytes(tmp_path))
    ann = await visit(site, "operator", path="/files")
    ann.expects(r"413 ", r"422 ")
    await choose(ann, photo, nothing, huge)
    why = {
        photo.name: "This is a picture.",
        nothing.name: ann.say("problem.empty_file.detail"),
        huge.name: ann.say("problem.too_large.detail"),
    }
    for name, reason in why.items():
        await expect(upload(ann, name)).to_contain_text(ann.say("files.upload_failed"))
        await expect(upload(ann, name).get_by_role("alert")).to_contain_text(reason)
        await expect(again(ann, name)).to_have_count(0)
        await ann.button("files.dismiss", name=name).click()
        await expect(upload(ann, name)).to_have_count(0)
    stored = {one["name"] for one in (await site.api.call("GET", "/files"))["items"]}
    assert stored.isdisjoint(why)


async def test_a_file_for_a_printer_that_cannot_be_taken_says_why_and_is_not_tried_again(
    shop: Workshop, visit: Opener, tmp_path: Path
) -> None:
    await shop.take("refusals", {"Rasp": {}})
    photo = tmp_path / "photo.gcode"
    photo.write_bytes(PICTURE)
    ann = await visit(shop.farm, "operator", path="/?group=refusals")
    ann.expects(r"422 ")
    async with ann.page.expect_file_chooser() as asked:
        await card(ann, "Rasp").get_by_role("button", name=ann.say("farm.act_print")).click()
    await (await asked.value).set_files(photo)
    tray = ann.page.get_by_role("region", name=ann.say("farm.uploads"))
    await expect(tray.get_by_role("alert")).to_contain_text("This is a picture.")
    await expect(tray.get_by_role("button", name=ann.say("ui.again"))).to_have_count(0)
    await tray.get_by_role("button", name=ann.say("ui.close")).click()
    await expect(tray).to_have_count(0)
