"""Klipper's `gcode_move`: what coordinates mean, and how offsets and factors change them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from buildplate_sim.klippy.errors import GcodeError
from buildplate_sim.klippy.toolhead import AXES, E, X, Z

if TYPE_CHECKING:
    from buildplate_sim.klippy.excluded import Excluded
    from buildplate_sim.klippy.gcode import Command, Gcode
    from buildplate_sim.klippy.toolhead import Toolhead

MM_PER_MINUTE = 60.0


class Moves:
    """Turns G0-G3 into moves of the tool head."""

    def __init__(self, gcode: Gcode, toolhead: Toolhead, excluded: Excluded) -> None:
        self._gcode = gcode
        self._toolhead = toolhead
        self._excluded = excluded
        self.absolute = True
        self.absolute_e = True
        self.base = [0.0, 0.0, 0.0, 0.0]
        self.offset = [0.0, 0.0, 0.0, 0.0]
        self.speed_factor = 1.0
        self.extrude_factor = 1.0
        self.feed = 25.0
        toolhead.after_home = self.homed
        self._saved: dict[str, tuple[Any, ...]] = {}
        for name in ("G0", "G1", "G2", "G3"):
            gcode.register(name, self._move)
        for name in ("G90", "G91", "M82", "M83"):
            gcode.register(name, self._mode)
        gcode.register("G21", lambda _: None)
        gcode.register("G20", self._inches)
        gcode.register("G92", self._set_position)
        gcode.register("M114", self._say_position, always=True)
        gcode.register("M220", self._set_speed_factor)
        gcode.register("M221", self._set_extrude_factor)
        for name, call, words in (
            ("SET_GCODE_OFFSET", self._set_offset, "Set a virtual offset to g-code positions"),
            ("SAVE_GCODE_STATE", self._save, "Save G-Code coordinate state"),
            ("RESTORE_GCODE_STATE", self._restore, "Restore a previously saved G-Code state"),
        ):
            gcode.register(name, call, words)

    def homed(self) -> None:
        """The axes have found their end stops: the shifts of G92 are gone."""
        self.base[:3] = self.offset[:3]

    # --- moving

    async def _move(self, command: Command) -> None:
        params, target = command.params, list(self._toolhead.at)
        for index in range(3):
            if (axis := AXES[index].upper()) in params:
                value = command.number(axis)
                target[index] = value + (self.base[index] if self.absolute else target[index])
        if "E" in params:
            value = command.number("E") * self.extrude_factor
            relative = not (self.absolute and self.absolute_e)
            target[E] = value + (target[E] if relative else self.base[E])
        if "F" in params:
            feed = command.number("F") / MM_PER_MINUTE
            if feed <= 0:
                raise GcodeError(f"Invalid speed in '{command.line}'")
            self.feed = feed
        if self._excluded.skips:
            self.base[E] -= target[E] - self._toolhead.at[E]
            return
        self._toolhead.planned(target, self.feed * self.speed_factor)
        await self._toolhead.room()

    def _mode(self, command: Command) -> None:
        if command.name in {"G90", "G91"}:
            self.absolute = command.name == "G90"
        else:
            self.absolute_e = command.name == "M82"

    def _inches(self, _: Command) -> None:
        raise GcodeError("Machine does not support G20 (inches) command")

    def _set_position(self, command: Command) -> None:
        given = {index for index in range(4) if AXES[index].upper() in command.params}
        for index in given or range(4):
            value = command.number(AXES[index].upper(), 0.0)
            value *= self.extrude_factor if index == E else 1.0
            self.base[index] = self._toolhead.at[index] - value

    def _say_position(self, _: Command) -> None:
        words = [f"{AXES[index].upper()}:{self._toolhead.at[index]:.3f}" for index in range(4)]
        self._gcode.respond(" ".join(words))

    # --- factors and offsets

    def _set_speed_factor(self, command: Command) -> None:
        self.speed_factor = command.number("S", 100.0, above=0.0) / 100

    def _set_extrude_factor(self, command: Command) -> None:
        factor = command.number("S", 100.0, above=0.0) / 100
        at = self._toolhead.at[E]
        self.base[E] = at - (at - self.base[E]) / self.extrude_factor * factor
        self.extrude_factor = factor

    async def _set_offset(self, command: Command) -> None:
        shifts = [0.0, 0.0, 0.0, 0.0]
        for index, letter in enumerate(AXES.upper()):
            if letter in command.params:
                shifts[index] = command.number(letter) - self.offset[index]
            elif f"{letter}_ADJUST" in command.params:
                shifts[index] = command.number(f"{letter}_ADJUST")
        for index, shift in enumerate(shifts):
            self.offset[index] += shift
            self.base[index] += shift
        if command.number("MOVE", 0.0):
            target = [at + shift for at, shift in zip(self._toolhead.at, shifts, strict=True)]
            self._toolhead.planned(target, command.number("MOVE_SPEED", self.feed))
            await self._toolhead.room()

    def _save(self, command: Command) -> None:
        self._saved[command.text("NAME", "default")] = (
            (self.absolute, self.absolute_e, self.speed_factor, self.extrude_factor, self.feed),
            list(self.base),
            list(self.offset),
            list(self._toolhead.at),
        )

    async def _restore(self, command: Command) -> None:
        name = command.text("NAME", "default")
        if name not in self._saved:
            raise GcodeError(f"Unknown g-code state: {name}")
        modes, base, offset, at = self._saved[name]
        (self.absolute, self.absolute_e, self.speed_factor, self.extrude_factor, self.feed) = modes
        e_shift = self._toolhead.at[E] - at[E]
        self.base, self.offset = list(base), list(offset)
        self.base[E] += e_shift
        if command.number("MOVE", 0.0):
            target = [*at[X : Z + 1], self._toolhead.at[E]]
            self._toolhead.planned(target, command.number("MOVE_SPEED", self.feed))
            await self._toolhead.room()

    # --- what it says

    def position(self) -> list[float]:
        """Where the head is in the coordinates of the g-code."""
        at = [now - base for now, base in zip(self._toolhead.at, self.base, strict=True)]
        at[E] /= self.extrude_factor
        return [round(value, 6) for value in at]

    def status(self) -> dict[str, Any]:
        """The `gcode_move` object."""
        return {
            "speed_factor": self.speed_factor,
            "speed": self.feed * MM_PER_MINUTE,
            "extrude_factor": self.extrude_factor,
            "absolute_coordinates": self.absolute,
            "absolute_extrude": self.absolute_e,
            "homing_origin": [round(value, 6) for value in self.offset],
            "position": [round(value, 6) for value in self._toolhead.at],
            "gcode_position": self.position(),
        }
