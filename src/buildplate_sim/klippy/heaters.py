"""Klipper's heaters and fans: one extruder, one bed, a chamber's sensor, the part's fan."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from buildplate_sim.heat import AMBIENT, Heater
from buildplate_sim.klippy.errors import GcodeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildplate_sim.klippy.gcode import Command, Gcode
    from buildplate_sim.klippy.life import Life

EXTRUDER, BED, CHAMBER = "extruder", "heater_bed", "temperature_sensor chamber"
HOTTEST = {EXTRUDER: 300.0, BED: 130.0}
"""°C: the highest target of each heater."""

EXTRUDES_FROM = 170.0
SETTLED = 1.0
"""°C from its target at which a heater counts as there."""

LOOK_S = 1.0
NOISE = 0.06
"""°C by which a real sensor's readings wander."""


class Heaters:
    """The heaters as Klipper's commands and objects see them."""

    def __init__(self, life: Life, physical: dict[str, Heater], gcode: Gcode) -> None:
        self._life = life
        self._heaters = {EXTRUDER: physical["tool0"], BED: physical["bed"]}
        self._gcode = gcode
        self.touch: Callable[[], None] = lambda: None
        self.halted = False
        self.fan = 0.0
        for name, heater, waits in (
            ("M104", EXTRUDER, False),
            ("M109", EXTRUDER, True),
            ("M140", BED, False),
            ("M190", BED, True),
        ):
            gcode.register(name, self._setter(heater, waits=waits))
        gcode.register("M105", self._report, always=True)
        gcode.register("M106", self._set_fan)
        gcode.register("M107", self._stop_fan)
        for name, call, words in (
            ("SET_HEATER_TEMPERATURE", self._set_heater, "Sets a heater temperature"),
            ("TEMPERATURE_WAIT", self._wait_command, "Wait for a temperature on a sensor"),
            ("TURN_OFF_HEATERS", lambda _: self.off(), "Turn off all heaters"),
        ):
            gcode.register(name, call, words)

    @property
    def can_extrude(self) -> bool:
        """Whether filament may be pushed."""
        return self.actual(EXTRUDER) >= EXTRUDES_FROM

    def actual(self, name: str) -> float:
        """°C now."""
        return self._heaters[name].advance(self._life.now)

    def off(self) -> None:
        """No heater has power any more."""
        for heater in self._heaters.values():
            heater.set(0.0, self._life.now)

    def halt(self) -> None:
        """Stop at once."""
        self.halted = True
        self.fan = 0.0
        self.off()

    # --- commands

    def _setter(self, name: str, *, waits: bool) -> Any:
        async def call(command: Command) -> None:
            await self._set(name, command.number("S", 0.0), waits=waits)

        return call

    async def _set_heater(self, command: Command) -> None:
        name = command.text("HEATER")
        if name not in self._heaters:
            raise GcodeError(f"The value '{name}' is not valid for HEATER")
        await self._set(name, command.number("TARGET", 0.0), waits=False)

    async def _set(self, name: str, target: float, *, waits: bool) -> None:
        if target and not 0 <= target <= HOTTEST[name]:
            raise GcodeError(
                f"Requested temperature ({target:.1f}) out of range (0.0:{HOTTEST[name]:.1f})"
            )
        self.touch()
        self._heaters[name].set(target, self._life.now)
        if waits and target:
            await self._until(name, target - SETTLED, target + SETTLED)

    async def _wait_command(self, command: Command) -> None:
        name = command.text("SENSOR")
        if name not in self._heaters:
            raise GcodeError(f"Unknown sensor '{name}'")
        if not {"MINIMUM", "MAXIMUM"} & command.params.keys():
            raise GcodeError("Error on 'TEMPERATURE_WAIT': missing MINIMUM or MAXIMUM.")
        least = command.number("MINIMUM", -math.inf)
        await self._until(name, least, command.number("MAXIMUM", math.inf))

    async def _until(self, name: str, least: float, most: float) -> None:
        while not self.halted and not least <= self.actual(name) <= most:
            self.touch()
            self._gcode.respond(self._words())
            await self._life.sleep(LOOK_S)

    def _report(self, _: Command) -> None:
        self._gcode.respond(self._words())

    def _words(self) -> str:
        bed, tool = self._heaters[BED], self._heaters[EXTRUDER]
        return (
            f"B:{self.actual(BED):.1f} /{bed.target:.1f} "
            f"T0:{self.actual(EXTRUDER):.1f} /{tool.target:.1f}"
        )

    def _set_fan(self, command: Command) -> None:
        self.touch()
        self.fan = min(1.0, command.number("S", 255.0, least=0.0) / 255)

    def _stop_fan(self, _: Command) -> None:
        self.touch()
        self.fan = 0.0

    # --- what they say

    def listing(self) -> dict[str, Any]:
        """The `heaters` object; without a sensor Moonraker 0.11 keeps no history."""
        heaters = [BED, EXTRUDER]
        return {
            "available_heaters": heaters,
            "available_sensors": [*heaters, CHAMBER],
            "available_monitors": [],
        }

    def status(self, name: str) -> dict[str, Any]:
        """The object of one heater."""
        heater = self._heaters[name]
        power = 0.0
        if heater.target:
            power = 1.0 if self.actual(name) < heater.target - SETTLED else 0.35
        said: dict[str, Any] = {
            "temperature": self._read(name),
            "target": heater.target,
            "power": power,
        }
        if name == EXTRUDER:
            said["can_extrude"] = self.can_extrude
            said["pressure_advance"] = 0.04
            said["smooth_time"] = 0.04
            said["motion_queue"] = None
        return said

    def chamber(self) -> dict[str, Any]:
        """The chamber's sensor: it warms with the bed."""
        warm = AMBIENT + (self.actual(BED) - AMBIENT) / 4
        return {
            "temperature": round(warm, 2),
            "measured_min_temp": round(AMBIENT, 2),
            "measured_max_temp": round(warm, 2),
        }

    def fan_status(self) -> dict[str, Any]:
        """The `fan` object."""
        return {"speed": round(self.fan, 4), "rpm": None}

    def _read(self, name: str) -> float:
        """What the sensor reads: it wanders a little, a real one is never still."""
        wander = math.sin(self._life.now * (7.3 if name == EXTRUDER else 3.1))
        return round(self.actual(name) + NOISE * wander, 2)
