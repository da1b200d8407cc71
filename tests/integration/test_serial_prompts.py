"""What a printer asks its host for, and what waits for a person: the print says what happened."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from buildplate.drivers.sdk import (
    Accepted,
    Activity,
    Ending,
    Reading,
    Refused,
    Run,
    Unknown,
    Watch,
)
from buildplate_sim.launch import Simulator, firmware_printers
from tests.integration.serial_printer import Held, codes, held, moves

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(60)]
FACTOR = 50.0
LONG = moves(400)


def with_line(line: str, at: int = 10, count: int = 25) -> bytes:
    """A print with this line between two of its moves."""
    lines = moves(count).split(b"\n")
    return b"\n".join([*lines[:at], line.encode(), *lines[at:]])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def simulator(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Simulator]:
    folder = tmp_path_factory.mktemp("boards")
    more = ["--cold", "--no-reset-on-open", "--no-thermal-protection"]
    async with firmware_printers(folder, time_factor=FACTOR, more=more) as running:
        yield running


def stands(reading: Reading) -> bool:
    return reading.activity is Activity.PAUSED


async def say(one: Held, *lines: str) -> None:
    await one.simulator.admin.do(one.name, "say", lines=list(lines))


async def taken(one: Held, before: int, content: bytes) -> list[str]:
    """The lines of this file that the board has accepted since then."""
    known = set(codes(content))
    return [str(e["text"]) for e in await one.record(before) if e.get("text") in known]


async def completed(one: Held, watch: Watch, before: int, content: bytes) -> None:
    """It ends well, and every line that the board took of it is the file's."""
    evidence = (await one.ended(watch)).evidence
    assert evidence is not None
    assert evidence.ending is Ending.COMPLETED, evidence
    hosts = {code for code in codes(content) if code.startswith(("M0", "M1 "))}
    sent = await taken(one, before, content)
    first = next(at for at, text in enumerate(sent) if text == "M82")
    assert sent[first:] == [code for code in codes(content) if code not in hosts]


async def test_a_filament_change_waits_for_a_person_and_a_resume_is_the_answer(
    simulator: Simulator, tmp_path: Path
) -> None:
    content = with_line("M600")
    async with held(simulator, tmp_path) as one:
        before = len(await one.record())
        watch = await one.begin(content)
        reading = await one.until(watch, lambda r: "Filament Change" in r.detail)
        assert reading.activity is Activity.PAUSED
        assert reading.evidence is not None
        assert reading.evidence.run is Run.PAUSED
        await asyncio.sleep(5 / FACTOR)
        assert (await taken(one, before, content))[-1] in {"M600", *codes(content)[9:14]}
        assert (await one.truth())["running"] == "M600"
        assert await one.driver.resume() == Accepted()
        await completed(one, watch, before, content)


async def test_a_line_that_is_spoilt_after_our_answer_to_the_printer_costs_no_print(
    tmp_path: Path,
) -> None:
    """The board answers M108 as it does a line: its answers have no numbers to tell them apart."""
    more = ["--cold", "--no-reset-on-open", "--no-thermal-protection", "--no-advanced-ok"]
    content = with_line("M600", at=4)
    async with (
        firmware_printers(
            tmp_path / "boards", dialect="marlin2", time_factor=FACTOR, more=[*more, "--paced"]
        ) as simulator,
        held(simulator, tmp_path) as one,
    ):
        before = len(await one.record())
        watch = await one.begin(content)
        await one.until(watch, stands)
        async with asyncio.timeout(10):
            while (await one.truth())["running"] != "M600" or not (await one.truth())["still"]:
                await asyncio.sleep(0.01)
        await one.simulator.admin.rule(one.name, "line", "corrupt", path="N* G1 X* E3 *", times=1)
        assert await one.driver.resume() == Accepted()
        await completed(one, watch, before, content)
        line = one.driver._line
        assert line is not None
        assert line._sender.resends


async def test_a_filament_change_that_is_answered_at_the_display_goes_on_by_itself(
    simulator: Simulator, tmp_path: Path
) -> None:
    content = with_line("M600")
    async with held(simulator, tmp_path) as one:
        before = len(await one.record())
        watch = await one.begin(content)
        await one.until(watch, lambda r: "Filament Change" in r.detail)
        await one.simulator.admin.do(one.name, "continue")
        await completed(one, watch, before, content)


