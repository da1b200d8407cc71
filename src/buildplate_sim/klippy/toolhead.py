"""Klipper's tool head: moves are queued ahead of the motion, which runs on when all is parsed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from buildplate_sim.klippy.errors import GcodeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildplate_sim.klippy.gcode import Command, Gcode
    from buildplate_sim.klippy.heaters import Heaters
    from buildplate_sim.klippy.life import Life

X, Y, Z, E = range(4)
AXES = "xyze"
LEAST = (0.0, 0.0, -2.0)
MOST = (250.0, 250.0, 250.0)
"""mm: how far each axis goes."""

LEAD_S = 0.25
"""The motion begins so long after its first move was read."""

AHEAD_S, REFILL_S = 2.0, 1.5
"""Moves are read until so much motion is queued; and again when no more than that is left."""

DWELL_AHEAD_S = 0.45
"""A G4 holds the queue until so little of it is left (a P2000 was measured to hold it 1.8 s)."""

HOME_S = 4.0
MAX_SPEED, MAX_ACCEL, MAX_Z_SPEED = 300.0, 3000.0, 15.0
EXTRUDE_ONLY_MAX = 50.0


class Toolhead:
    """Position and motion. Lengths in mm, speeds in mm/s, times in simulated seconds.

    Only commands that hold the g-code mutex call its coroutines.
    """

    def __init__(self, life: Life, heaters: Heaters, gcode: Gcode) -> None:
        self._life = life
        self._heaters = heaters
        self._gcode = gcode
        self.at = [0.0, 0.0, 0.0, 0.0]
        self.homed: set[str] = set()
        self.print_time = life.now
        self.stalls = 0
        self.halted = False
        self.after_home: Callable[[], None] = lambda: None
        self._printing_since: float | None = None
        self._used = False
        for name, call, words in (
            ("G4", self._dwell, ""),
            ("G28", self._home, ""),
            ("M400", self._wait, ""),
            ("M84", self._motors_off, ""),
            ("M18", self._motors_off, ""),
            ("M204", self._accept, ""),
            ("SET_KINEMATIC_POSITION", self._believe, "Force a low-level kinematic position"),
            ("SET_VELOCITY_LIMIT", self._accept, "Set printer velocity limits"),
        ):
            gcode.register(name, call, words)

    # --- time

    def touch(self) -> None:
        """Something is scheduled: the head counts as printing for a moment."""
        now = self._life.now
        self.print_time = max(self.print_time, now + LEAD_S)
        if self._printing_since is None:
            self._printing_since, self._used = now, True

    @property
    def queued_s(self) -> float:
        """Seconds of motion that are still to come."""
        return max(0.0, self.print_time - self._life.now)

    async def settled(self) -> None:
        """Wait until the motion is over."""
        while self.queued_s > 0 and not self.halted:
            await self._life.sleep(self.queued_s)

    def idle_state(self) -> str:
        """What `idle_timeout` says: `Printing` while anything moves or holds the queue."""
        over = self._life.now >= self.print_time + 1.0 and not self._gcode.mutex.busy
        if over or self.halted:
            self._printing_since = None
        if self._printing_since is not None:
            return "Printing"
        return "Ready" if self._used else "Idle"

    @property
    def printing_s(self) -> float:
        """Seconds since the head began to count as printing."""
        since = self._printing_since
        return 0.0 if since is None else round(self._life.now - since, 3)

    def halt(self) -> None:
        """Stop at once, and forget where the axes are."""
        self.halted = True
        self.print_time = min(self.print_time, self._life.now)
        self.homed.clear()

    # --- motion

    def planned(self, target: list[float], speed: float) -> None:
        """Queue a straight move; `GcodeError` when the machine cannot make it."""
        at = self.at
        travel = math.dist(at[:3], target[:3])
        extruded = target[E] - at[E]
        if travel:
            self._reachable(target)
        if extruded:
            self._may_extrude(extruded, travel)
        length = travel or abs(extruded)
        if not length:
            return
        limit = MAX_Z_SPEED if at[X] == target[X] and at[Y] == target[Y] and travel else MAX_SPEED
        self.touch()
        self.print_time += length / min(speed, limit)
        self.at = target

    async def room(self) -> None:
        """Wait until more moves may be queued."""
        if self.queued_s > AHEAD_S:
            self.stalls += 1
            while self.queued_s > REFILL_S and not self.halted:
                await self._life.sleep(self.queued_s - REFILL_S)

    def _reachable(self, target: list[float]) -> None:
        changed = [index for index in range(3) if target[index] != self.at[index]]
        words = " ".join(f"{value:.3f}" for value in target[:3]) + f" [{target[E]:.3f}]"
        if any(AXES[index] not in self.homed for index in changed):
            raise GcodeError(f"Must home axis first: {words}")
        if any(not LEAST[index] <= target[index] <= MOST[index] for index in changed):
            raise GcodeError(f"Move out of range: {words}")

    def _may_extrude(self, length: float, travel: float) -> None:
        if not self._heaters.can_extrude:
            raise GcodeError(
                "Extrude below minimum temp\nSee the 'min_extrude_temp' config option for details"
            )
        if not travel and abs(length) > EXTRUDE_ONLY_MAX:
            raise GcodeError(
                f"Extrude only move too long ({length:.3f}mm vs {EXTRUDE_ONLY_MAX:.3f}mm)\n"
                "See the 'max_extrude_only_distance' config option for details"
            )

    # --- commands

    async def _dwell(self, command: Command) -> None:
        self.touch()
        self.print_time += command.number("P", 0.0, least=0.0) / 1000
        while self.queued_s > DWELL_AHEAD_S and not self.halted:
            await self._life.sleep(self.queued_s - DWELL_AHEAD_S)

    async def _home(self, command: Command) -> None:
        wanted = [axis for axis in "xyz" if axis.upper() in command.params] or list("xyz")
        await self.settled()
        self.touch()
        self.print_time += HOME_S * len(wanted) / 3
        await self.settled()
        for axis in () if self.halted else wanted:
            self.homed.add(axis)
            self.at[AXES.index(axis)] = 0.0
        self.after_home()

    async def _wait(self, _: Command) -> None:
        await self.settled()

    async def _motors_off(self, _: Command) -> None:
        self.touch()
        await self.settled()
        self.homed.clear()

    def _believe(self, command: Command) -> None:
        """Take it that the head is there, as a person with a scale may say."""
        for index in range(3):
            self.at[index] = command.number(AXES[index].upper(), self.at[index])
        self.homed |= set("xyz")

    def _accept(self, _: Command) -> None:
        """Limits do not change a simulated motion."""

    # --- what it says

    def status(self) -> dict[str, Any]:
        """The `toolhead` object."""
        return {
            "homed_axes": "".join(axis for axis in "xyz" if axis in self.homed),
            "axis_minimum": [*LEAST, 0.0],
            "axis_maximum": [*MOST, 0.0],
            "print_time": round(self.print_time, 3),
            "stalls": self.stalls,
            "estimated_print_time": round(self._life.now, 3),
            "extruder": "extruder",
            "position": [round(value, 6) for value in self.at],
            "max_velocity": MAX_SPEED,
            "max_accel": MAX_ACCEL,
            "minimum_cruise_ratio": 0.5,
            "square_corner_velocity": 5.0,
        }
