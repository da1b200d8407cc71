"""The mechanics and heaters behind a board, and what lies on its bed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from buildplate_sim.firmware.heat import Heat
from buildplate_sim.firmware.planner import Planner
from buildplate_sim.firmware.pose import Pose

if TYPE_CHECKING:
    from buildplate_sim.firmware.board import Parts
    from buildplate_sim.firmware.words import Words

UNLIMITED = 16
"""Free places that a planner shows whose moves take no time."""


class Machine:
    """One printer's body. Temperatures in °C, lengths in mm, times in simulated seconds."""

    def __init__(self, parts: Parts) -> None:
        self._pulse = parts.pulse
        self._journal = parts.journal
        self._accepted = parts.accepted
        self.instant = parts.sizes.planner <= 0
        self.planner = Planner(parts.sizes.planner or UNLIMITED, parts.limits)
        self.pose = Pose()
        self.heat = Heat(parts, self._tools_off)
        self.bed: list[str] = []
        self.runs = 0
        self.run: str | None = None
        self.extruded = 0.0
        self.message = ""
        self._recall()

    # --- motion

    def planner_free(self) -> int:
        """Free places in the planner."""
        return UNLIMITED - 1 if self.instant else self.planner.free(self._pulse.now)

    def next_free(self) -> float:
        """Seconds until the present move ends."""
        return self.planner.next_free(self._pulse.now)

    def still(self) -> bool:
        """Whether nothing moves."""
        return self.instant or self.planner.empty(self._pulse.now)

    def move(self, words: Words, *, cold: bool) -> None:
        """Plan one straight move; there must be room."""
        pose = self.pose
        before = pose.machine[3]
        target = pose.target(words, cold=cold)
        pushed = target[3] - before
        if pushed > 0:
            self.extruded += pushed
            if self.run is None and (words.has("X") or words.has("Y")):
                self._run_begins()
        if self.instant:
            self.planner.place(target)
            self.planner.moves += 1
        else:
            self.planner.add(target, pose.feed * pose.pace, self._pulse.now)

    def home(self, axes: set[str]) -> None:
        """Stand at the end stops."""
        self.pose.home(axes)
        x, y, z, e = self.pose.machine
        self.planner.place((x, y, z, e))

    def quick_stop(self) -> None:
        """M410: stand still at once and know where that is."""
        here = self.planner.stop(self._pulse.now)
        for index, value in enumerate(here):
            self.pose.logical[index] += value - self.pose.machine[index]
            self.pose.machine[index] = value

    def motors_off(self) -> None:
        """The axes may have been moved by hand from now on."""
        self.pose.homed.clear()

    def off(self, why: str) -> None:
        """The board has stopped or lost its power: nothing is driven any more."""
        now = self._pulse.now
        self.heat.forget()
        here = self.planner.stop(now)
        self.pose = replace(Pose(), machine=list(here))
        self._run_over(why)
        self.message = ""

    # --- parts on the bed

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
            elif event == "bed-cleared":
                self.bed.clear()
        for entry in running.values():
            self._journal.write("end", run=entry["run"], outcome="power lost")

    def _run_begins(self) -> None:
        self.runs += 1
        self.run = f"run-{self.runs}"
        self.extruded = 0.0
        facts: dict[str, Any] = {
            "run": self.run,
            "line": self._accepted.last,
            "message": self.message,
        }
        if self.bed:
            self._journal.write("collision", bed=list(self.bed), **facts)
        self.bed.append(self.run)
        self._journal.write("start", **facts)

    def _tools_off(self) -> None:
        self._run_over("ended")

    def _run_over(self, outcome: str) -> None:
        if self.run is None:
            return
        self._journal.write(
            "end",
            run=self.run,
            outcome=outcome,
            line=self._accepted.last,
            message=self.message,
            lines=self._accepted.lines,
            digest=self._accepted.digest,
            extruded=round(self.extruded, 3),
        )
        self.run = None

    def clear_bed(self, by: str) -> None:
        """Somebody takes everything off the bed."""
        parts, self.bed = self.bed, []
        if parts:
            self._journal.write("bed-cleared", by=by, runs=parts)

    def truth(self) -> dict[str, Any]:
        """The state of the body."""
        now, pose = self._pulse.now, self.pose
        heaters = self.heat.now()
        where = self.planner.where(now)
        return {
            "position": dict(zip("xyze", (round(v, 4) for v in pose.logical), strict=True)),
            "head": dict(zip("xyze", (round(v, 4) for v in where), strict=True)),
            "homed": "".join(sorted(pose.homed)),
            "absolute": pose.absolute,
            "absolute_e": pose.absolute_e,
            "feed": pose.feed,
            "pace": pose.pace,
            "flow": pose.flow,
            "fan": {str(fan): share for fan, share in pose.fan.items()},
            "tool": pose.tool,
            "message": self.message,
            "baby_z": round(pose.baby_z, 4),
            "still": self.still(),
            "moves": self.planner.moves,
            "starved": self.planner.starved,
            "heaters": {
                name: {
                    "actual": round(heater.actual, 3),
                    "reading": round(heater.reading, 3),
                    "target": heater.target,
                    "duty": round(heater.duty, 4),
                }
                for name, heater in heaters.items()
            },
            "bed": list(self.bed),
            "runs": self.runs,
            "run": self.run,
        }
