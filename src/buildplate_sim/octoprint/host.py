"""One simulated OctoPrint box: its disk, clock and printer, and the program that boots on it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from buildplate_sim.journal import Journal, Scribe
from buildplate_sim.machine import Machine
from buildplate_sim.octoprint.answers import USER
from buildplate_sim.octoprint.api import Api
from buildplate_sim.octoprint.by_hand import ByHand
from buildplate_sim.octoprint.delivery import ANSWER_FAULTS, REQUEST_FAULTS, Drip
from buildplate_sim.octoprint.door import Door
from buildplate_sim.octoprint.launch import START_FAULTS
from buildplate_sim.octoprint.logbook import Logbook
from buildplate_sim.octoprint.plays import PRINT_FAULTS, Plays
from buildplate_sim.octoprint.shelf import Shelf
from buildplate_sim.octoprint.software import OctoPrint
from buildplate_sim.pulse import Pulse
from buildplate_sim.rules import RuleBook
from buildplate_sim.upload import HALF_STORED, UPLOAD_FAULTS

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path
    from random import Random

    from buildplate_sim.gcode import Library
    from buildplate_sim.octoprint.push import PushSocket
    from buildplate_sim.rules import Rule
    from buildplate_sim.web import Request

FAULTS = {
    "request": REQUEST_FAULTS,
    "answer": ANSWER_FAULTS,
    "start": START_FAULTS,
    "print": PRINT_FAULTS,
    "upload": UPLOAD_FAULTS,
}

FULL_S = 60.0
"""Simulated seconds for which a disk is full whose rule does not say."""


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
        user: str = USER,
    ) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.key = f"{name}-".ljust(32, "k")
        self.user = user
        self.random = random
        self.library = library
        self.later = later
        self.skew = 0.0
        self.revoked = False
        self.hushed = False
        self.drip: Drip | None = None
        self.pulse = Pulse(factor)
        self.journal = Journal(root / "log.jsonl", scribe)
        self.journal.write("power-on")
        self.machine = Machine(self.journal, self.pulse)
        self.by_hand = ByHand(self)
        self.shelf = Shelf(root)
        self.log = Logbook(root / "octoprint.log", self.time)
        self.rules = RuleBook(FAULTS, random)
        self.api = Api(self)
        self.plays = Plays(self)
        self.door = Door(self)
        self.software: OctoPrint | None = None
        self._filled: tuple[Rule, float] | None = None

    @property
    def disk_full(self) -> bool:
        """Whether a full disk is being played: for a while, or until its rule is removed."""
        if self._filled is None:
            return False
        rule, until = self._filled
        return self.pulse.now < until and rule in self.rules.rules

    def upload_play(self, request: Request) -> str:
        """What is played on an upload that begins to arrive; '' nothing."""
        if not self.disk_full:
            rule = self.rules.take("upload", request.method, request.path)
            if rule is None or rule.play != "disk-full":
                return rule.play if rule is not None else ""
            self._filled = (rule, self.pulse.now + self.rules.draw(rule, "seconds", FULL_S))
        answered = self._filled is not None and self._filled[0].params.get("answered")
        return HALF_STORED if answered else "disk-full"

    @property
    def running(self) -> OctoPrint:
        """The program; only asked for where a request has reached it."""
        assert self.software is not None  # noqa: S101 -- requests reach running programs only
        return self.software

    def true_time(self) -> float:
        """Unix seconds."""
        return time.time()

    def time(self) -> float:
        """Unix seconds by the box's own clock."""
        return time.time() + self.skew

    def boot(self, *, connect: bool = True) -> None:
        """Start the program; nothing of the former one's memory is left."""
        self.software = OctoPrint(self)
        self.log.note("octoprint.startup", "Starting OctoPrint 1.11.8")
        if connect:
            self.software.line.connect()

    def kill(self) -> None:
        """Kill -9."""
        self.journal.write("killed")
        if self.software is not None:
            self.software.die()
        self.software = None
        self.thaw()
        self.door.deafen()

    def shut_down(self, *, counted: bool = False) -> None:
        """End the program in good order; `counted`: a print that runs is noted as failed."""
        self.journal.write("shut-down")
        if self.software is not None:
            software, self.software = self.software, None
            software.shut_down(counted=counted)
        self.door.deafen()

    def freeze(self) -> None:
        """Stop the program like SIGSTOP: the kernel still accepts and keeps what arrives."""
        self.journal.write("frozen")
        self.pulse.freeze()
        self.door.pause()

    def thaw(self) -> None:
        """Let it go on and carry out what has arrived, its sender there or not."""
        if not self.pulse.frozen:
            return
        self.journal.write("thawed")
        self.pulse.thaw()
        self.door.resume()

    def wake_after(self, seconds: float) -> None:
        """Thaw after so many simulated seconds, which pass outside the frozen box."""
        asyncio.get_running_loop().call_later(seconds / self.pulse.factor, self.thaw)

    def push_out(self, socket: PushSocket, framed: bytes) -> None:
        """Send a push message, unless the socket is kept silent."""
        if self.hushed:
            return
        if self.drip is not None:
            self.drip.send(socket.connection, framed)
        else:
            socket.send(framed)

    def play(self, action: str, params: dict[str, Any]) -> None:
        """Do something to it, as docs/reference/simulators.md names it."""
        self.plays.play(action, params)

    def show(self) -> dict[str, Any]:
        """The truth about it."""
        machine, software = self.machine, self.software
        run = machine.run
        return {
            "name": self.name,
            "url": self.door.base,
            "api_key": self.key,
            "running": software is not None,
            "frozen": self.pulse.frozen,
            "state": software.views.state_text() if software is not None else None,
            "selected": software.job.selected.path
            if software is not None and software.job.selected is not None
            else None,
            "bed": machine.bed,
            "by_hand": self.by_hand.show(),
            "temperatures": machine.temperatures(),
            "runs": machine.runs,
            "completed": machine.completed,
            "run": None
            if run is None or run.ended
            else {"id": run.id, "path": run.path, "sha256": run.sha256, "foreign": run.foreign},
            "files": sorted(self.shelf.files),
            "clients": len(software.voice.sockets) if software is not None else 0,
        }

    def close(self) -> None:
        """Switch off for good."""
        self.door.deafen()
        self.pulse.clear()
        self.log.close()
