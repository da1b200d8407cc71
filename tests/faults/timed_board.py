"""A board on a pseudo-terminal that notes when each command reached it; a process of its own.

`python -m tests.faults.timed_board [LINES_PER_SECOND]`

It answers each line at once, or moves no faster than it is told. It says its device, and then of
each command that is neither a move nor a question: when it was read (CLOCK_MONOTONIC, which all
processes share), its text, and how many moves came before. M112 is noted and not obeyed, so that a
stream goes on and the next stop can be timed.
"""

from __future__ import annotations

import json
import os
import sys
import time
import tty

QUESTIONS = (b"M105", b"M27", b"M115", b"M110", b"M155", b"M114", b"M400")


def say(**facts: object) -> None:
    """Tell who started the board."""
    print(json.dumps(facts), flush=True)


class TimedBoard:
    """Takes bytes, gives answers."""

    def __init__(self, rate: float) -> None:
        self.moves = 0
        self._rate = rate
        self._rest = b""
        self._began = 0.0

    def hear(self, data: bytes, at: float) -> bytes:
        """The answers to what came at this time."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        return b"".join([self._answer(line, at) for line in lines if line])

    def _answer(self, line: bytes, at: float) -> bytes:
        number, _, code = line.partition(b" ") if line[:1] == b"N" else (b"", b"", line)
        code = code.partition(b"*")[0]
        if code[:2] == b"G1":
            self.moves += 1
            self._pace(at)
        elif not code.startswith(QUESTIONS):
            say(at=at, text=code.decode("latin-1"), moves=self.moves)
        if code == b"M112":
            return b""
        more = {
            b"M105": b" T:21.00 /0.00 B:21.00 /0.00 @:0 B@:0\n",
            b"M115": b"FIRMWARE_NAME:Marlin 2.1.2.1 EXTRUDER_COUNT:1\nCap:EMERGENCY_PARSER:1\n",
            b"M114": b"X:0.00 Y:0.00 Z:0.00 E:0.00 Count X:0 Y:0 Z:0\n",
        }.get(code, b"")
        return more + (b"ok %b P15 B3\n" % number if number else b"ok\n")

    def _pace(self, at: float) -> None:
        if not self._rate:
            return
        if self.moves == 1:
            self._began = at
        early = self._began + self.moves / self._rate - time.monotonic()
        if early > 0:
            time.sleep(early)  # noqa: TID251 (a process of its own, without a loop)


def main(rate: float) -> None:
    """Serve until whoever started it is gone."""
    master, slave = os.openpty()
    tty.setraw(slave)
    say(device=os.ttyname(slave))
    board = TimedBoard(rate)
    while True:
        data = os.read(master, 1 << 16)
        os.write(master, board.hear(data, time.monotonic()))


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 0.0)
