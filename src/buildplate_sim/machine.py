"""The physical printer behind a simulated host: heaters, motion, the bed and what lies on it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from buildplate_sim.gcode import Does, Program
from buildplate_sim.heat import Heater
from buildplate_sim.plate import Part, Plate

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildplate_sim.journal import Journal
    from buildplate_sim.pulse import Pulse, Timer

SHORTEST_RUN_S = 0.2
"""Seconds that even an empty file takes: lines are sent one by one."""


@dataclass(frozen=True, slots=True)
class Change:
    """A heater's new target, so many seconds into a run."""

    at: float
    heater: str
    target: float


@dataclass(frozen=True, slots=True)
class Mark:
    """Where in the file and how high the head is, so many seconds into a run."""

    at: float
    filepos: int
    z: float | None


@dataclass(slots=True)
class Timeline:
    """A program with its waiting for heat worked out; times are seconds into the run."""

    length: float = SHORTEST_RUN_S
    changes: list[Change] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    stops: list[float] = field(default_factory=list)


@dataclass(slots=True)
class Run:
    """One physical run of a file."""

    id: str
    part: Part
    size: int
    timeline: Timeline
    done: Callable[[float], None]
    stopped: Callable[[], None]
    began: float = 0.0
    spent: float = 0.0
    moving: bool = False
    timer: Timer | None = None
    applied: int = 0
    ended: bool = False

    @property
    def path(self) -> str:
        """The file that runs."""
        return self.part.path

    @property
    def sha256(self) -> str:
        """The digest of what runs."""
        return self.part.sha256

    @property
    def foreign(self) -> bool:
        """Whether a person started it."""
        return self.part.foreign


@dataclass(frozen=True, slots=True)
class Order:
    """What to run: a file's program, and who wants it."""

    path: str
    sha256: str
    program: Program
    foreign: bool = False


