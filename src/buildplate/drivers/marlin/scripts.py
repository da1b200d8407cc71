"""The G-code that a pause, a resume, a cancel and an end are made of, as pure functions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from buildplate.drivers.marlin.config import Parking, PausedHeaters
from buildplate.protocols.marlin import Dialect

_RETRACT_SPEED = 1800
_LIFT_SPEED = 600
_TRAVEL_SPEED = 6000
OFF = 0.0


@dataclass(frozen=True, slots=True)
class Modes:
    """How a firmware reads moves at some line of a file: set by the lines before it.

    `feed` is the last F, mm/min; None before the first. `inches`: G20 was seen, so that no number
    of ours can be trusted to mean millimetres.
    """

    absolute: bool = True
    absolute_e: bool = True
    feed: float | None = None
    tool: int = 0
    inches: bool = False


@dataclass(frozen=True, slots=True)
class Parked:
    """Everything a way back needs: position in mm, modes."""

    position: Mapping[str, float]
    modes: Modes = Modes()


_MODE = re.compile(rb"^[ \t]*(G20|G90|G91|M82|M83|T\d)(?=[\s;]|$)", re.MULTILINE | re.IGNORECASE)
_ALL_AXES = frozenset({Dialect.MARLIN2, Dialect.SMOOTHIE})
"""Where G90 and G91 set the extruder as well; elsewhere M82 and M83 alone do."""
_FEED = re.compile(rb"[ \t]*G[0-3][ \t][^;\r\n]*?F([0-9]+(?:\.[0-9]*)?)", re.IGNORECASE)


def modes_after(text: bytes, modes: Modes, dialect: Dialect) -> Modes:
    """The modes after a piece of a file, which ends with a whole line."""
    absolute, absolute_e, tool = modes.absolute, modes.absolute_e, modes.tool
    inches = modes.inches
    for found in _MODE.findall(text):
        code = found.upper()
        if code in {b"G90", b"G91"}:
            absolute = code == b"G90"
            absolute_e = absolute if dialect in _ALL_AXES else absolute_e
        elif code == b"G20":
            inches = True
        elif code == b"M82":
            absolute_e = True
        elif code == b"M83":
            absolute_e = False
        else:
            tool = int(code[1:])
    return Modes(absolute, absolute_e, _last_feed(text) or modes.feed, tool, inches)


def _last_feed(text: bytes) -> float | None:
    """The F of the last move that has one; looked for from the end, as most moves have none."""
    at = len(text)
    while (at := text.rfind(b"F", 0, at)) >= 0:
        begin = text.rfind(b"\n", 0, at) + 1
        if found := _FEED.match(text, begin, at + 12):
            return float(found[1])
    return None


def drained(dialect: Dialect) -> list[str]:
    """Codes whose answer proves that all moves before them are done."""
    if dialect in {Dialect.REPETIER, Dialect.UNKNOWN}:
        return ["M400", "G4 P1"]
    return ["M400"]


def park(
    parking: Parking, known: Sequence[str] = (), *, heaters: PausedHeaters | None = None
) -> list[str]:
    """What a pause does once the head stands still; `heaters` overrides what is configured.

    `known`: the names of the heaters that there are.
    """
    lines = ["M83"]
    if parking.retract:
        lines.append(f"G1 E-{_mm(parking.retract)} F{_RETRACT_SPEED}")
    if parking.lift:
        lines += ["G91", f"G0 Z{_mm(parking.lift)} F{_LIFT_SPEED}"]
    lines.append("G90")
    if parking.place is not None:
        x, y = parking.place
        lines.append(f"G0 X{_mm(x)} Y{_mm(y)} F{_TRAVEL_SPEED}")
    return lines + _cooled(parking.heaters if heaters is None else heaters, known)


def _cooled(heaters: PausedHeaters, known: Sequence[str]) -> list[str]:
    if heaters is PausedHeaters.NOZZLE_OFF:
        return [line for line in heaters_off(known) if line.startswith("M104")]
    return heaters_off(known) if heaters is PausedHeaters.OFF else []


def unpark(parking: Parking, parked: Parked) -> list[str]:
    """Back to where and how the print was when it was paused."""
    where = parked.position
    lines = ["G90", f"G0 X{_mm(where['x'])} Y{_mm(where['y'])} F{_TRAVEL_SPEED}"]
    lines += [f"G0 Z{_mm(where['z'])} F{_LIFT_SPEED}", "M83"]
    if parking.retract:
        lines.append(f"G1 E{_mm(parking.retract)} F{_RETRACT_SPEED}")
    return lines + restored(parked)


def restored(parked: Parked) -> list[str]:
    """The extruder's place and the modes, without a move."""
    modes = parked.modes
    lines = [f"G92 E{_mm(parked.position.get('e', 0.0))}"]
    if modes.feed:
        lines.append(f"G1 F{modes.feed:g}")
    lines.append("G90" if modes.absolute else "G91")
    lines.append("M82" if modes.absolute_e else "M83")
    return lines


def reheated(targets: Mapping[str, float]) -> list[str]:
    """Set all targets first, then wait for each: bed and nozzle warm up together."""
    wanted = {name: target for name, target in targets.items() if target > 0}
    return [heat(name, target) for name, target in wanted.items()] + [
        heat(name, target, wait=True) for name, target in wanted.items()
    ]


def heat(heater: str, target: float, *, wait: bool = False) -> str:
    """Set one heater's target, and wait for it where asked."""
    if heater == "bed":
        return f"{'M190' if wait else 'M140'} S{target:g}"
    if heater == "chamber":
        return f"{'M191' if wait else 'M141'} S{target:g}"
    tool = heater.removeprefix("tool") or "0"
    return f"{'M109' if wait else 'M104'} T{tool} S{target:g}"


def heaters_off(heaters: Sequence[str] = ()) -> list[str]:
    """Switch everything off that heats: the tool in use, each known tool, the bed, the chamber.

    Of several tools any may be the one in use, so each is named; a single one needs no name.
    """
    tools = [name for name in heaters if name.startswith("tool")]
    if len(tools) == 1 and tools[0] == "tool0":
        tools = []
    lines = ["M104 S0", *(heat(name, OFF) for name in tools), "M140 S0"]
    return lines + (["M141 S0"] if "chamber" in heaters else [])


def _mm(value: float) -> str:
    return f"{value:.5f}".rstrip("0").rstrip(".") or "0"
