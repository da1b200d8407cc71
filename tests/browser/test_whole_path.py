"""From an empty folder to three finished prints on a real OctoPrint, every step by the page."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, expect

from tests.browser.axe import examine
from tests.browser.chrome import Language, Visit
from tests.browser.conftest import Opener
from tests.browser.pages import card, is_live, is_loaded, is_told, navigation, set_up
from tests.browser.screens import READERS
from tests.browser.site import Site
from tests.integration.farm import part
from tests.integration.octoprint_host import OctoPrintHost, make_template, octoprint_host

pytestmark = [
    pytest.mark.needs_octoprint,
    pytest.mark.timeout(240),
    pytest.mark.asyncio(loop_scope="package"),
]
COPIES = 3
# Long enough for four things to be seen of each print while it goes on.
PRINT_S = 15.0
FILE, PRINTER = "bracket.gcode", "Left"
# What a print takes besides its moves: the file is sent, the end is made sure of.
ENDED_MS = 60_000
WRITTEN_S = 5
# A person's word for the bed is taken once the printer itself was seen.
SEEN_MS = 60_000
OURS = re.compile(r"^bp-")


@dataclass(frozen=True)
class Record:
    """What the printer's own host has written down of prints since this was made."""

    host: OctoPrintHost
    before: int

    def ends(self) -> list[str]:
        """The paths that were printed to their end."""
        return self.host.completions()[self.before :]

    async def has(self, copies: int) -> None:
        """Wait some seconds for what the host writes down after it has told of the end."""
        for _ in range(WRITTEN_S * 10):
            if len(self.ends()) >= copies:
                break
            await asyncio.sleep(0.1)
        assert len(self.ends()) == copies, "the page is ahead of the printer, or behind it"


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def octoprint(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[OctoPrintHost]:
    folder = tmp_path_factory.mktemp("octoprint")
    template = await make_template(folder / "template")
    async with octoprint_host(template, folder / "host", connect=True) as host:
        await host.printer_is("Operational")
        yield host


async def turn_to(ann: Visit, page: str) -> None:
    """Go to a page by the navigation."""
    await navigation(ann).get_by_role("link", name=ann.say(f"{page}.title"), exact=True).click()
    await expect(ann.heading(f"{page}.title")).to_be_visible()
    await is_loaded(ann)


# --- the printer ---------------------------------------------------------------------------------


async def try_connection(ann: Visit, host: OctoPrintHost, key: str) -> Locator:
    """Fill in the driver's form and try it; what is said of the answer."""
    await ann.field("printer.known.octoprint.url").fill(host.url)
    await ann.field("printer.known.octoprint.api_key").fill(key)
    await ann.button("printer-add.probe").click()
    return ann.main.locator(".state-card[role=status]")


async def add_printer(ann: Visit, host: OctoPrintHost) -> None:
    """Add the OctoPrint by the guided page: first with a wrong key, then as it is."""
    await ann.main.get_by_role("link", name=ann.say("printer-add.title")).click()
    await ann.page.get_by_role("radio", name=re.compile("^OctoPrint")).check()
    refused = await try_connection(ann, host, "no-key-of-this-host")
    await expect(refused).to_contain_text(ann.say("printer-add.because.auth_required"))
    await examine(ann.page, "a printer that refuses its key")
    answered = await try_connection(ann, host, host.api_key)
    await expect(answered).to_contain_text(ann.say("printer-add.answered"))
    await expect(answered).to_contain_text("OctoPrint")
    assert "POST /api/v1/printers" not in ann.changes, "saved before it was asked to"

    await ann.field("printer.form.name").fill(PRINTER)
    for side in "xyz":
        await ann.field(f"printer.form.side_{side}").fill("200")
    await ann.button("printer-add.save").click()
    await is_told(ann, "printer-add.added", name=PRINTER)
    first = ann.say("printer-add.step_first", name=PRINTER)
    await expect(ann.main.get_by_role("heading", name=first)).to_be_focused()
    await ann.main.get_by_role("link", name=ann.say("printer-add.go_on", name=PRINTER)).click()
    await expect(ann.main.get_by_role("heading", name=PRINTER, exact=True)).to_be_visible()
    await expect(ann.main).to_contain_text(ann.say("printer.bed_unknown"))
    await ann.button("printer.clear_bed").click(timeout=SEEN_MS)
    await expect(ann.main).to_contain_text(ann.say("state.ready"))


# --- the order -----------------------------------------------------------------------------------


async def send(ann: Visit, file: Path) -> None:
    """Go from the free printer to the files, and send one."""
    await ann.main.get_by_role("link", name=ann.say("printer.print_file"), exact=True).click()
    await expect(ann.main).to_contain_text(ann.say("files.empty"))
    async with ann.page.expect_file_chooser() as asked:
        await ann.button("files.choose").click()
    await (await asked.value).set_files(file)
    uploads = ann.page.get_by_role("region", name=ann.say("files.uploads"))
    await expect(uploads).to_contain_text(ann.say("files.upload_done"))


async def order(ann: Visit, copies: int) -> None:
    """Order copies of the file on the printer that the files were opened for."""
    await ann.button("files.print_named", name=FILE).click()
    dialog = ann.page.get_by_role("dialog", name=ann.say("files.print_title"))
    chosen = dialog.get_by_label(ann.say("files.printer"), exact=True).locator("option:checked")
    await expect(chosen).to_have_text(PRINTER)
    await dialog.get_by_label(ann.say("files.copies"), exact=True).fill(str(copies))
    await dialog.get_by_role("button", name=ann.say("files.order"), exact=True).click()
    await is_told(ann, "files.ordered", number=1, name=FILE)
    await expect(dialog).to_have_count(0)


# --- the prints ----------------------------------------------------------------------------------


async def is_printing(ann: Visit, shown: Locator, copy: int) -> None:
    """It is seen to print this copy, and to get on."""
    await expect(shown).to_contain_text(ann.say("state.printing"), timeout=ENDED_MS)
    await expect(shown).to_contain_text(FILE)
    await expect(shown).to_contain_text(ann.say("farm.copy", copy=copy, copies=COPIES))
    progress = shown.get_by_role("progressbar")
    await expect(progress).to_have_attribute("aria-valuenow", re.compile(r"^[1-9]"))


async def has_ended(ann: Visit, shown: Locator, record: Record, copies: int) -> None:
    """It is said that a part lies on the bed, and the host has printed so many to their end."""
    await expect(shown).to_contain_text(ann.say("state.bed_occupied"), timeout=ENDED_MS)
    await record.has(copies)


async def first_copy(ann: Visit, record: Record) -> None:
    """Watched on the farm; the queue says why the next one waits; cleared on the card."""
    await turn_to(ann, "farm")
    await is_printing(ann, card(ann, PRINTER), 1)
    await has_ended(ann, card(ann, PRINTER), record, 1)
    await expect(ann.main.get_by_role("heading", level=2).first).to_have_text(
        ann.say("farm.needs_you", count=1)
    )
    await examine(ann.page, "a printer that waits for its bed to be cleared")
    await turn_to(ann, "queue")
    waiting = ann.main.get_by_role("article", name=FILE, exact=True)
    why = ann.say("reason.code.bed_not_clear")
    await expect(waiting.get_by_text(why, exact=True)).to_be_visible()
    await expect(waiting).to_contain_text(ann.say("queue.copies", finished=1, copies=COPIES))
    await turn_to(ann, "farm")
    clear = ann.say("farm.act_clear_bed")
    await card(ann, PRINTER).get_by_role("button", name=clear, exact=True).click()


async def second_copy(ann: Visit, record: Record) -> None:
    """Watched and cleared on the printer's own page."""
    await card(ann, PRINTER).get_by_role("link", name=PRINTER, exact=True).click()
    await is_printing(ann, ann.main, 2)
    await has_ended(ann, ann.main, record, 2)
    await ann.button("printer.clear_bed").click(timeout=SEEN_MS)


async def third_copy(ann: Visit, record: Record) -> None:
    """Watched in the queue, and cleared where the farm says what it needs."""
    await turn_to(ann, "queue")
    job = ann.main.get_by_role("article", name=FILE, exact=True)
    running = job.filter(has_text=ann.say("queue.copy", copy=3, copies=COPIES))
    await expect(running).to_contain_text(ann.say("state.printing"), timeout=ENDED_MS)
    made = job.filter(has_text=ann.say("queue.copies", finished=3, copies=COPIES))
    await expect(made).to_contain_text(ann.say("queue.job_state.completed"), timeout=ENDED_MS)
    await turn_to(ann, "farm")
    await has_ended(ann, card(ann, PRINTER), record, 3)
    needs = ann.main.get_by_role("region", name=ann.say("farm.needs_you", count=1))
    await needs.get_by_role("button", name=ann.say("farm.act_clear_bed"), exact=True).click()
    await expect(card(ann, PRINTER)).to_contain_text(ann.say("state.ready"))
    await expect(needs).to_have_count(0)


async def history_is_right(ann: Visit) -> None:
    """Three prints, the last one first, each completed on the printer."""
    await turn_to(ann, "history")
    rows = ann.main.get_by_role("listitem")
    await expect(rows).to_have_count(COPIES)
    for row, copy in zip(await rows.all(), range(COPIES, 0, -1), strict=True):
        await expect(row).to_contain_text(ann.say("history.states.completed"))
        await expect(row).to_contain_text(FILE)
        await expect(row).to_contain_text(ann.say("history.line", job=1, copy=copy))
        await expect(row).to_contain_text(PRINTER)
    await rows.first.get_by_role("button").click()
    details = ann.page.get_by_role("dialog")
    await expect(details).to_contain_text(ann.say("history.try", copy=COPIES, **{"try": 1}))
    await ann.page.keyboard.press("Escape")


@READERS
async def test_a_fresh_installation_comes_to_three_finished_prints_by_its_pages_alone(
    octoprint: OctoPrintHost,
    site: Site,
    visit: Opener,
    tmp_path: Path,
    language: Language,
    phone: bool,
) -> None:
    record = Record(octoprint, len(octoprint.completions()))
    started = len(octoprint.starts())
    file = tmp_path / FILE
    file.write_bytes(part(PRINT_S))
    ann = await visit(site, language=language, phone=phone)
    await ann.page.goto(await site.set_up_link())
    await set_up(ann, "ann")
    await is_live(ann)
    await add_printer(ann, octoprint)
    await send(ann, file)
    await order(ann, COPIES)
    await first_copy(ann, record)
    await second_copy(ann, record)
    await third_copy(ann, record)
    await history_is_right(ann)
    made = Counter(record.ends())
    assert set(made.values()) == {1}, "each under a name of its own"
    assert Counter(octoprint.starts()[started:]) == made, "each was started once"
    assert all(OURS.match(path) for path in made)
