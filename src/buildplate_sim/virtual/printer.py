"""One virtual printer: an honest machine with a few files and a history it never forgets."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from buildplate_sim.journal import Journal, Scribe
from buildplate_sim.machine import Machine, Order
from buildplate_sim.pulse import Pulse
from buildplate_sim.virtual.panel import Panel
from buildplate_sim.virtual.refusal import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from buildplate_sim.gcode import Library

KEPT_RUNS = 1000
"""Runs that are told of; the number of the last one is never forgotten."""

OUTCOMES = {"completed": "completed", "cancelled": "cancelled"}
"""Ends that are no failures, as the record and as the protocol call them."""


class Mode(StrEnum):
    """What a virtual printer is doing."""

    IDLE = "idle"
    PRINTING = "printing"
    PAUSED = "paused"
    STOPPING = "stopping"
    HALTED = "halted"


@dataclass(slots=True)
class Entry:
    """One run in the history. `outcome` is None while it runs, seconds are simulated."""

    run: int
    path: str
    outcome: str | None = None
    seconds: float = 0.0
    reason: str = ""


def _store_id(place: Path) -> str:
    """The name of this printer's memory; another one means that all of it was lost."""
    if not place.exists():
        place.write_text(secrets.token_hex(8))
    return place.read_text()


class VirtualPrinter:
    """Executes the commands of the protocol; `tell` is called whenever something has changed."""

    def __init__(
        self, name: str, root: Path, *, factor: float, scribe: Scribe, library: Library
    ) -> None:
        self.root = root / "files"
        self.root.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.process = secrets.token_hex(8)
        self.pulse = Pulse(factor)
        self.journal = Journal(root / "log.jsonl", scribe)
        self.journal.write("power-on")
        self.machine = Machine(self.journal, self.pulse)
        self.panel = Panel(self.machine, self.journal)
        self._library = library
        self._mode = Mode.IDLE
        self.store = _store_id(root / "store")
        self.last_run, self.history = self._recall()
        self.tell: Callable[[], None] = lambda: None
        self.show: Callable[[], None] = lambda: None

    def _recall(self) -> tuple[int, list[Entry]]:
        """The history is the record itself: whatever was durable there has happened."""
        runs: dict[str, Entry] = {}
        for entry in self.journal.entries():
            if entry["event"] == "start":
                runs[entry["run"]] = Entry(len(runs) + 1, entry["path"])
            elif entry["event"] == "end":
                run = runs[entry["run"]]
                run.outcome = OUTCOMES.get(entry["outcome"], "failed")
                run.reason = "" if entry["outcome"] in OUTCOMES else entry["outcome"]
        return len(runs), list(runs.values())[-KEPT_RUNS:]

    # --- reading

    def status(self, path: str | None = None) -> dict[str, Any]:
        """All of the present, and of the past what concerns `path`: one consistent answer."""
        run = self.machine.run
        position = self.machine.position(run) if run is not None else None
        running = run is not None and self._mode is not Mode.IDLE
        return {
            "store": self.store,
            "process": self.process,
            "mode": self._mode.value,
            "run": self.last_run if running else None,
            "path": run.path if running and run is not None else None,
            "progress": position.at / run.timeline.length if run and position else None,
            "time_left_s": run.timeline.length - position.at if run and position else None,
            "last_run": self.last_run,
            "last_outcome": self.history[-1].outcome if self.history else None,
            "history": [asdict(e) for e in self.history if path is not None and e.path == path],
            "temperatures": self.machine.temperatures(),
            "levels": self.panel.levels(),
        }

    def others_since(self, run: int, path: str) -> bool:
        """Whether any file but `path` was run after run number `run`."""
        return any(entry.run > run and entry.path != path for entry in self.history)

    def files(self, prefix: str = "") -> list[str]:
        """Names of stored files."""
        return sorted(place.name for place in self.root.iterdir() if place.name.startswith(prefix))

    def place(self, path: str) -> Path:
        """Where a stored file lies; `RefusedError` when there is none."""
        place = self.root / path
        if "/" in path or path in {"", ".", ".."} or not place.is_file():
            raise RefusedError("not_found", f"there is no file {path}")
        return place

    # --- commands

    def start(self, path: str, done: Callable[[int], None], *, foreign: bool = False) -> None:
        """Print a file; `done` with the run's number once it has physically begun."""
        if self._mode is not Mode.IDLE:
            raise RefusedError("busy", f"the printer is {self._mode}")
        place = self.place(path)
        digest = hashlib.sha256(place.read_bytes()).hexdigest()
        program = self._library.program(place, digest)
        self._mode = Mode.PRINTING
        self.last_run += 1
        entry = Entry(self.last_run, path)
        self.history = [*self.history[-KEPT_RUNS:], entry]

        def begun(_: str) -> None:
            done(entry.run)
            self.tell()

        self.machine.start(
            Order(path, digest, program, foreign),
            begun,
            lambda seconds: self._ended(entry, "completed", seconds, ""),
            self._stopped,
        )

    def _stopped(self) -> None:
        self._mode = Mode.PAUSED
        self.tell()

    def _ended(self, entry: Entry, outcome: str, seconds: float, reason: str) -> None:
        entry.outcome, entry.seconds, entry.reason = outcome, seconds, reason
        self._mode = Mode.HALTED if reason else Mode.IDLE
        self.tell()

    def pause(self) -> None:
        """Stand still."""
        self._need(Mode.PRINTING)
        self.machine.pause()
        self._mode = Mode.PAUSED
        self.tell()

    def resume(self) -> None:
        """Go on."""
        self._need(Mode.PAUSED)
        self.machine.resume()
        self._mode = Mode.PRINTING
        self.tell()

    def cancel(self) -> None:
        """Stop the run for good."""
        self._need(Mode.PRINTING, Mode.PAUSED)
        self._end_run("cancelled", "")

    def order(self, kind: str, params: Mapping[str, Any]) -> None:
        """What a person wants at once; `RefusedError` where it cannot be."""
        if self._mode is Mode.HALTED:
            raise RefusedError("halted", "the printer has stopped with an error")
        self.panel.order(kind, params)
        self.show()

    def emergency_stop(self) -> None:
        """Everything off, whatever runs."""
        self.journal.write("emergency-stop")
        for heater in self.machine.heaters:
            self.machine.heat(heater, 0.0)
        self.panel.homed = ""
        self.halt("emergency stop")

    def halt(self, reason: str) -> None:
        """Fail as firmware does: nothing moves until `reset`."""
        self._mode = Mode.HALTED
        self._end_run("failed", reason)
        self.tell()

    def reset(self) -> None:
        """Be usable again after a halt."""
        if self._mode is Mode.HALTED:
            self._mode = Mode.IDLE
            self.tell()

    def _end_run(self, outcome: str, reason: str) -> None:
        if self.machine.run is None or not self.history:
            return
        entry = self.history[-1]
        self._mode = Mode.STOPPING
        self.machine.end(
            "failed" if reason else outcome,
            lambda seconds: self._ended(entry, outcome, seconds, reason),
        )

    def delete(self, path: str) -> None:
        """Delete a file that is not being printed."""
        place = self.place(path)
        run = self.machine.run
        if self._mode not in {Mode.IDLE, Mode.HALTED} and run is not None and run.path == path:
            raise RefusedError("in_use", f"{path} is being printed")
        place.unlink()

    def _need(self, *modes: Mode) -> None:
        if self._mode not in modes:
            raise RefusedError("not_now", f"the printer is {self._mode}")

    def close(self) -> None:
        """Switch off."""
        self.pulse.clear()
