"""Turns what a person tells a printer into Klipper's G-code: pure functions over plain values."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from buildplate.drivers.moonraker import levels
from buildplate.drivers.sdk import (
    Control,
    ExcludeObject,
    Extrude,
    Fan,
    Gcode,
    Heat,
    Home,
    Jog,
    Macro,
    Pace,
    Refused,
    ShiftZ,
)

JOG_SPEED, JOG_SPEED_Z, EXTRUDE_SPEED = 50.0, 10.0, 5.0
"""mm/s where a person leaves it to the driver."""

SAVED = "_buildplate"
SAVE, RESTORE = f"SAVE_GCODE_STATE NAME={SAVED}", f"RESTORE_GCODE_STATE NAME={SAVED}"

_PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_VALUE = re.compile(r"[^\"\r\n;#]{0,200}")
_AXES = "xyz"


@dataclass(frozen=True, slots=True)
class Script:
    """G-code to run as one; `undo` puts back what it leaves behind when a line of it fails."""

    text: str
    undo: str = ""


@dataclass(frozen=True, slots=True)
class Machine:
    """What has to be known of the machine: its objects' names, homed axes, the tool in use."""

    names: Mapping[str, str]
    macros: Collection[str]
    homed: str
    tool: str = "extruder"


def script(order: Control, machine: Machine) -> Script | Refused:
    """The G-code of an order, or why the machine cannot be told so."""
    made = _PLAIN.get(type(order)) or _OF_MACHINE.get(type(order))
    if made is None:
        return Refused("unsupported", "this driver has no such order")
    return made(order) if type(order) in _PLAIN else made(order, machine)


def _home(order: Home) -> Script:
    return Script(" ".join(["G28", *(axis.upper() for axis in order.axes)]))


def _exclude(order: ExcludeObject) -> Script | Refused:
    name = order.name
    return Script(f"EXCLUDE_OBJECT NAME={name}") if _is_word(name) else _strange(name)


def _gcode(order: Gcode) -> Script:
    return Script("\n".join(order.lines))


def _shift(order: ShiftZ, machine: Machine) -> Script:
    moves = 1 if "z" in machine.homed else 0
    return Script(f"SET_GCODE_OFFSET Z_ADJUST={order.by:.4f} MOVE={moves}")


def _jog(order: Jog, machine: Machine) -> Script | Refused:
    unknown = [axis for axis in order.by if axis not in _AXES]
    lost = [axis for axis in order.by if axis not in machine.homed]
    if unknown or not order.by:
        return Refused("unsupported", "the head moves along x, y and z")
    if lost:
        return Refused("not_homed", f"home {', '.join(lost)} first")
    speed = order.speed or (JOG_SPEED_Z if "z" in order.by else JOG_SPEED)
    by = " ".join(f"{axis.upper()}{length:.4f}" for axis, length in order.by.items())
    return _aside("G91", f"G1 {by} F{speed * 60:.0f}")


def _extrude(order: Extrude, machine: Machine) -> Script | Refused:
    wanted = "extruder" if order.tool == 0 else f"extruder{order.tool}"
    if wanted not in machine.names:
        return Refused("no_such_tool", f"the printer has no tool {order.tool}")
    speed = order.speed or EXTRUDE_SPEED
    lines = ["M83", f"G1 E{order.length:.4f} F{speed * 60:.0f}"]
    if wanted != machine.tool:
        lines = [f"ACTIVATE_EXTRUDER EXTRUDER={wanted}", *lines]
        lines.append(f"ACTIVATE_EXTRUDER EXTRUDER={machine.tool}")
    return _aside(*lines)


def _aside(*lines: str) -> Script:
    """Lines that leave the modes of the G-code as they were, also when one of them fails."""
    return Script("\n".join([SAVE, *lines, RESTORE]), undo=RESTORE)


def _heat(order: Heat, machine: Machine) -> Script | Refused:
    name = levels.heater_of(order.heater, machine.names)
    if name is None:
        return Refused("no_such_heater", f"the printer has no heater {order.heater[:60]}")
    own = name.removeprefix("heater_generic ")
    return Script(f"SET_HEATER_TEMPERATURE HEATER={own} TARGET={order.target:.1f}")


def _fan(order: Fan, machine: Machine) -> Script | Refused:
    name = levels.fan_of(order.name, machine.names)
    if name is None:
        return Refused("no_such_fan", f"the printer has no fan {order.name[:60]} that can be set")
    if name == "fan":
        return Script(f"M106 S{order.speed * 255:.0f}")
    own = name.removeprefix("fan_generic ")
    return Script(f"SET_FAN_SPEED FAN={own} SPEED={order.speed:.3f}")


def _pace(order: Pace) -> Script | Refused:
    lines = [] if order.speed is None else [f"M220 S{order.speed * 100:.1f}"]
    lines += [] if order.flow is None else [f"M221 S{order.flow * 100:.1f}"]
    return Script("\n".join(lines)) if lines else Refused("unsupported", "nothing to set")


def _macro(order: Macro, machine: Machine) -> Script | Refused:
    name, params = order.name, order.params
    if name.casefold() not in {one.casefold() for one in machine.macros}:
        return Refused("no_such_macro", f"the printer has no macro {name[:60]}")
    strange = [
        key
        for key, value in params.items()
        if not _PARAMETER.fullmatch(key) or not _VALUE.fullmatch(value)
    ]
    if strange:
        return _strange(strange[0])
    said = " ".join(f'{key}="{value}"' for key, value in params.items())
    return Script(f"{name} {said}".strip())


def _is_word(name: str) -> bool:
    return bool(name) and len(name) <= 200 and name.isprintable() and not set(name) & set(" \"';#=")  # noqa: PLR2004 (longer than any name a slicer gives)


def _strange(name: str) -> Refused:
    return Refused("unsupported", f"{name[:60]!r} has letters that G-code cannot carry")


_PLAIN: Mapping[type[Control], Callable[..., Script | Refused]] = {
    Home: _home,
    Pace: _pace,
    ExcludeObject: _exclude,
    Gcode: _gcode,
}
_OF_MACHINE: Mapping[type[Control], Callable[..., Script | Refused]] = {
    Jog: _jog,
    Extrude: _extrude,
    Heat: _heat,
    Fan: _fan,
    Macro: _macro,
    ShiftZ: _shift,
}
"""What makes the G-code of an order; the latter need to know the machine."""
