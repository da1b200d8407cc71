"""The serial line between a simulated OctoPrint and its printer: up, down, or cut in the middle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from buildplate_sim.octoprint.states import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildplate_sim.octoprint.software import OctoPrint

OPENING_S, OPENED_S = 0.01, 0.07
READY_S = (0.0, 0.02)
"""From Operational by `/api/connection` to Operational by everything else."""

DROP_S = 0.7

HALTED = "Thermal Runaway, system stopped! Heater_ID: bed - Printer halted. kill() called!"
ESTOPPED = "Closing serial port due to emergency stop M112."
DROPPED = "SerialTimeoutException: "


class Line:
    """The connection of one boot. `opened`: it is open, if only `/api/connection` knows yet."""

    def __init__(self, software: OctoPrint) -> None:
        self._software = software
        self.opened = False
        self.error = ""
        self.printer_error: dict[str, Any] = {"error": "", "reason": ""}

    def connect(self) -> None:
        """Open the connection to the printer."""
        software = self._software
        if software.state is not State.OFFLINE:
            return
        self.error, self.opened = "", False
        software.voice.emit("Connecting", None)
        software.after(OPENING_S, self._opening)
        software.after(OPENED_S, self._opened)

    def _opening(self) -> None:
        software = self._software
        if software.state is State.OFFLINE:
            software.change(State.OPENING)
            software.after(OPENING_S, lambda: software.change(State.CONNECTING))

    def _opened(self) -> None:
        software = self._software
        if software.state is State.CONNECTING:
            self.opened = True
            software.after(software.host.random.uniform(*READY_S), self._connected)

    def _connected(self) -> None:
        software = self._software
        if software.state is not State.CONNECTING:
            return
        software.change(State.OPERATIONAL)
        software.voice.mark("connected", "Connected")
        software.voice.emit("Connected", {"port": "VIRTUAL", "baudrate": 115200})

    def disconnect(self) -> None:
        """Close the connection; a print that runs has failed."""
        if self._software.state is State.OFFLINE:
            return
        self._software.voice.emit("Disconnecting", None)
        self._fall("", lambda: None)

    def halt(self, error: str, printer_error: dict[str, Any] | None = None) -> None:
        """The firmware has stopped the printer, or the port was closed for an emergency."""
        software = self._software
        if software.state is State.OFFLINE:
            return
        self.printer_error = printer_error or {"error": "", "reason": ""}

        def tell() -> None:
            software.change(State.ERROR)
            consequence = self.printer_error.get("consequence", "emergency")
            reason = self.printer_error["reason"] or "connection"
            facts = {"error": error, "reason": reason, "consequence": consequence}
            software.voice.emit("Error", facts)
            software.voice.emit("EStop", None)

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

    def drop(self) -> None:
        """The printer does not answer any more."""
        self._software.after(DROP_S, lambda: self.halt(DROPPED))

    def _fall(self, error: str, tell: Callable[[], None]) -> None:
        """The run's end is on the record before anybody hears of the fall."""
        software = self._software
        run = software.machine.run
        failed = run is not None and not run.ended

        def told(spent: float) -> None:
            if software.dead:
                return
            stored, owner = software.job.selected, software.job.owner
            tell()
            self.error = error
            software.job.forget()
            software.voice.emit("FileDeselected", None)
            software.voice.emit("Disconnected", None)
            software.change(State.OFFLINE)
            if failed and stored is not None:
                software.voice.failed(stored, owner, spent, "error", error=error)

        if failed:
            software.machine.end("failed" if error else "stopped", told)
        else:
            told(0.0)
