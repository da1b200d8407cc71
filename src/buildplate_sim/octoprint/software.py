"""One boot of a simulated OctoPrint: the program that dies at a kill, its files and log do not."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from buildplate_sim.octoprint.job import Job
from buildplate_sim.octoprint.launch import Launcher
from buildplate_sim.octoprint.line import Line
from buildplate_sim.octoprint.states import BUSY, OPERATIONAL, TEXT, State
from buildplate_sim.octoprint.views import Views
from buildplate_sim.octoprint.voice import Voice

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildplate_sim.octoprint.host import Host
    from buildplate_sim.pulse import Timer

COMM_LOGGER = "octoprint.util.comm"


class OctoPrint:
    """The program of one boot, put together from its parts."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.machine = host.machine
        self.shelf = host.shelf
        self.state = State.OFFLINE
        self.dead = False
        self.sessions: dict[str, str] = {}
        self.config_hash = hashlib.md5(host.name.encode(), usedforsecurity=False).hexdigest()
        self.voice = Voice(self)
        self.line = Line(self)
        self.job = Job(self)
        self.launcher = Launcher(self)
        self.views = Views(self)

    @property
    def operational(self) -> bool:
        """Whether the printer can be talked to."""
        return self.state in OPERATIONAL

    @property
    def busy(self) -> bool:
        """Whether no other file can be selected."""
        return self.state in BUSY or self.job.starting

    def session_valid(self, token: str) -> bool:
        """Whether `name:session` is one that a login has handed out."""
        name, _, session = token.partition(":")
        return self.sessions.get(session) == name and not self.host.revoked

    def after(self, seconds: float, call: Callable[[], None]) -> Timer:
        """Call later, unless this boot is over by then."""
        return self.host.pulse.after(seconds, lambda: None if self.dead else call())

    def change(self, state: State) -> None:
        """Enter a state and tell."""
        before, self.state = TEXT[self.state], state
        after = self.views.state_text()
        self.host.log.note(COMM_LOGGER, f'Changing monitoring state from "{before}" to "{after}"')
        facts = {"state_id": state.value, "state_string": TEXT[state]}
        self.voice.emit("PrinterStateChanged", facts)

    def shut_down(self, *, counted: bool) -> None:
        """End in good order. A print that runs is not told of; `counted`: its history grows.

        The real one, ended by SIGTERM, was observed to write nothing; one that is asked to
        disconnect first counts a failure.
        """
        stored, run = self.job.selected, self.machine.run
        if counted and run is not None and not run.ended and stored is not None:
            date = self.host.true_time()
            self.shelf.log_print(stored.path, success=False, seconds=None, date=date)
        self.die()

    def die(self) -> None:
        """Kill -9: nothing is written, nobody is told, the printer stands still."""
        self.dead = True
        for socket in list(self.voice.sockets):
            socket.connection.reset()
        self.voice.sockets.clear()
        self.machine.end("stopped", lambda _spent: None)
