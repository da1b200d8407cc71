"""A board that says what a test tells it to, on a socket, and the line that is connected to it."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from buildplate.drivers.marlin.client import Line, Link
from buildplate.drivers.marlin.config import read_settings
from buildplate.drivers.marlin.notes import Notes
from buildplate.drivers.marlin.printing import Phase, Printing
from buildplate.drivers.marlin.source import SourceFile

WITHIN_S = 8.0
_LINE = re.compile(r"(?:N\d+ )?([^*]*?) ?(?:\*\d+)?$")


@dataclass
class Board:
    """Answers each line, but works on codes in `held` until it is let go; `sent` is what it got.

    `places`: whether it tells its position.
    """

    temperatures: str = "T:20.0 /0.0 B:20.0 /0.0"
    abilities: dict[str, bool] = field(default_factory=dict)
    held: tuple[str, ...] = ()
    sent: list[str] = field(default_factory=list)
    places: bool = True

    def __post_init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._peer: socket.socket | None = None
        self._waiting: list[str] = []
        self._turn = threading.Lock()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def say(self, text: str) -> None:
        """Write a line of its own accord."""
        assert self._peer is not None
        self._peer.sendall(text.encode() + b"\n")

    def let_go(self) -> None:
        """Be done with what was held, and hold nothing any more."""
        with self._turn:
            self.held = ()
            waiting, self._waiting = self._waiting, []
            for code in waiting:
                self._answer(code)

    def close(self) -> None:
        """Hang up."""
        self._server.close()
        if self._peer is not None:
            with suppress(OSError):
                self._peer.shutdown(socket.SHUT_RDWR)
        self._thread.join(WITHIN_S)

    def _serve(self) -> None:
        with suppress(OSError):
            self._peer = self._server.accept()[0]
            with self._peer, self._peer.makefile("rb") as lines:
                for raw in lines:
                    found = _LINE.match(raw.decode("latin-1").strip())
                    code = found[1].strip() if found else ""
                    if code:
                        self.sent.append(code)
                        with self._turn:
                            self._take(code)

    def _take(self, code: str) -> None:
        if code in {"M108", "M112"}:
            return
        if self._waiting or (self.held and code.startswith(self.held)):
            self._waiting.append(code)
        else:
            self._answer(code)

    def _answer(self, code: str) -> None:
        word = code.split(maxsplit=1)[0]
        if word == "M105":
            self.say(f"ok {self.temperatures}")
            return
        if word == "M114" and self.places:
            self.say("X:10.00 Y:20.00 Z:0.30 E:5.00 Count X:0 Y:0 Z:0")
        if word == "M115":
            self.say("FIRMWARE_NAME:Marlin 2.1.2 MACHINE_TYPE:Test EXTRUDER_COUNT:1")
            for name, on in self.abilities.items():
                self.say(f"Cap:{name}:{int(on)}")
        self.say("ok")


@dataclass
class Connected:
    """A line on a board, with the notes of its prints."""

    board: Board
    line: Line
    notes: Notes
    folder: Path

    def begin(self, *codes: str) -> Printing:
        """Begin to stream a file with these lines."""
        path = self.folder / "bp-1-1.gcode"
        path.write_text("\n".join(codes) + "\n")
        source = SourceFile(path)
        until(lambda: self.line.submit(self.line.renumber).result(WITHIN_S))
        until(lambda: self.line.submit(lambda: self.line.begin_print(path.name, source)).result(5))
        printing = self.line.printing
        assert printing is not None
        return printing

    def paused(self, printing: Printing) -> None:
        """Wait until the print stands."""
        until(lambda: printing.phase is Phase.PAUSED)

    def sent_after(self, mark: int) -> list[str]:
        """What the board was sent since it had so many lines, questions left out."""
        return [code for code in self.board.sent[mark:] if code not in {"M105", "M27"}]


def until(wanted: Callable[[], Any], within_s: float = WITHIN_S) -> None:
    """Wait for it to come true."""
    limit = time.monotonic() + within_s
    while not wanted():
        assert time.monotonic() < limit, "it never came true"
        time.sleep(0.005)  # noqa: TID251 (a thread is waited for)


@contextmanager
def connected(
    folder: Path, board: Board, *, notes: Notes | None = None, **settings: Any
) -> Iterator[Connected]:
    """A line that has greeted the board, for the block."""
    loop = asyncio.new_event_loop()
    notes = Notes(folder) if notes is None else notes
    link = Link(
        settings=read_settings({"port": f"socket://127.0.0.1:{board.port}", **settings}),
        notes=notes,
        may_act=lambda: True,
        greeting_s=8.0,
        answer_s=5.0,
    )
    line = Line(link, loop)
    line.start()
    try:
        line.ready.result(WITHIN_S)
        yield Connected(board, line, notes, folder)
    finally:
        line.close()
        line.join(WITHIN_S)
        board.close()
        notes.close()
        loop.close()