class Machine:
    """One printer. Physical starts and ends are durable in its journal before anyone is told."""

    def __init__(self, journal: Journal, pulse: Pulse) -> None:
        self._pulse = pulse
        self.heaters = {name: Heater(name, at=pulse.now) for name in ("tool0", "bed")}
        self.plate = Plate(journal)
        self.run: Run | None = None
        self.auto_clear_s: float | None = None

    @property
    def bed(self) -> list[str]:
        """What lies on the bed."""
        return self.plate.bed

    @property
    def runs(self) -> int:
        """How often anything was started."""
        return self.plate.runs

    @property
    def completed(self) -> int:
        """How often it came to its end."""
        return self.plate.completed

    # --- running

    def start(
        self,
        order: Order,
        begun: Callable[[str], None],
        done: Callable[[float], None],
        stopped: Callable[[], None],
    ) -> None:
        """Begin a run; `begun` once that is durable, `stopped` at an M0, `done` at the end."""
        part = Part(order.path, order.sha256, order.foreign)
        run = Run(
            id="",
            part=part,
            size=order.program.size,
            timeline=self._plan(order.program),
            done=done,
            stopped=stopped,
        )
        self.run = run
        run.id = self.plate.begin(part, self._later(lambda: self._begin(run, begun)))

    def _begin(self, run: Run, begun: Callable[[str], None]) -> None:
        if run.ended:
            return
        run.began = self._pulse.now
        self._move(run)
        begun(run.id)

    def _move(self, run: Run) -> None:
        run.moving = True
        run.began = self._pulse.now - run.spent
        due = next((stop for stop in run.timeline.stops if stop > run.spent), None)
        if due is None:
            call, due = self._finish, run.timeline.length
        else:
            call = self._stop
        run.timer = self._pulse.after(due - run.spent, lambda: call(run))

    def _finish(self, run: Run) -> None:
        if not run.ended:
            self.end("completed")

    def _stop(self, run: Run) -> None:
        self.pause()
        run.stopped()

    def end(self, outcome: str, told: Callable[[float], None] | None = None) -> None:
        """End the run, if there is one; `told` (else its `done`) with its seconds once durable."""
        run = self.run
        if run is None or run.ended:
            return
        self._advance()
        run.ended, run.moving = True, False
        run.spent = run.timeline.length if outcome == "completed" else self.elapsed(run)
        if run.timer is not None:
            run.timer.cancel()
        for heater in self.heaters.values():
            heater.set(0.0, self._pulse.now)

        def tell() -> None:
            if self.run is run:
                self.run = None
            (told or run.done)(run.spent)

        self.plate.end(run.id, run.part, outcome, self._later(tell))
        if self.auto_clear_s is not None:
            self._pulse.after(self.auto_clear_s, lambda: self.clear_bed("automatic"))

    def pause(self) -> None:
        """Stand still in the middle of the run."""
        run = self.run
        if run is None or not run.moving:
            return
        self._advance()
        run.spent, run.moving = self.elapsed(run), False
        if run.timer is not None:
            run.timer.cancel()

    def resume(self) -> None:
        """Move on."""
        if self.run is not None and not self.run.moving and not self.run.ended:
            self._move(self.run)

    def elapsed(self, run: Run) -> float:
        """Seconds of printing so far, pauses left out."""
        spent = self._pulse.now - run.began if run.moving else run.spent
        return min(spent, run.timeline.length)

    def position(self, run: Run) -> Mark:
        """Where in the file the run is."""
        now = self.elapsed(run)
        before = Mark(0.0, 0, None)
        for mark in run.timeline.marks:
            if mark.at > now:
                share = (now - before.at) / max(1e-9, mark.at - before.at)
                filepos = before.filepos + int((mark.filepos - before.filepos) * share)
                return Mark(now, filepos, before.z)
            before = mark
        return Mark(now, run.size if now >= run.timeline.length else before.filepos, before.z)

    # --- heat

    def temperatures(self) -> dict[str, tuple[float, float]]:
        """Actual and target temperature (°C) of each heater."""
        self._advance()
        now = self._pulse.now
        return {
            name: (round(heater.advance(now), 2), heater.target)
            for name, heater in self.heaters.items()
        }

    def heat(self, heater: str, target: float) -> None:
        """Set a target by hand."""
        self._advance()
        self.heaters[heater].set(target, self._pulse.now)

    def _advance(self) -> None:
        run = self.run
        if run is None or run.ended:
            return
        elapsed = self.elapsed(run)
        changes = run.timeline.changes
        while run.applied < len(changes) and changes[run.applied].at <= elapsed:
            change = changes[run.applied]
            run.applied += 1
            when = self._pulse.now - (elapsed - change.at)
            if change.heater in self.heaters:
                self.heaters[change.heater].set(change.target, when)

    def _plan(self, program: Program) -> Timeline:
        plan, at = Timeline(), 0.0
        actual = {name: value for name, (value, _) in self.temperatures().items()}
        since = dict.fromkeys(actual, 0.0)
        target = {name: heater.target for name, heater in self.heaters.items()}
        for step in program.steps:
            if step.does is Does.MOVE:
                at += step.value
                plan.marks.append(Mark(at, step.filepos, step.z))
            elif step.does is Does.STOP:
                plan.stops.append(at)
            elif step.heater in self.heaters:
                heater = Heater(step.heater, actual[step.heater], target[step.heater])
                heater.at = since[step.heater]
                heater.set(step.value, at)
                plan.changes.append(Change(at, step.heater, step.value))
                if step.does is Does.HEAT_AND_WAIT:
                    at += heater.wait_for(step.value, heater.actual)
                    heater.advance(at)
                    plan.marks.append(Mark(at, step.filepos, None))
                actual[step.heater], since[step.heater] = heater.actual, heater.at
                target[step.heater] = step.value
        plan.length = max(at, SHORTEST_RUN_S)
        return plan

    # --- the bed

    def clear_bed(self, by: str) -> None:
        """A person takes everything off the bed."""
        self.plate.clear(by)

    def occupy_bed(self) -> None:
        """Something else lies on the bed now."""
        self.plate.occupy()

    def _later(self, call: Callable[[], None]) -> Callable[[], None]:
        return lambda: self._pulse.soon(call)
