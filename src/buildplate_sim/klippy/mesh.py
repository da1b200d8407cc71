"""Klipper's `bed_mesh`: measured, cleared, kept in profiles."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from buildplate_sim.klippy.errors import GcodeError

if TYPE_CHECKING:
    from buildplate_sim.klippy.gcode import Command, Gcode
    from buildplate_sim.klippy.toolhead import Toolhead

POINTS = 5
LEAST, MOST = (20.0, 20.0), (230.0, 230.0)
PROBE_S = 0.8
Heights = list[list[float]]


class Mesh:
    """One bed's unevenness."""

    def __init__(self, gcode: Gcode, toolhead: Toolhead) -> None:
        self._toolhead = toolhead
        self._name = ""
        self._profiles: dict[str, Heights] = {}
        for name, call, words in (
            ("BED_MESH_CALIBRATE", self._calibrate, "Perform Mesh Bed Leveling"),
            ("BED_MESH_CLEAR", self._clear, "Clear the Mesh so no z-adjustment is made"),
            ("BED_MESH_PROFILE", self._profile, "Bed Mesh Persistent Storage management"),
        ):
            gcode.register(name, call, words)

    async def _calibrate(self, command: Command) -> None:
        if set(self._toolhead.homed) != {"x", "y", "z"}:
            raise GcodeError("Must home axis first")
        self._toolhead.touch()
        self._toolhead.print_time += PROBE_S * POINTS * POINTS
        await self._toolhead.settled()
        self._name = command.params.get("PROFILE", "default")
        self._profiles[self._name] = [
            [round(0.1 * math.sin(x + 0.7 * y), 6) for x in range(POINTS)] for y in range(POINTS)
        ]
        command.say("Mesh Bed Leveling Complete")

    def _clear(self, _: Command) -> None:
        self._name = ""

    def _profile(self, command: Command) -> None:
        for word, act in (
            ("LOAD", self._load),
            ("SAVE", self._save),
            ("REMOVE", self._remove),
        ):
            if word in command.params:
                act(command.params[word])

    def _load(self, name: str) -> None:
        if name not in self._profiles:
            raise GcodeError(f"bed_mesh: Unknown profile [{name}]")
        self._name = name

    def _save(self, name: str) -> None:
        if self._name:
            self._profiles[name] = self._profiles[self._name]

    def _remove(self, name: str) -> None:
        self._profiles.pop(name, None)

    def status(self) -> dict[str, Any]:
        """The `bed_mesh` object."""
        heights = self._profiles.get(self._name)
        return {
            "profile_name": self._name,
            "mesh_min": LEAST if heights else (0.0, 0.0),
            "mesh_max": MOST if heights else (0.0, 0.0),
            "probed_matrix": heights or [[]],
            "mesh_matrix": heights or [[]],
            "profiles": {
                name: {"points": points, "mesh_params": {"x_count": POINTS, "y_count": POINTS}}
                for name, points in self._profiles.items()
            },
        }
