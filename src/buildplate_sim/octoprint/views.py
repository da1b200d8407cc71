"""What a simulated OctoPrint says of itself: the bodies of its answers and push messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from buildplate_sim.octoprint.states import BUSY, TEXT, State, flags

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildplate_sim.octoprint.software import OctoPrint

VERSION = "1.11.8"
_BAUD = [250000, 230400, 115200, 57600, 38400, 19200, 9600]
_NOTHING_DONE: dict[str, Any] = {
    "completion": None,
    "filepos": None,
    "printTime": None,
    "printTimeLeft": None,
    "printTimeLeftOrigin": None,
}


class Views:
    """Reads one OctoPrint's state into its words."""

    def __init__(self, software: OctoPrint) -> None:
        self._software = software

    def connected(self) -> dict[str, Any]:
        """The first push message."""
        return {
            "version": VERSION,
            "display_version": VERSION,
            "branch": "HEAD",
            "python_version": "3.11.7",
            "plugin_hash": "f8c6b77c2d086e7d65f8e19d6bc79c3c",
            "config_hash": self._software.config_hash,
            "debug": False,
            "safe_mode": None,
            "online": True,
            "permissions": [],
        }

    def state(self) -> dict[str, Any]:
        """Text, flags and error."""
        software = self._software
        return {
            "text": self.state_text(),
            "flags": flags(software.state),
            "error": software.line.error,
        }

    def state_text(self) -> str:
        """The state in words, as `/api/job` says it."""
        software = self._software
        if software.state is State.OFFLINE and software.line.error:
            return "Offline after error"
        return TEXT[software.state]

    def connection(self) -> dict[str, Any]:
        """`GET /api/connection`."""
        software = self._software
        closed = software.state in {State.OFFLINE, State.ERROR}
        opened = software.state is State.CONNECTING and software.line.opened
        return {
            "current": {
                "baudrate": None if closed else 115200,
                "port": None if closed else "VIRTUAL",
                "printerProfile": "_default",
                "state": "Closed"
                if closed
                else TEXT[State.OPERATIONAL if opened else software.state],
            },
            "options": {
                "baudratePreference": None,
                "baudrates": _BAUD,
                "portPreference": None,
                "ports": ["/dev/ttyS0", "VIRTUAL"],
                "printerProfilePreference": "_default",
                "printerProfiles": [{"id": "_default", "name": "Default"}],
            },
        }

    def temperature(self) -> dict[str, Any]:
        """Actual and target of each heater."""
        return {
            name: {"actual": actual, "offset": 0, "target": target}
            for name, (actual, target) in sorted(self._software.machine.temperatures().items())
        }

    def temperature_sample(self) -> dict[str, Any]:
        """One point of the temperature history."""
        sample: dict[str, Any] = {"time": int(self._software.host.time())}
        for name, (actual, target) in self._software.machine.temperatures().items():
            sample[name] = {"actual": actual, "target": target}
        sample["chamber"] = {"actual": None, "target": None}
        return sample

    def printer(self, exclude: set[str], *, history: bool) -> dict[str, Any]:
        """`GET /api/printer`."""
        answer: dict[str, Any] = {}
        if "sd" not in exclude:
            answer["sd"] = {"ready": True}
        if "state" not in exclude:
            answer["state"] = self.state()
        if "temperature" not in exclude:
            answer["temperature"] = self.temperature()
            if history:
                answer["temperature"]["history"] = [self.temperature_sample()]
        return answer

    def job(self) -> dict[str, Any]:
        """The selected file and what is known of it."""
        software = self._software
        stored = software.job.selected
        if stored is None:
            shown = () if software.job.never_selected else ("display",)
            names = ("date", "name", "origin", "path", "size", *shown)
            return {
                "estimatedPrintTime": None,
                **({} if software.job.never_selected else {"averagePrintTime": None}),
                "filament": {"length": None, "volume": None}
                if software.job.never_selected
                else None,
                "file": dict.fromkeys(names),
                "lastPrintTime": None,
                "user": None,
            }
        return {
            "averagePrintTime": stored.average_s,
            "estimatedPrintTime": None,
            "filament": None,
            "file": {
                "date": int(stored.date + software.host.skew),
                "display": stored.display,
                "name": stored.name,
                "origin": "local",
                "path": stored.path,
                "size": stored.size,
            },
            "lastPrintTime": stored.last_s,
            "user": software.job.selected_by,
        }

    def progress(self) -> dict[str, Any]:
        """How far the print is; kept at 100 % after a success, forgotten after a cancel."""
        software = self._software
        if software.job.finished is not None and software.job.selected is not None:
            return {
                "completion": 100.0,
                "filepos": software.job.selected.size,
                "printTime": int(software.job.finished),
                "printTimeLeft": 0,
                "printTimeLeftOrigin": None,
            }
        run = software.machine.run
        if run is None or not software.job.shows_progress:
            return dict(_NOTHING_DONE)
        mark = software.machine.position(run)
        left = max(0.0, run.timeline.length - mark.at)
        return {
            "completion": 100.0 * mark.filepos / run.size if run.size else None,
            "filepos": mark.filepos,
            "printTime": int(mark.at),
            "printTimeLeft": int(left),
            "printTimeLeftOrigin": "linear",
        }

    def job_answer(self) -> dict[str, Any]:
        """`GET /api/job`."""
        answer = {"job": self.job(), "progress": self.progress(), "state": self.state_text()}
        if self._software.line.error:
            answer["error"] = self._software.line.error
        return answer

    def busy_files(self) -> list[dict[str, str]]:
        """Files that are in use."""
        software = self._software
        if software.state not in BUSY or software.job.selected is None:
            return []
        return [{"origin": "local", "path": software.job.selected.path}]

    def _levels(self) -> dict[str, Any]:
        software = self._software
        run = software.machine.run
        shown = run is not None and software.job.shows_progress
        return {
            "state": self.state(),
            "job": self.job(),
            "currentZ": software.machine.position(run).z if shown and run is not None else None,
            "progress": self.progress(),
            "offsets": {},
            "resends": {"count": 0, "transmitted": 0, "ratio": 0},
            "serverTime": software.host.time(),
            "temps": [self.temperature_sample()] if software.operational else [],
            "busyFiles": self.busy_files(),
            "markings": software.voice.markings,
        }

    def current(self, *, logs: bool, lines: Sequence[str] = ()) -> dict[str, Any]:
        """The level message that is pushed at every tick; `lines` are those of the serial log."""
        levels = self._levels()
        levels["logs"] = list(lines)
        if logs:
            levels["logs"] += ["Recv: wait"] if software_idle(self._software) else ["Recv: ok"]
            levels["messages"] = ["wait"] if software_idle(self._software) else ["ok"]
        return levels

    def history(self) -> dict[str, Any]:
        """The level message after an authorisation or a subscription."""
        return {**self._levels(), "logs": [], "messages": []}


def software_idle(software: OctoPrint) -> bool:
    """Whether the printer has nothing to do."""
    return software.state is State.OPERATIONAL