@pytest.mark.parametrize("dialect", ["marlin2", "marlin1"])
async def test_a_cancel_during_a_filament_change_waits_for_the_person_and_says_so(
    tmp_path: Path, dialect: str
) -> None:
    """M108 would have the firmware load and purge filament under somebody's hands."""
    more = ["--cold", "--no-reset-on-open", "--no-thermal-protection"]
    async with (
        firmware_printers(
            tmp_path / "boards", dialect=dialect, time_factor=FACTOR, more=more
        ) as simulator,
        held(simulator, tmp_path) as one,
    ):
        before = len(await one.record())
        watch = await one.begin(with_line("M600"))
        await one.until(watch, stands)
        async with asyncio.timeout(10):
            while (await one.truth())["running"] != "M600" or not (await one.truth())["still"]:
                await asyncio.sleep(0.01)
        answer = await one.driver.cancel()
        assert isinstance(answer, Unknown)
        assert "once somebody has answered the printer at its display" in answer.detail
        hears = dialect == "marlin2"
        assert ("with an emergency stop at once" in answer.detail) is hears
        assert ("switched it off" in answer.detail) is not hears
        reading = await one.driver.look(watch)
        assert reading.activity is Activity.PAUSED
        assert reading.evidence is not None
        assert reading.evidence.run is Run.STOPPING
        assert answer.detail.partition(": ")[2] in reading.detail.split("; ")
        sent = [str(entry.get("text")) for entry in await one.record(before)]
        assert not [text for text in sent if text.startswith(("M108", "M876"))]
        assert (await one.truth())["running"] == "M600"
        await one.simulator.admin.do(one.name, "continue")
        assert "cancelled" in (await failed(one, watch))
        sent = [str(entry.get("text")) for entry in await one.record(before)]
        assert sent[sent.index("M600") + 1 :][0] == "M104 S0", "the script, and no move before it"


async def test_a_cancel_before_the_board_has_said_that_it_waits_does_not_answer_for_the_person(
    tmp_path: Path,
) -> None:
    """Without host actions the first word of it is the keepalive, 2 s after the wait began."""
    more = ["--cold", "--no-reset-on-open", "--no-thermal-protection", "--no-host-actions"]
    async with (
        firmware_printers(
            tmp_path / "boards", dialect="marlin2", time_factor=1.0, more=more
        ) as simulator,
        held(simulator, tmp_path) as one,
    ):
        before = len(await one.record())
        watch = await one.begin(with_line("M600", at=3))
        async with asyncio.timeout(20):
            while (await one.truth())["running"] != "M600":
                await asyncio.sleep(0.01)
        assert (await one.driver.look(watch)).activity is Activity.OURS, "it has not said so yet"
        answer = await one.driver.cancel()
        assert isinstance(answer, Unknown)
        assert "once somebody has answered" in answer.detail, "by then it has"
        sent = [str(entry.get("text")) for entry in await one.record(before)]
        assert not [text for text in sent if text.startswith(("M108", "M876"))]
        assert (await one.truth())["running"] == "M600"


async def test_without_an_ear_for_it_a_resume_is_refused_and_the_display_decides(
    tmp_path: Path,
) -> None:
    content = with_line("M600")
    more = ["--cold", "--no-reset-on-open", "--no-thermal-protection"]
    async with (
        firmware_printers(
            tmp_path / "boards", dialect="marlin1", time_factor=FACTOR, more=more
        ) as simulator,
        held(simulator, tmp_path) as one,
    ):
        before = len(await one.record())
        watch = await one.begin(content)
        reading = await one.until(watch, stands)
        assert "waits for a person" in reading.detail
        answer = await one.driver.resume()
        assert isinstance(answer, Refused)
        assert answer.code == "at_printer"
        assert (await one.truth())["running"] == "M600"
        await one.simulator.admin.do(one.name, "continue")
        await completed(one, watch, before, content)


