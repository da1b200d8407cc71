"""A board on a pseudo terminal that says what a test wants, and a driver on it."""

from __future__ import annotations

import os
import select
import threading
import tty
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import cast

from buildplate.drivers.marlin import DRIVER
from buildplate.drivers.marlin.driver import SerialDriver
from buildplate.drivers.sdk import DriverTimings
from tests.unit.protocols.bad_wire import PlainFirmware

PATIENCE_S = 0.05


class CardBoard(PlainFirmware):
    """A plain firmware with a slot for a card: `card` is what M27 is answered with."""

    def __init__(self, card: bytes) -> None:
        super().__init__()
        self.card = card
        self.asked_card = 0
        self.said = b""
        self.mute = b"\0"
        """A code that is taken and never answered, and all that come behind it."""

    def hear(self, data: bytes) -> bytes:
        """Bytes from the host; the answers."""
        before = len(self.accepted)
        answers = super().hear(data)
        taken = self.accepted[before:]
        if any(code.startswith(self.mute) for code in self.accepted):
            return b""
        questions = taken.count(b"M27")
        self.asked_card += questions
        said, self.said = self.said, b""
        return said + (self.card + b"\n") * questions + answers


@contextmanager
def on_a_port(board: PlainFirmware) -> Iterator[str]:
    """Serve the board in a thread; its port."""
    master, slave = os.openpty()
    tty.setraw(slave)
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            if select.select([master], [], [], PATIENCE_S)[0]:
                os.write(master, board.hear(os.read(master, 4096)))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield os.ttyname(slave)
    finally:
        over.set()
        thread.join(5)
        os.close(slave)
        os.close(master)


@asynccontextmanager
async def driven(board: PlainFirmware, notes: Path) -> AsyncIterator[SerialDriver]:
    """A connected driver of this board."""
    with on_a_port(board) as port:
        timings = DriverTimings(request=2.0, command=2.0, notes=notes)
        driver = cast("SerialDriver", DRIVER.make({"port": port, "baud": 115200}, timings))
        try:
            await driver.connect()
            yield driver
        finally:
            await driver.close()
