"""What lies on a printer's bed, and the record of the runs that put it there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildplate_sim.journal import Journal


@dataclass(frozen=True, slots=True)
class Part:
    """What one run makes: the file by its path and its content's digest, and who wanted it."""

    path: str
    sha256: str
    foreign: bool = False

    @property
    def facts(self) -> dict[str, Any]:
        """As the record says it."""
        return {"path": self.path, "sha256": self.sha256, "foreign": self.foreign}


class Plate:
    """One bed. A start onto something is a collision, and every start leaves a part."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.bed: list[str] = []
        self.runs = 0
        self.completed = 0
        self._recall()

    def _recall(self) -> None:
        running: dict[str, dict[str, Any]] = {}
        for entry in self._journal.entries():
            event = entry["event"]
            if event == "start":
                self.runs += 1
                running[entry["run"]] = entry
                self.bed.append(entry["run"])
            elif event == "end":
                running.pop(entry["run"], None)
                self.completed += entry["outcome"] == "completed"
            elif event == "bed-occupied":
                self.bed.append("foreign part")
            elif event == "bed-cleared":
                self.bed.clear()
        for entry in running.values():
            facts = {name: entry[name] for name in ("run", "path", "sha256")}
            self._journal.write("end", outcome="power lost", **facts)

    def begin(self, part: Part, then: Callable[[], None]) -> str:
        """Note the start of a run and answer its name; `then` once it is durable."""
        self.runs += 1
        run = f"run-{self.runs}"
        if self.bed:
            self._journal.write("collision", bed=list(self.bed), run=run, **part.facts)
        self.bed.append(run)
        self._journal.write("start", then, run=run, **part.facts)
        return run

    def end(
        self, run: str, part: Part, outcome: str, then: Callable[[], None] | None = None
    ) -> None:
        """Note the end of a run; `then` once it is durable."""
        self.completed += outcome == "completed"
        self._journal.write("end", then, run=run, outcome=outcome, **part.facts)

    def clear(self, by: str) -> None:
        """A person takes everything off the bed."""
        parts, self.bed = self.bed, []
        if parts:
            self._journal.write("bed-cleared", by=by, runs=parts)

    def occupy(self) -> None:
        """Something else lies on the bed now."""
        self.bed.append("foreign part")
        self._journal.write("bed-occupied")