async def test_filament_that_runs_out_parks_the_print_and_says_so(
    simulator: Simulator, tmp_path: Path
) -> None:
    content = moves(60)
    async with held(simulator, tmp_path) as one:
        before = len(await one.record())
        watch = await one.begin(content)
        await one.at_line(watch, 12)
        await one.simulator.admin.do(one.name, "runout")
        reading = await one.until(watch, stands)
        assert "filament has run out T0" in reading.detail
        assert (await one.truth())["position"]["z"] == pytest.approx(5), "it is parked"
        assert await one.driver.resume() == Accepted()
        await one.ended(watch)
        theirs = [t for t in await taken(one, before, content) if t.startswith("G1 X")]
        assert theirs == [code for code in codes(content) if code.startswith("G1 X")]


async def test_the_printer_pauses_and_resumes_by_its_own_word(
    simulator: Simulator, tmp_path: Path
) -> None:
    async with held(simulator, tmp_path) as one:
        watch = await one.begin(LONG)
        await one.at_line(watch, 12)
        await say(one, "//action:pause the door is open")
        assert "the door is open" in (await one.until(watch, stands)).detail
        await say(one, "//action:resume")
        await one.until(watch, lambda r: r.activity is Activity.OURS)
        await say(one, "//action:pause", "//action:resume")
        await one.at_line(watch, where(one) + 10)
        assert (await one.driver.look(watch)).activity is Activity.OURS, "it parked, and went on"
        assert await one.driver.cancel() == Accepted()


def where(one: Held) -> int:
    line = one.driver._line
    assert line is not None
    assert line.printing is not None
    return line.printing.line


async def ended_by(
    simulator: Simulator, folder: Path, word: str, lost: Callable[[Held], bool]
) -> str:
    """The reason of a print that the printer's word has ended, once that has come."""
    async with held(simulator, folder) as one:
        watch = await one.begin(LONG)
        await one.at_line(watch, 12)
        await say(one, word)
        if not lost(one):
            return await failed(one, watch)
        async with asyncio.timeout(10):
            while one.lost is None:
                await asyncio.sleep(0.01)
    async with held(simulator, folder) as again:
        return await failed(again, watch)


async def failed(one: Held, watch: Watch) -> str:
    evidence = (await one.ended(watch)).evidence
    assert evidence is not None
    assert evidence.ending is Ending.FAILED
    assert evidence.doubt is None
    return evidence.reason


async def test_a_cancel_at_the_printer_is_a_failure_that_says_so(
    simulator: Simulator, tmp_path: Path
) -> None:
    reason = await ended_by(simulator, tmp_path, "//action:cancel", lambda _: False)
    assert "cancelled at the printer" in reason


async def test_a_printer_that_wants_to_be_disconnected_ends_its_print_and_the_link(
    simulator: Simulator, tmp_path: Path
) -> None:
    reason = await ended_by(simulator, tmp_path, "//action:disconnect", lambda _: True)
    assert "asked to be disconnected" in reason
    assert "last accepted line is" in reason


async def test_a_wait_in_the_file_is_ours_and_shows_its_text(
    simulator: Simulator, tmp_path: Path
) -> None:
    content = with_line("M0 put the magnets in")
    async with held(simulator, tmp_path) as one:
        before = len(await one.record())
        watch = await one.begin(content)
        reading = await one.until(watch, stands)
        assert "put the magnets in" in reading.detail
        await asyncio.sleep(5 / FACTOR)
        sent = await taken(one, before, content)
        assert len([text for text in sent if text.startswith("G1 X")]) == 6
        assert await one.driver.resume() == Accepted()
        await completed(one, watch, before, content)


@pytest.mark.parametrize("wait", ["M0 S8", "M0 put the magnets in"])
async def test_a_print_that_begins_with_a_wait_has_started(
    simulator: Simulator, tmp_path: Path, wait: str
) -> None:
    """The wait is longer than a command may take."""
    content = wait.encode() + b"\n" + moves(5)
    async with held(simulator, tmp_path) as one:
        before = len(await one.record())
        watch = await one.begin(content)
        reading = await one.until(watch, stands)
        assert reading.evidence is not None
        assert reading.evidence.run is Run.PAUSED
        assert await one.driver.resume() == Accepted()
        await completed(one, watch, before, content)
