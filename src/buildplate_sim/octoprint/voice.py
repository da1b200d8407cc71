"""What a simulated OctoPrint says of itself: events, markings, its log and its files' histories."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from buildplate_sim.octoprint.push import PushSocket, message

if TYPE_CHECKING:
    from buildplate_sim.octoprint.shelf import Stored
    from buildplate_sim.octoprint.software import OctoPrint

HISTORY_S = 0.01
MARKING_LIFE_S = 1800.0
JOB_LOGGER = "octoprint.printer.standard.job"


class Voice:
    """Tells one boot's clients, and its log, what happens."""

    def __init__(self, software: OctoPrint) -> None:
        self._software = software
        self._host = software.host
        self.sockets: set[PushSocket] = set()
        self.markings: list[dict[str, Any]] = []

    def emit(self, kind: str, payload: dict[str, Any] | None) -> None:
        """Push an event to everybody who subscribed to it."""
        framed: bytes | None = None
        for socket in self.sockets:
            if socket.wants_event(kind):
                framed = framed or message("event", {"type": kind, "payload": payload})
                self._host.push_out(socket, framed)

    def mark(self, kind: str, label: str) -> None:
        """Add a marking; old ones go at the same time."""
        now = self._host.time()
        kept = MARKING_LIFE_S / self._host.pulse.factor
        self.markings = [m for m in self.markings if now - m["time"] < kept]
        self.markings.append({"type": kind, "label": label, "time": now})
        self.emit("ChartMarked", {"type": kind, "label": label})

    def print_event(self, kind: str, stored: Stored, owner: str | None, **more: Any) -> None:
        """An event on the print of a file."""
        about = {"name": stored.name, "path": stored.path, "origin": "local"}
        self.emit(kind, {**about, "size": stored.size, "owner": owner, **more})

    def file_event(self, kind: str, stored: Stored, operation: str) -> None:
        """A file was added or removed."""
        about = {"storage": "local", "path": stored.path, "name": stored.name}
        self.emit(kind, {**about, "type": ["machinecode", "gcode"], "operation": operation})
        self.emit("UpdatedFiles", {"type": "printables"})

    def note_job(self, what: str, stored: Stored | None, owner: str | None = None) -> None:
        """A line of the log on a print."""
        if stored is None:
            self._host.log.note(JOB_LOGGER, f"Print job {what} - user: n/a")
            return
        words = f"origin: local, path: {stored.path}, owner: {owner}"
        user = "" if what == "done" else f", user: {owner}"
        self._host.log.note(JOB_LOGGER, f"Print job {what} - {words}{user}")

    # --- what is told of prints in one breath

    def selected(self, stored: Stored | None, user: str) -> None:
        """Another file is the current one."""
        if stored is None:
            self.note_job("deselected", None)
            self.emit("FileDeselected", None)
            return
        self.note_job("selected", stored, user)
        about = {"name": stored.name, "path": stored.path, "origin": "local"}
        self.emit("FileSelected", {**about, "size": None, "owner": user, "user": user})

    def started(self, stored: Stored, owner: str | None) -> None:
        """A print has started."""
        self.note_job("started", stored, owner)
        self.print_event("PrintStarted", stored, owner, user=owner)

    def done(self, stored: Stored, owner: str | None, spent: float | None) -> None:
        """A print is done; its history follows a moment later."""
        self.note_job("done", stored, owner)
        self.print_event("PrintDone", stored, owner, time=spent)
        date = self._host.true_time()

        def log() -> None:
            self.history(stored.path, success=True, spent=spent, date=date)

        self._software.after(HISTORY_S, log)

    def failed(
        self, stored: Stored, owner: str | None, spent: float, reason: str, **more: Any
    ) -> None:
        """A print has failed."""
        self.history(stored.path, success=False, spent=None, date=self._host.true_time())
        self.print_event("PrintFailed", stored, owner, time=spent, reason=reason, **more)

    def history(self, path: str, *, success: bool, spent: float | None, date: float) -> None:
        """Note a print's end with its file."""
        self._host.shelf.log_print(path, success=success, seconds=spent, date=date)
        self.emit("MetadataStatisticsUpdated", {"storage": "local", "path": path})
