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
from buildplate.protocols.marlin import Dialect, cleaned

JOG_SPEED = 50.0
Z_SPEED = 8.0
EXTRUDE_SPEED = 5.0
AXES = ("x", "y", "z")
LONGEST = 80
MOST_LINES = 64
_HEATS = re.compile(rb"[Mm][ \t]*0*(104|109|140|190|141|191|303)(?!\d)")
"""Anywhere in a line: some firmwares take several codes from one, and with no blank between.

M303 is here as well: it heats to find the constants of a heater's control.
"""
_TARGET = re.compile(
    rb"[SRB][ \t]*(?:(?P<hex>[+-]?0x[0-9a-f]+)"
    rb"|(?P<plain>[+-]?(?:\d+\.?\d*|\.\d+))(?P<power>e[+-]?\d{1,3})?)",
    re.IGNORECASE,
)
_TUNES_BED = re.compile(rb"E[ \t]*-", re.IGNORECASE)
_HEATER_OF = {b"140": "bed", b"190": "bed", b"141": "chamber", b"191": "chamber"}
_IS_CODE = re.compile(r"[GMT]\d", re.IGNORECASE)
"""Firmwares with a console (Smoothieware) read every other word as one of its commands."""
_NOT_OURS = re.compile(r"M\s*0*(?:110|1000)(?!\d)", re.IGNORECASE)
"""Numbering is the stream's own: set by hand, it would have lines refused. M1000 hands a line on to
a firmware's console."""

_CONSOLE = re.compile(
    rb"\n[ \t]*(?:N\d+[ \t]*)?(?P<word>(?![gmt]\d)[a-z$@][^\r\n;]{0,60}"
    rb"|(?!M117)[^\r\n;(]{0,60}M[ \t]*0*1000(?!\d)[^\r\n;]{0,60})"
)
"""A line that Smoothieware's console reads as a command of its own, or that hands it one."""


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
        if line and not _IS_CODE.match(line):
            return Refused("bad_line", "a line begins with G, M or T and a number")
        if _NOT_OURS.search(line):
            return Refused("bad_line", "line numbers and consoles are not for typed lines")
        refused = _heated(line.encode(), limits)
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
        for found in _HEATS.finditer(piece):
            begin = piece.rfind(b"\n", 0, found.start()) + 1
            end = piece.find(b"\n", found.end())
            line = cleaned(piece[begin : end if end >= 0 else len(piece)])
            refused = _heated(line, limits)
            if refused:
                return refused
    return None


def for_console(pieces: Iterable[bytes], dialect: Dialect) -> Refused | None:
    """Why a file is not streamed to a firmware with a console: it holds words for that."""
    if dialect not in {Dialect.SMOOTHIE, Dialect.UNKNOWN}:
        return None
    for piece in pieces:
        if found := _CONSOLE.search(piece):
            said = found["word"].decode("utf-8", "replace").strip()
            return Refused(
                "console_word",
                f"the file has the line `{said}`, which is no G-code: this firmware may carry it "
                "out as a command of its console, such as deleting or playing a file",
            )
    return None


def _heated(line: bytes, limits: HeatLimits) -> Refused | None:
    """Why the targets in a line are not set; whichever of its values a firmware takes."""
    for heats in _HEATS.finditer(line):
        values = line[heats.end() :]
        heater = _HEATER_OF.get(heats[1], "tool0")
        if heats[1] == b"303" and _TUNES_BED.search(values):
            heater = "bed"
        hottest = max(map(_value, _TARGET.finditer(values)), default=0.0)
        if refused := too_hot(heater, hottest, limits):
            return refused
    return None


def _value(target: re.Match[bytes]) -> float:
    """A number as the firmware reads it that makes most of it: exponents, base 16."""
    if target["hex"]:
        return float(int(target["hex"], 16))
    plain = float(target["plain"])
    return max(plain, float(target["plain"] + target["power"])) if target["power"] else plain
