"""What a person can do at a virtual printer directly: move, heat, push filament, run macros."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from buildplate_sim.virtual.refusal import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from buildplate_sim.journal import Journal
    from buildplate_sim.machine import Machine

SIZE_MM = {"x": 250.0, "y": 210.0, "z": 220.0}
"""How far each axis reaches from its end stop."""

MACROS = ("LIGHT", "LOAD_FILAMENT", "PURGE_LINE")
OBJECTS = ("left part", "right part")
POWER = {"Light": False, "Air filter": True}
"""What it can switch, and how each device is when the printer is made."""

LOCKED = frozenset({"Air filter"})
"""What is not switched while something is printed."""

COLDEST_C = 170.0
"""°C below which filament cannot be pushed."""

KEPT_LINES = 200
HIGHEST_C = {"tool0": 320.0, "bed": 130.0}


class Panel:
    """The manual side of one machine; every order that was carried out is on its record."""

    def __init__(self, machine: Machine, journal: Journal) -> None:
        self._machine = machine
        self._journal = journal
        self.position = {"x": 0.0, "y": 0.0, "z": 0.0}
        self.homed = ""
        self.fans = {"part": 0.0}
        self.speed = self.flow = 1.0
        self.z_offset = 0.0
        self.filament_mm = 0.0
        self.excluded: set[str] = set()
        self.power = dict(POWER)
        self.said: deque[dict[str, Any]] = deque(maxlen=KEPT_LINES)
        self._orders: dict[str, Callable[[Mapping[str, Any]], None]] = {
            "home": self._home,
            "jog": self._jog,
            "extrude": self._extrude,
            "heat": self._heat,
            "fan": self._fan,
            "pace": self._pace,
            "macro": self._macro,
            "exclude_object": self._exclude,
            "shift_z": self._shift,
            "gcode": self._gcode,
            "power": self._switch,
        }

    def order(self, kind: str, params: Mapping[str, Any]) -> None:
        """Carry out one order; RefusedError where it cannot be."""
        if kind not in self._orders:
            raise RefusedError("unknown_command", f"there is no order {kind!r}")
        self._orders[kind](params)
        self._journal.write("order", order=kind, params=dict(params))
        self._say(f"{kind} {' '.join(f'{n}={v}' for n, v in params.items())}".strip(), "sent")
        self._say("ok")

    def levels(self) -> dict[str, Any]:
        """What changes while it works."""
        return {
            "position": dict(self.position),
            "homed": self.homed,
            "fans": dict(self.fans),
            "speed": self.speed,
            "flow": self.flow,
            "z_offset": self.z_offset,
        }

    def equipment(self) -> dict[str, Any]:
        """What it has to offer; objects only while something is printed."""
        running = self._machine.run is not None
        objects = [{"name": one, "excluded": one in self.excluded} for one in OBJECTS]
        power = [
            {"name": name, "on": on, "locked": name in LOCKED} for name, on in self.power.items()
        ]
        return {"macros": list(MACROS), "objects": objects if running else [], "power": power}

    def heard(self) -> list[dict[str, Any]]:
        """Lines of the console since this was asked last."""
        lines = list(self.said)
        self.said.clear()
        return lines

    def _say(self, text: str, speaker: str = "printer", *, error: bool = False) -> None:
        self.said.append({"text": text, "speaker": speaker, "error": error})

    def _still(self) -> None:
        if self._machine.run is not None:
            raise RefusedError("busy", "the printer prints")

    def _home(self, params: Mapping[str, Any]) -> None:
        self._still()
        for axis in params.get("axes") or SIZE_MM:
            self.position[axis] = 0.0
            self.homed = "".join(sorted({*self.homed, axis}))

    def _jog(self, params: Mapping[str, Any]) -> None:
        self._still()
        aims = {axis: self.position[axis] + float(by) for axis, by in params["by"].items()}
        for axis, aim in aims.items():
            if axis not in self.homed:
                raise RefusedError("not_homed", f"{axis} does not know where it is")
            if not 0.0 <= aim <= SIZE_MM[axis]:
                raise RefusedError("out_of_range", f"{axis} {aim:g} mm is out of range")
        self.position.update(aims)

    def _extrude(self, params: Mapping[str, Any]) -> None:
        self._still()
        if self._machine.temperatures()["tool0"][0] < COLDEST_C:
            raise RefusedError("too_cold", "the nozzle is too cold to push filament")
        self.filament_mm += float(params["length"])
        if params["length"] > 0:
            self._machine.occupy_bed()

    def _heat(self, params: Mapping[str, Any]) -> None:
        heater, target = str(params["heater"]), float(params["target"])
        if heater not in HIGHEST_C:
            raise RefusedError("no_heater", f"there is no heater {heater}")
        if target > HIGHEST_C[heater]:
            raise RefusedError("too_hot", f"{heater} bears {HIGHEST_C[heater]:g} °C")
        self._machine.heat(heater, target)

    def _fan(self, params: Mapping[str, Any]) -> None:
        if params["name"] not in self.fans:
            raise RefusedError("no_fan", f"there is no fan {params['name']}")
        self.fans[params["name"]] = float(params["speed"])

    def _pace(self, params: Mapping[str, Any]) -> None:
        self.speed = float(params.get("speed") or self.speed)
        self.flow = float(params.get("flow") or self.flow)

    def _macro(self, params: Mapping[str, Any]) -> None:
        if params["name"] not in MACROS:
            raise RefusedError("no_macro", f"there is no macro {params['name']}")

    def _exclude(self, params: Mapping[str, Any]) -> None:
        if self._machine.run is None or params["name"] not in OBJECTS:
            raise RefusedError("no_object", f"no object {params['name']} is printed")
        self.excluded.add(params["name"])

    def _shift(self, params: Mapping[str, Any]) -> None:
        self.z_offset += float(params["by"])

    def _switch(self, params: Mapping[str, Any]) -> None:
        device = str(params["device"])
        if device not in self.power:
            known = ", ".join(self.power)
            raise RefusedError("no_device", f"there is no power device {device!r}; it has {known}")
        if device in LOCKED and self._machine.run is not None:
            raise RefusedError("locked", f"{device} is not switched while the printer prints")
        self.power[device] = bool(params["on"])

    def _gcode(self, params: Mapping[str, Any]) -> None:
        for line in params["lines"]:
            self._say(line, "sent")
