"""One boot of a simulated OctoPrint: its connection to the printer, its one job, its events."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from buildplate_sim.machine import Order
from buildplate_sim.octoprint.flight import Flight
from buildplate_sim.octoprint.push import PushSocket, message
from buildplate_sim.octoprint.states import BUSY, OPERATIONAL, TEXT, State
from buildplate_sim.octoprint.views import Views

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildplate_sim.octoprint.host import Host
    from buildplate_sim.octoprint.shelf import Stored
    from buildplate_sim.pulse import Timer

OPENING_S, OPENED_S = 0.01, 0.07
STARTING_S = 0.01
PAUSE_S = (0.3, 0.5)
RESUME_S = 0.02
CANCEL_S = 0.13
HISTORY_S = 0.01
FINISHING_S = (0.0, 0.045)
DROP_S = 0.7
MARKING_LIFE_S = 1800.0

HALTED = "Thermal Runaway, system stopped! Heater_ID: bed - Printer halted. kill() called!"
ESTOPPED = "Closing serial port due to emergency stop M112."
DROPPED = "SerialTimeoutException: "


def _words(stored: Stored, user: str | None) -> str:
    return f"origin: local, path: {stored.path}, owner: {user}, user: {user}"


class OctoPrint:
    """The host program. It dies at a kill or restart; its files and its log stay."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.machine = host.machine
        self.shelf = host.shelf
        self.views = Views(self)
        self.push: set[PushSocket] = set()
        self.sessions: dict[str, str] = {}
        self.state = State.OFFLINE
        self.error = ""
        self.printer_error: dict[str, Any] = {"error": "", "reason": ""}
        self.selected: Stored | None = None
        self.selected_by: str | None = None
        self.never_selected = True
        self.finished: float | None = None
        self.markings: list[dict[str, Any]] = []
        self.starting = False
        self.shows_progress = False
        self.wedged = False
        self.dead = False
        self.config_hash = hashlib.md5(host.name.encode(), usedforsecurity=False).hexdigest()
        self.owner: str | None = None

    # --- what others ask

    @property
    def operational(self) -> bool:
        """Whether the printer can be talked to."""
        return self.state in OPERATIONAL

    @property
    def busy(self) -> bool:
        """Whether no other file can be selected."""
        return self.state in BUSY or self.starting

    @property
    def skew(self) -> float:
        """Seconds by which this host's clock is wrong."""
        return self.host.skew

    def time(self) -> float:
        """This host's clock (unix seconds)."""
        return self.host.time()

    def busy_files(self) -> list[dict[str, str]]:
        """Files that are in use."""
        if self.state not in BUSY or self.selected is None:
            return []
        return [{"origin": "local", "path": self.selected.path}]

    def session_valid(self, token: str) -> bool:
        """Whether `name:session` is one that a login has handed out."""
        name, _, session = token.partition(":")
        return self.sessions.get(session) == name and not self.host.revoked

    def after(self, seconds: float, call: Callable[[], None]) -> Timer:
        """Call later, unless this boot is over by then."""
        return self.host.pulse.after(seconds, lambda: None if self.dead else call())

    # --- telling

    def emit(self, kind: str, payload: dict[str, Any] | None) -> None:
        """Push an event to everybody who subscribed to it."""
        framed: bytes | None = None
        for socket in self.push:
            if socket.wants_event(kind):
                framed = framed or message("event", {"type": kind, "payload": payload})
                self.host.push_out(socket, framed)

    def change(self, state: State) -> None:
        """Enter a state and tell."""
        before, self.state = TEXT[self.state], state
        self.host.note_state(before, self.views.state_text())
        self.emit("PrinterStateChanged", {"state_id": state.value, "state_string": TEXT[state]})

    def mark(self, kind: str, label: str) -> None:
        """Add a marking; old ones go at the same time."""
        now = self.time()
        kept = MARKING_LIFE_S / self.host.pulse.factor
        self.markings = [m for m in self.markings if now - m["time"] < kept]
        self.markings.append({"type": kind, "label": label, "time": now})
        self.emit("ChartMarked", {"type": kind, "label": label})

    def about(self, stored: Stored | None, **more: Any) -> dict[str, Any]:
        """The payload of events on a print."""
        if stored is None:
            return dict(more)
        return {
            "name": stored.name,
            "path": stored.path,
            "origin": "local",
            "size": stored.size,
            "owner": self.owner,
            **more,
        }

    # --- connection

    def connect(self) -> None:
        """Open the connection to the printer."""
        if self.state not in {State.OFFLINE, State.ERROR}:
            return
        self.error = ""
        self.emit("Connecting", None)
        self.after(OPENING_S, self._opening)
        self.after(OPENED_S, self._connected)

    def _opening(self) -> None:
        if self.state in {State.OFFLINE, State.ERROR}:
            self.change(State.OPENING)
            self.after(OPENING_S, lambda: self.change(State.CONNECTING))

    def _connected(self) -> None:
        if self.state is not State.CONNECTING:
            return
        self.change(State.OPERATIONAL)
        self.mark("connected", "Connected")
        self.emit("Connected", {"port": "VIRTUAL", "baudrate": 115200})

    def disconnect(self) -> None:
        """Close the connection; a print that runs has failed."""
        if self.state is State.OFFLINE:
            return
        self.wedged = False
        self.emit("Disconnecting", None)
        self._fall("", lambda: None)

    def halt(self, error: str, printer_error: dict[str, Any] | None = None) -> None:
        """The firmware has stopped the printer, or the port was closed for an emergency."""
        if self.state is State.OFFLINE:
            return
        self.printer_error = printer_error or {"error": "", "reason": ""}

        def tell() -> None:
            self.change(State.ERROR)
            consequence = self.printer_error.get("consequence", "emergency")
            reason = self.printer_error["reason"] or "connection"
            self.emit("Error", {"error": error, "reason": reason, "consequence": consequence})
            self.emit("EStop", None)

        self._fall(error, tell)

    def emergency_stop(self) -> None:
        """M112."""
        self.halt(ESTOPPED)

    def firmware_halt(self) -> None:
        """A thermal runaway, say."""
        logs = ["Recv: Error:Thermal Runaway, system stopped! Heater_ID: bed"]
        faq = "firmware-thermal-runaway"
        facts = {"error": HALTED, "faq": faq, "logs": logs, "reason": "firmware"}
        self.halt(HALTED, {"consequence": "emergency", **facts})

    def _fall(self, error: str, tell: Callable[[], None]) -> None:
        stored, run = self.selected, self.machine.run

        def told(spent: float) -> None:
            if self.dead:
                return
            tell()
            self.error, self.selected, self.shows_progress = error, None, False
            self.starting, self.finished, self.never_selected = False, None, False
            self.emit("FileDeselected", None)
            self.emit("Disconnected", None)
            self.change(State.OFFLINE)
            if run is not None:
                self._failed(stored, spent, "error", error=error)

        if run is not None and not run.ended:
            self.machine.end("failed" if error else "stopped", told)
        else:
            run = None
            told(0.0)

    # --- the one job

    def select(self, stored: Stored | None, user: str) -> None:
        """Make a file (or none) the current one."""
        self.selected, self.selected_by = stored, user if stored else None
        self.finished, self.never_selected = None, False
        if stored is None:
            self._note_job("deselected - user: n/a")
            self.emit("FileDeselected", None)
            return
        self._note_job(f"selected - {_words(stored, user)}")
        about = {"name": stored.name, "path": stored.path, "origin": "local"}
        self.emit("FileSelected", {**about, "size": None, "owner": user, "user": user})

    def run(self, flight: Flight, *, told_twice: bool = False) -> None:
        """Print: the run's start is on the printer's record before anybody hears of it."""
        stored = flight.stored
        self.select(stored, flight.user)
        self.starting, self.owner = True, flight.user
        order = Order(stored.path, stored.sha256, flight.program, flight.foreign)
        self.machine.start(
            order,
            lambda _run: self._begun(stored, told_twice=told_twice),
            self._done,
            self._stopped,
        )

    def _begun(self, stored: Stored, *, told_twice: bool) -> None:
        if self.dead:
            return
        self.starting, self.shows_progress, self.finished = False, True, None
        self.change(State.STARTING)
        self.started_told(stored)
        if told_twice:
            self.started_told(stored)
        self.mark("print", "Start")
        self.after(STARTING_S, self._printing)
        self.host.plays.print_begun(stored.path)

    def started_told(self, stored: Stored) -> None:
        """Say that a print of this file has started."""
        self._note_job(f"started - {_words(stored, self.owner)}")
        self.emit("PrintStarted", self.about(stored, user=self.owner))

    def _note_job(self, text: str) -> None:
        self.host.note("octoprint.printer.standard.job", f"Print job {text}")

    def _printing(self) -> None:
        if self.state is State.STARTING:
            self.change(State.PRINTING)

    def _done(self, spent: float) -> None:
        if self.dead:
            return
        stored = self.selected
        self.change(State.FINISHING)
        self.mark("done", "Done")
        self.finished = spent
        if stored is not None:
            self.done_told(stored, spent)
        self.after(self.host.random.uniform(*FINISHING_S), lambda: self._idle(State.FINISHING))

    def done_told(self, stored: Stored, spent: float | None) -> None:
        """Say that a print is done; its history follows a moment later."""
        self._note_job(f"done - origin: local, path: {stored.path}, owner: {self.owner}")
        self.emit("PrintDone", self.about(stored, time=spent))
        date = self.host.true_time()
        self.after(
            HISTORY_S,
            lambda: self._history(stored.path, success=True, spent=spent, date=date),
        )

    def _history(self, path: str, *, success: bool, spent: float | None, date: float) -> None:
        self.shelf.log_print(path, success=success, seconds=spent, date=date)
        self.emit("MetadataStatisticsUpdated", {"storage": "local", "path": path})

    def _idle(self, from_state: State) -> None:
        if self.state is from_state:
            self.change(State.OPERATIONAL)

    def _stopped(self) -> None:
        """The file itself asked for a pause (M0)."""
        if not self.dead and self.state in {State.PRINTING, State.STARTING}:
            self.change(State.PAUSING)
            self._paused()

    def pause(self) -> None:
        """Pause; the printer stands still a moment later."""
        if self.wedged or self.state not in {State.STARTING, State.PRINTING, State.RESUMING}:
            return
        self.change(State.PAUSING)
        self.after(self.host.random.uniform(*PAUSE_S), self._paused)

    def _paused(self) -> None:
        if self.state is not State.PAUSING:
            return
        self.machine.pause()
        if self.selected is not None:
            self._note_job(f"paused - {_words(self.selected, self.owner)}")
        self.emit("PrintPaused", self.about(self.selected, user=self.owner))
        self.mark("pause", "Pause")
        self.change(State.PAUSED)

    def resume(self) -> None:
        """Go on."""
        if self.wedged or self.state is not State.PAUSED:
            return
        self.change(State.RESUMING)
        self.machine.resume()
        if self.selected is not None:
            self._note_job(f"resumed - {_words(self.selected, self.owner)}")
        self.emit("PrintResumed", self.about(self.selected, user=self.owner))
        self.mark("resume", "Resume")
        self.after(RESUME_S, self._resumed)

    def _resumed(self) -> None:
        if self.state is State.RESUMING:
            self.change(State.PRINTING)

    def cancel(self) -> None:
        """Cancel; the file stays selected."""
        if self.wedged or self.state in {State.CANCELLING, State.FINISHING}:
            return
        self.machine.pause()
        self.emit("PrintCancelling", self.about(self.selected))
        self.change(State.CANCELLING)
        self.after(CANCEL_S, lambda: self.machine.end("cancelled", self._cancelled))

    def _cancelled(self, spent: float) -> None:
        if self.dead or self.state is not State.CANCELLING:
            return
        self.shows_progress = False
        if self.selected is not None:
            self._note_job(f"cancelled - {_words(self.selected, self.owner)}")
        self.emit("PrintCancelled", self.about(self.selected, user=self.owner, time=spent))
        self.mark("cancel", "Cancel")
        self._failed(self.selected, spent, "cancelled", user=self.owner)
        self.change(State.OPERATIONAL)

    def restart(self) -> None:
        """Print the file from its beginning again; only asked for while paused."""
        stored, user = self.selected, self.selected_by or ""
        if stored is None:
            return
        program = self.host.library.program(self.shelf.root / stored.path, stored.sha256)
        again = Flight(stored, program, user, foreign=False, answer=lambda _: None)
        self.machine.end("restarted", lambda _spent: None if self.dead else self.run(again))

    def _failed(self, stored: Stored | None, spent: float, reason: str, **more: Any) -> None:
        if stored is None:
            return
        self._history(stored.path, success=False, spent=None, date=self.host.true_time())
        self.emit("PrintFailed", self.about(stored, time=spent, reason=reason, **more))

    def drop_connection(self) -> None:
        """The printer does not answer any more."""
        self.after(DROP_S, lambda: self.halt(DROPPED))

    # --- the end of this boot

    def shut_down(self, *, counted: bool) -> None:
        """End in good order. A print that runs is not told of; `counted`: its history grows.

        The real one, ended by SIGTERM, was observed to write nothing; one that is asked to
        disconnect first counts a failure.
        """
        stored, run = self.selected, self.machine.run
        if counted and run is not None and not run.ended and stored is not None:
            date = self.host.true_time()
            self.shelf.log_print(stored.path, success=False, seconds=None, date=date)
        self.die()

    def die(self) -> None:
        """Kill -9: nothing is written, nobody is told, the printer stands still."""
        self.dead = True
        for socket in list(self.push):
            socket.connection.reset()
        self.push.clear()
        self.machine.end("stopped", lambda _spent: None)
