"""What people may tell the machine, as G-code: held against the printer's limits first."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from buildplate.drivers.marlin import scripts
from buildplate.drivers.marlin.config import HeatLimits
from buildplate.drivers.sdk import (
    Control,
    Extrude,
    Fan,
    Gcode,
    Heat,
    Home,
    Jog,
    Pace,
    Refused,
    ShiftZ,
)

JOG_SPEED = 50.0
Z_SPEED = 8.0
EXTRUDE_SPEED = 5.0
AXES = ("x", "y", "z")
LONGEST = 80
MOST_LINES = 64
_HEATS = re.compile(r"\s*M(104|109|140|190|141|191)\b(.*)", re.IGNORECASE)
_TARGET = re.compile(r"[SR]\s*(-?\d+(?:\.\d*)?)", re.IGNORECASE)
_HEATER_OF = {"140": "bed", "190": "bed", "141": "chamber", "191": "chamber"}
_NOT_OURS = re.compile(r"\s*(?:M110|N\d)", re.IGNORECASE)
"""Numbering is the stream's own: set by hand, it would have lines refused."""
FILE_HEATS = re.compile(
    rb"\n[ \t]*M(104|109|140|190|141|191)[ \t][^;\r\n]*?[SR][ \t]*(\d{1,6})", re.IGNORECASE
)


def lines_of(order: Control, limits: HeatLimits) -> list[str] | Refused:
    """The lines that carry the order out, or why it is not carried out."""
    match order:
        case Home(axes):
            return [" ".join(["G28", *(axis.upper() for axis in axes)])]
        case Jog():
            return _jog(order)
        case Extrude(length, speed, tool):
            feed = (speed or EXTRUDE_SPEED) * 60
            select = [f"T{tool}"] if tool else []
            return [*select, "M83", f"G1 E{length:.3f} F{feed:.0f}"]
        case Heat(heater, target):
            return too_hot(heater, target, limits) or [scripts.heat(heater, target)]
        case Fan(speed, name):
            return _fan(speed, name)
        case Pace(speed, flow):
            lines = [] if speed is None else [f"M220 S{speed * 100:.0f}"]
            return lines + ([] if flow is None else [f"M221 S{flow * 100:.0f}"])
        case ShiftZ(by):
            return [f"M290 Z{by:.3f}"]
        case Gcode(lines):
            return typed(lines, limits)
        case _:
            return Refused("not_offered", "this printer does not offer it")


def _jog(order: Jog) -> list[str]:
    moves = {axis: by for axis, by in order.by.items() if axis in AXES}
    slowest = Z_SPEED if "z" in moves else JOG_SPEED
    feed = (order.speed or slowest) * 60
    words = " ".join(f"{axis.upper()}{by:.3f}" for axis, by in moves.items())
    return ["G91", f"G1 {words} F{feed:.0f}", "G90"]


def _fan(speed: float, name: str) -> list[str] | Refused:
    if name == "part":
        return [f"M106 S{round(255 * speed)}"]
    number = name.removeprefix("fan")
    if not re.fullmatch(r"[0-9]", number):
        return Refused("unknown_fan", f"there is no fan {name}")
    return [f"M106 P{number} S{round(255 * speed)}"]


def typed(lines: Sequence[str], limits: HeatLimits) -> list[str] | Refused:
    """Lines that a person typed: bounded, without numbering, within the limits of heat."""
    if len(lines) > MOST_LINES:
        return Refused("too_many_lines", f"at most {MOST_LINES} lines at a time")
    clean = [line.partition(";")[0].strip() for line in lines]
    for line in clean:
        if len(line) > LONGEST or not line.isprintable() or "*" in line:
            return Refused("bad_line", "a line is too long or has letters that G-code has not")
        if _NOT_OURS.match(line):
            return Refused("bad_line", "line numbers are set by the stream alone")
        heats = _HEATS.match(line)
        target = _TARGET.search(heats[2]) if heats else None
        if heats and target:
            refused = too_hot(_HEATER_OF.get(heats[1], "tool0"), float(target[1]), limits)
            if refused:
                return refused
    return [line for line in clean if line]


def too_hot(heater: str, target: float, limits: HeatLimits) -> Refused | None:
    """Why a target is not set on this printer; None when it may be."""
    limit = limits.of(heater)
    if target <= limit:
        return None
    return Refused("too_hot", f"{heater} may be at most {limit:g} °C on this printer")


def hottest(pieces: Iterable[bytes], limits: HeatLimits) -> Refused | None:
    """Why a file's own targets are not set on this printer; None when all may be."""
    for piece in pieces:
        for code, value in FILE_HEATS.findall(piece):
            refused = too_hot(_HEATER_OF.get(code.decode(), "tool0"), float(value), limits)
            if refused:
                return refused
    return None
