"""Counts the layers and segments of a file another way than the viewer: whole lines, plain text.

What it counts: a segment is a command that moves and extrudes (an arc is one), a travel is one that
moves and does not. A layer begins where the slicer says so; without its comments, where something
is printed at another height.
"""

from __future__ import annotations

import cmath
import math
import re
from dataclasses import dataclass, field

MARK = re.compile(r";\s?(?:LAYER_CHANGE|CHANGE_LAYER|LAYER:-?\d+)$")
HEIGHT = re.compile(r";Z:([\d.]+)$")
WORD = re.compile(r"([A-Z])(-?\d*\.?\d+)")
SAME_MM = 0.0005


@dataclass
class Layer:
    """What is in one layer, as the viewer's list tells it."""

    z: float | None = None
    segments: int = 0
    travels: int = 0
    mm: float = 0.0


@dataclass
class State:
    """Where the nozzle is: complex for x and y, None where nobody knows."""

    place: dict[str, float] = field(default_factory=dict)
    origin: dict[str, float] = field(default_factory=lambda: {"X": 0.0, "Y": 0.0, "Z": 0.0})
    extruder: float = 0.0
    relative: bool = False
    relative_extruder: bool = False


def layers_of(gcode: str) -> list[Layer]:
    """The layers of a file, from its first line to its last."""
    lines = [line.strip() for line in gcode.splitlines()]
    marked = any(MARK.match(line) for line in lines)
    state, layers, before = State(), list[Layer](), Layer()
    for line in lines:
        if line.startswith(";"):
            if MARK.match(line):
                layers.append(before if not layers else Layer())
            elif (height := HEIGHT.match(line)) and layers and marked:
                layers[-1].z = float(height[1])
            continue
        code = line.partition(";")[0].strip()
        move = _execute(state, code) if code else None
        if move is None:
            continue
        prints, length, height_mm = move
        if prints and not marked and _is_new(layers, height_mm):
            layers.append(before if not layers else Layer())
            layers[-1].z = height_mm
        _count(layers[-1] if layers else before, length, prints=prints)
    return layers


def _is_new(layers: list[Layer], height: float) -> bool:
    return not layers or abs(height - (layers[-1].z or 0.0)) > SAME_MM


def _count(layer: Layer, length: float | None, *, prints: bool) -> None:
    if not prints:
        layer.travels += 1
        return
    layer.segments += 1
    layer.mm += length or 0.0


def _execute(state: State, code: str) -> tuple[bool, float | None, float] | None:
    """Whether a move prints, how long it is and how high it ends; None where nothing moves."""
    name, _, rest = code.partition(" ")
    words = {letter: float(number) for letter, number in WORD.findall(rest)}
    match name:
        case "G90" | "G91":
            state.relative = name == "G91"
        case "M82" | "M83":
            state.relative_extruder, state.extruder = name == "M83", 0.0
        case "G28":
            for axis in [one for one in "XYZ" if one in rest] or "XYZ":
                state.place.pop(axis, None)
                state.origin[axis] = 0.0
        case "G92":
            _rename(state, words)
        case "G0" | "G1" | "G2" | "G3":
            return _move(state, name, words)
    return None


def _rename(state: State, words: dict[str, float]) -> None:
    if "E" in words and not state.relative_extruder:
        state.extruder = words["E"]
    for axis in words.keys() & state.origin.keys():
        state.origin[axis] = state.place.setdefault(axis, words[axis]) - words[axis]


def _move(
    state: State, name: str, words: dict[str, float]
) -> tuple[bool, float | None, float] | None:
    prints = False
    if "E" in words:
        amount = words["E"] - (0.0 if state.relative or state.relative_extruder else state.extruder)
        prints = amount > 0
        if not state.relative_extruder:
            state.extruder += amount
    if not words.keys() & {"X", "Y", "Z"}:
        return None
    start = dict(state.place)
    for axis in words.keys() & state.origin.keys():
        base = state.place.get(axis, math.nan) if state.relative else state.origin[axis]
        state.place[axis] = base + words[axis]
    return prints, _length(start, state.place, name, words), state.place.get("Z", 0.0)


def _length(
    start: dict[str, float], end: dict[str, float], name: str, words: dict[str, float]
) -> float | None:
    if not {"X", "Y"} <= start.keys() or start.keys() != end.keys():
        return None
    begin, finish = complex(start["X"], start["Y"]), complex(end["X"], end["Y"])
    way = abs(finish - begin)
    if name in {"G2", "G3"}:
        centre = begin + complex(words.get("I", 0.0), words.get("J", 0.0))
        turn = cmath.phase((finish - centre) / (begin - centre)) % math.tau
        way = abs(begin - centre) * ((turn or math.tau) if name == "G3" else math.tau - turn)
    return math.hypot(way, end.get("Z", 0.0) - start.get("Z", 0.0))
