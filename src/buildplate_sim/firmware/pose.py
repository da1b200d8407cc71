"""Where a firmware believes its head to be, and in which modes it reads the next move."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from buildplate_sim.firmware.planner import Point
    from buildplate_sim.firmware.words import Words

AXES = "XYZE"
MM_PER_INCH = 25.4


@dataclass(slots=True)
class Pose:
    """Positions in mm as X, Y, Z, E: as commanded (`logical`), and where the mechanics are sent.

    `feed` is mm/s as the file says it; `pace` and `flow` are the shares set with M220 and M221.
    """

    logical: list[float] = field(default_factory=lambda: [0.0] * 4)
    machine: list[float] = field(default_factory=lambda: [0.0] * 4)
    feed: float = 25.0
    pace: float = 1.0
    flow: float = 1.0
    fan: dict[int, float] = field(default_factory=dict)
    tool: int = 0
    absolute: bool = True
    absolute_e: bool = True
    scale: float = 1.0
    homed: set[str] = field(default_factory=set)
    baby_z: float = 0.0

    def target(self, words: Words, *, cold: bool) -> Point:
        """Where a move leads; with `cold`, the filament stays where it is."""
        feed = words.get("F")
        if feed is not None and feed > 0:
            self.feed = feed * self.scale / 60
        for index, axis in enumerate(AXES):
            value = words.get(axis)
            if value is None:
                continue
            absolute = self.absolute_e if axis == "E" else self.absolute
            wanted = value * self.scale + (0.0 if absolute else self.logical[index])
            change = wanted - self.logical[index]
            self.logical[index] = wanted
            if axis == "E":
                change = 0.0 if cold else change * self.flow
            self.machine[index] += change
        x, y, z, e = self.machine
        return (x, y, z, e)

    def place(self, words: Words) -> None:
        """G92: call the present place so; without a word, call it zero."""
        named = [axis for axis in AXES if words.has(axis)]
        for index, axis in enumerate(AXES):
            if not named or axis in named:
                self.logical[index] = (words.get(axis) or 0.0) * self.scale

    def home(self, axes: set[str]) -> None:
        """The named axes stand at their end stops."""
        for index, axis in enumerate("XYZ"):
            if axis in axes:
                self.logical[index] = self.machine[index] = 0.0
        self.homed |= axes
        if "Z" in axes:
            self.baby_z = 0.0
