"""One simulated OctoPrint box: its address, disk and printer, and the program that boots on it."""

from __future__ import annotations

import asyncio
import socket
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from buildplate_sim.journal import Journal, Scribe
from buildplate_sim.machine import Machine
from buildplate_sim.octoprint.api import Api
from buildplate_sim.octoprint.delivery import ANSWER_FAULTS, REQUEST_FAULTS, Delivery, Drip
from buildplate_sim.octoprint.launch import START_FAULTS, Launcher
from buildplate_sim.octoprint.plays import PRINT_FAULTS, Plays
from buildplate_sim.octoprint.push import PushSocket
from buildplate_sim.octoprint.shelf import Shelf
from buildplate_sim.octoprint.software import OctoPrint
from buildplate_sim.octoprint.upload import UPLOAD_FAULTS, Upload
from buildplate_sim.pulse import Pulse
from buildplate_sim.rules import RuleBook
from buildplate_sim.web import Connection, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path
    from random import Random

    from buildplate_sim.gcode import Library

FAULTS = {
    "request": REQUEST_FAULTS,
    "answer": ANSWER_FAULTS,
    "start": START_FAULTS,
    "print": PRINT_FAULTS,
    "upload": UPLOAD_FAULTS,
}


BACKLOG = 256
"""Connections that the kernel keeps for a program that does not accept them."""


class Host:
    """A box that is switched on and off; what is on its disk and on its bed stays."""

    def __init__(
        self,
        name: str,
        root: Path,
        *,
        factor: float,
        random: Random,
        scribe: Scribe,
        library: Library,
        later: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.key = f"{name}-".ljust(32, "k")
        self.random = random
        self.library = library
        self.later = later
        self.pulse = Pulse(factor)
        self.journal = Journal(root / "log.jsonl", scribe)
        self.journal.write("power-on")
        self.machine = Machine(self.journal, self.pulse)
        self.shelf = Shelf(root)
        self.rules = RuleBook(FAULTS, random)
        self.log_path = root / "octoprint.log"
        self._log = self.log_path.open("a", encoding="utf-8", buffering=1)
        self.skew = 0.0
        self.revoked = False
        self.hushed = False
        self.drip: Drip | None = None
        self.software: OctoPrint | None = None
        self._launcher: Launcher | None = None
        self.connections: set[Connection] = set()
        self.address = ("", 0)
        self.api = Api(self)
        self.plays = Plays(self)
        self.delivery = Delivery(self)
        self._server: asyncio.Server | None = None
        self._socket: socket.socket | None = None

    # --- the box

    @property
    def base(self) -> str:
        """The address clients use."""
        return f"http://{self.address[0]}:{self.address[1]}"

    @property
    def running(self) -> OctoPrint:
        """The program; only asked for where a request has reached it."""
        assert self.software is not None  # noqa: S101 -- requests reach running programs only
        return self.software

    @property
    def launcher(self) -> Launcher:
        """Starts on their way."""
        assert self._launcher is not None  # noqa: S101 -- there is one as long as the program runs
        return self._launcher

    def true_time(self) -> float:
        """Unix seconds."""
        return time.time()

    def time(self) -> float:
        """Unix seconds by the box's own clock."""
        return time.time() + self.skew

    async def listen(self, address: str, port: int) -> None:
        """Accept connections; port 0 takes a free one, and keeps it from then on."""
        self.address = (address, port)
        await self._serve(self._bind())

    def listen_again(self) -> None:
        """Accept connections where it did before; the kernel does so from now on."""
        if self._socket is None:
            self.later(self._serve(self._bind()))

    def _bind(self) -> socket.socket:
        self._socket = listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(self.address)
        listening.listen(BACKLOG)
        self.address = listening.getsockname()
        return listening

    async def _serve(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Connection(self), sock=listening)
        if self._socket is listening:
            self._server = server
        else:
            server.close()

    def deafen(self) -> None:
        """Refuse connections, and drop those there are."""
        self._socket = None
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in list(self.connections):
            connection.reset()

    def boot(self, *, connect: bool = True) -> None:
        """Start the program; nothing of the former one's memory is left."""
        self.software = OctoPrint(self)
        self._launcher = Launcher(self.software)
        self.note("octoprint.server", "Starting OctoPrint 1.11.8")
        if connect:
            self.software.connect()

    def kill(self) -> None:
        """Kill -9."""
        self.journal.write("killed")
        if self.software is not None:
            self.software.die()
        self.software = None
        self.thaw()
        self.deafen()

    def shut_down(self, *, counted: bool = False) -> None:
        """End the program in good order; `counted`: a print that runs is noted as failed."""
        self.journal.write("shut-down")
        if self.software is not None:
            software, self.software = self.software, None
            software.shut_down(counted=counted)
        self.deafen()

    def freeze(self) -> None:
        """Stop the program like SIGSTOP: the kernel still accepts and keeps what arrives."""
        self.journal.write("frozen")
        self.pulse.freeze()
        for connection in self.connections:
            connection.pause()

    def thaw(self) -> None:
        """Let it go on and carry out what has arrived, its sender there or not."""
        if not self.pulse.frozen:
            return
        self.journal.write("thawed")
        self.pulse.thaw()
        for connection in list(self.connections):
            connection.resume()

    def wake_after(self, seconds: float) -> None:
        """Thaw after so many simulated seconds, which pass outside the frozen box."""
        asyncio.get_running_loop().call_later(seconds / self.pulse.factor, self.thaw)

    def close(self) -> None:
        """Switch off for good."""
        self.deafen()
        self.pulse.clear()
        self._log.close()

    # --- octoprint.log

    def note(self, logger: str, text: str) -> None:
        """Write a line of octoprint.log."""
        stamp = datetime.fromtimestamp(self.time(), UTC).strftime("%Y-%m-%d %H:%M:%S,%f")[:-3]
        self._log.write(f"{stamp} - {logger} - INFO - {text}\n")

    def note_state(self, before: str, after: str) -> None:
        """Write the line of a change of state."""
        self.note("octoprint.util.comm", f'Changing monitoring state from "{before}" to "{after}"')

    # --- connections and requests

    def opened(self, connection: Connection) -> None:
        """A client has connected."""
        self.connections.add(connection)
        if self.pulse.frozen:
            connection.pause()

    def closed(self, connection: Connection) -> None:
        """A client is gone."""
        self.connections.discard(connection)

    def begun(self, connection: Connection, request: Request) -> None:  # noqa: ARG002 -- Site's signature
        """Headers are here: an upload goes to disk as it arrives."""
        kind = request.headers.get("content-type", "")
        uploads = (request.method, request.path) == ("POST", "/api/files/local")
        if uploads and kind.startswith("multipart/form-data") and self.api.allowed(request):
            rule = self.rules.take("upload", request.method, request.path)
            request.sink = Upload(self.shelf, kind, rule.play if rule is not None else "")

    def complete(self, connection: Connection, request: Request) -> None:
        """A request is here."""
        if self.software is not None:
            self.delivery.receive(connection, request)

    def upgrade(self, connection: Connection, request: Request) -> None:
        """Open the push socket."""
        connection.upgrade(request, lambda c: PushSocket(c, self.running))

    def push_out(self, socket: PushSocket, framed: bytes) -> None:
        """Send a push message, unless the socket is kept silent."""
        if self.hushed:
            return
        if self.drip is not None:
            self.drip.send(socket.connection, framed)
        else:
            socket.send(framed)
