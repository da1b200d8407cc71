"""A file with words for a firmware's console is not streamed to a firmware that has one."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildplate.drivers.marlin.orders import for_console
from buildplate.drivers.marlin.source import pieces
from buildplate.drivers.sdk import Refused
from buildplate.protocols.marlin import Dialect
from tests.unit.drivers.marlin.pty_board import CardBoard, driven
from tests.unit.drivers.marlin.test_starting import FILE, body

WORDS = [
    b"rm /sd/config", b"play /sd/other.gcode", b"  reset", b"$X", b"@pause", b"N12 upload /sd/x",
    b"M1000 rm /sd/config", b"M01000 dfu", b"G28 M1000 reset",
]  # fmt: skip
NONE = [
    b"G28", b"g1 x10 y10", b"m104 s200", b"t0", b"; play it safe", b"(rm)", b"M117 M1000 is none",
    b"M117 play", b"M10001", b"X10 Y20", b"EXCLUDE_OBJECT", b"", b"   ", b"G1 X1 ; rm", b"N3 G28",
]  # fmt: skip


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_word_for_the_console_is_named(tmp_path: Path, word: bytes, end: bytes) -> None:
    path = tmp_path / "print.gcode"
    path.write_bytes(end.join([b"; x" * 20, b"G28", word, b"G1 X1 Y1 E1", b""]))
    found = for_console(pieces(path), Dialect.SMOOTHIE)
    assert isinstance(found, Refused)
    assert word.decode().strip().removeprefix("N12 ") in found.detail
    assert for_console(pieces(path), Dialect.MARLIN2) is None, "a firmware without a console"


def test_what_is_no_word_for_the_console_is_let_through(tmp_path: Path) -> None:
    path = tmp_path / "print.gcode"
    path.write_bytes(b"\n".join(NONE))
    assert for_console(pieces(path), Dialect.SMOOTHIE) is None


async def test_nothing_is_sent_of_a_file_with_such_a_word(tmp_path: Path) -> None:
    board = CardBoard(b"Not SD printing")
    async with driven(board, tmp_path) as driver:
        path = await driver.upload("bp-1-1.gcode", body(FILE + b"rm /sd/config\n"))
        answer = await driver.start(path)
        assert isinstance(answer, Refused)
        assert answer.code == "console_word"
        assert b"G28" not in board.accepted
