"""What a start answers, from what really happened on the line."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from buildplate.drivers.marlin import client
from buildplate.drivers.marlin.driver import SerialDriver
from buildplate.drivers.marlin.printing import Printing
from buildplate.drivers.marlin.source import SourceFile
from buildplate.drivers.sdk import Accepted, Activity, FileBody, Gcode, Reading, Refused, Unknown
from tests.unit.drivers.marlin.full_disk import full_disk
from tests.unit.drivers.marlin.pty_board import CardBoard, driven

pytestmark = pytest.mark.timeout(30)
NO_PRINT = b"Not SD printing"
FILE = b"G28\n" + b"".join(b"G1 X%d Y1 E%d\n" % (n, n) for n in range(1, 30)) + b"M84\n"


def body(content: bytes) -> FileBody:
    async def pieces() -> AsyncIterator[bytes]:
        yield content

    return FileBody(len(content), hashlib.sha256(content).hexdigest(), pieces)


async def test_a_print_that_ends_at_once_was_not_refused(tmp_path: Path) -> None:
    board = CardBoard(NO_PRINT)
    async with driven(board, tmp_path) as driver:
        path = await driver.upload("bp-1-1.gcode", body(FILE))
        line = driver._line
        assert line is not None
        begin = line.begin_print

        def ended_at_once(path: str, source: SourceFile) -> Printing | None:
            begin(path, source)
            begun, line.printing = line.printing, None
            if begun is not None:
                begun.advance()
                begun.fail("the printer was reset while it printed")
            return begun

        line.begin_print = ended_at_once  # type: ignore[method-assign]
        answer = await driver.start(path)
        assert isinstance(answer, Unknown)
        assert "the printer was reset" in answer.detail


async def test_nothing_is_sent_of_a_print_that_cannot_be_noted(tmp_path: Path) -> None:
    board = CardBoard(NO_PRINT)
    async with driven(board, tmp_path) as driver:
        path = await driver.upload("bp-1-1.gcode", body(FILE))
        with full_disk(tmp_path / "runs.jsonl", 20):
            answer = await driver.start(path)
        assert isinstance(answer, Refused)
        assert answer.code == "no_note"
        assert b"G28" not in board.accepted
        assert await driver.start(path) == Accepted()
        assert b"G28" in board.accepted


NEVER_S, OFTEN_S = 1e6, 0.2
RUNNING = b"SD printing byte 10/900"


async def seen(driver: SerialDriver, wanted: Activity) -> Reading:
    """A look that finds the printer at this."""
    async with asyncio.timeout(5):
        while (reading := await driver.look(None)).activity is not wanted:
            await asyncio.sleep(0.02)
    return reading


async def test_a_print_that_a_person_starts_at_the_display_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "CARD_S", OFTEN_S)
    board = CardBoard(NO_PRINT)
    async with driven(board, tmp_path) as driver:
        assert (await driver.look(None)).activity is Activity.IDLE
        board.card = RUNNING
        assert (await seen(driver, Activity.FOREIGN)).foreign_ran
        board.card = NO_PRINT
        await seen(driver, Activity.IDLE)


async def test_no_print_begins_before_the_printer_has_said_that_its_card_is_idle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "CARD_S", NEVER_S)
    board = CardBoard(NO_PRINT)
    async with driven(board, tmp_path) as driver:
        path = await driver.upload("bp-1-1.gcode", body(FILE))
        assert (await driver.look(None)).activity is Activity.IDLE
        for word, code in ((RUNNING, "busy"), (b"SD print paused", "no_answer")):
            board.card = word
            answer = await driver.start(path)
            assert isinstance(answer, Refused)
            assert answer.code == code
            assert b"G28" not in board.accepted
            line = driver._line
            assert line is not None
            line.facts.card = None
        board.card = NO_PRINT
        assert await driver.start(path) == Accepted()


async def test_an_opened_file_is_busy_until_the_printer_says_what_became_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "CARD_S", NEVER_S)
    board = CardBoard(NO_PRINT)
    async with driven(board, tmp_path) as driver:
        path = await driver.upload("bp-1-1.gcode", body(FILE))
        board.said = b"File opened: a.gco Size: 900\nFile selected\n"
        reading = await seen(driver, Activity.BUSY)
        assert "own card" in reading.detail
        assert isinstance(await driver.start(path), Refused)
        board.said = b"Done printing file\n"
        assert (await seen(driver, Activity.IDLE)).foreign_ran
        board.said = b"echo:Now fresh file: a.gco\n"
        await seen(driver, Activity.BUSY)
        assert await driver.control(Gcode(("M27",))) == Accepted()
        await seen(driver, Activity.IDLE)
