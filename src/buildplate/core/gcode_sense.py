"""What G-code that a person typed would do: whether it moves, extrudes, heats, or may not be sent.

Codes as firmwares of the Marlin family and Klipper know them. They read a line in different ways
(numbers, checksums, quotes, comments), so what one of them could take for something else than is
judged here is refused. A name that is not known is taken for a macro of the printer's own: it may
be sent, and what it does is its author's word.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

LONGEST_LINE, MOST_LINES = 250, 50


@dataclass(frozen=True, slots=True)
class Target:
    """A temperature (°C) that a line asks for, and of which heater."""

    heater: str
    celsius: float


@dataclass(frozen=True, slots=True)
class Sense:
    """What lines do. `moves`: not beside a print; `restarts`: the firmware begins anew."""

    moves: bool = False
    extrudes: bool = False
    restarts: bool = False
    targets: tuple[Target, ...] = ()


class Forbidden(ValueError):
    """A line that is not sent whatever the printer does; `hint` says what to use instead."""

    def __init__(self, line: str, hint: str) -> None:
        super().__init__(f"{line[:40]} is not sent as G-code")
        self.hint = hint


_PRINT = "Upload the file to the farm and order a job of it."
_PAUSE = "Use the printer's pause, resume or cancel."
_STOP = "Use the printer's emergency stop."
_RESET = "Look at the printer, then connect it again."
_ACTION = "Leave out what the host takes for an order of its own."
_PLAIN = "Leave out line numbers, checksums, quotes other than double ones, and backslashes."
_NUMBER = "Give each temperature as a plain number."


def _each(codes: str, hint: str) -> dict[str, str]:
    return dict.fromkeys(codes.split(), hint)


FORBIDDEN: Mapping[str, str] = MappingProxyType(
    _each("M23 M24 M26 M28 M29 M30 M32 M928 SDCARD_PRINT_FILE SDCARD_RESET_FILE", _PRINT)
    | _each("M0 M1 M25 M125 M226 M524 M601 M602 M603 M1000 PAUSE RESUME CANCEL_PRINT", _PAUSE)
    | _each("M112 M410", _STOP)
    | _each("M997 M999", _RESET)
)
"""Codes and macros that are never sent, and what to use instead."""

_RENAMED = re.compile(r"_*(?:BASE_+)?(SDCARD_\w+|PAUSE|RESUME|CANCEL_PRINT)(?:_+BASE)?$")
"""What macros are called that stand for the host's own, or that those were renamed to."""

RESTARTS = frozenset({"FIRMWARE_RESTART", "RESTART", "SAVE_CONFIG"})

_MOVES = """
M18 M22 M45 M46 M48 M81 M82 M83 M84 M302 M303 M401 M402 M701 M702
BED_MESH_CALIBRATE BED_SCREWS_ADJUST BED_TILT_CALIBRATE DELTA_CALIBRATE FORCE_MOVE MANUAL_PROBE
MANUAL_STEPPER PID_CALIBRATE PROBE PROBE_ACCURACY PROBE_CALIBRATE QUAD_GANTRY_LEVEL
RESTORE_GCODE_STATE SCREWS_TILT_CALCULATE SET_KINEMATIC_POSITION SHAPER_CALIBRATE STEPPER_BUZZ
TEST_RESONANCES Z_ENDSTOP_CALIBRATE Z_TILT_ADJUST
"""
MOVES = frozenset(_MOVES.split())
"""What moves the head, or changes the frame in which a running print's moves are understood.

Of the G codes all do, but for those of `_STILL`: there are many, and each firmware has its own.
"""
_STILL = frozenset({"G4"})

EXTRUDES = frozenset({"G11", "G26", "M600", "M701"})
_LAYS_DOWN = re.compile(r"PURGE|PRIME|LOAD|EXTRU|PRINT_START|START_PRINT|CLEAN_NOZZLE")
"""What macros are called that leave something on the bed."""
_OF_A_PRINT = re.compile(r"(PRINT_START|START_PRINT|PRINT_END|END_PRINT)$")
"""What slicers call before and after a print: by hand they are for a machine that does nothing."""
_WITH_E = frozenset({"G0", "G1", "G2", "G3", "G5"})
_MESSAGES = frozenset({"M117", "M118"})
"""What follows these is text."""
_NOZZLE, _BED, _CHAMBER = "tool0", "bed", "chamber"
_HEATS: Mapping[str, str] = MappingProxyType(
    {"M104": _NOZZLE, "M109": _NOZZLE, "M140": _BED, "M190": _BED, "M141": _CHAMBER}
    | {"M191": _CHAMBER, "M568": _NOZZLE, "M303": _NOZZLE, "G26": _NOZZLE}
)
_CODE = re.compile(r"([GMT])\s*(-?\d+)(?:\.\d+)?", re.IGNORECASE)
_WORD = re.compile(r"([A-Z])\s*([-+]?\d*\.?\d+)", re.IGNORECASE)
_NAME = re.compile(r"[A-Z_][A-Z0-9_]*", re.IGNORECASE)
_GIVEN = re.compile(r"([A-Z_][A-Z0-9_]*)\s*=\s*(\"[^\"]*\"|\S+)", re.IGNORECASE)
_NUMBERED = re.compile(r"\s*N(?![A-Z_])", re.IGNORECASE)
_AMBIGUOUS = re.compile(r"['\\*]|\"[^\"]*[;#][^\"]*\"|^[^\"]*\"[^\"]*$")
"""What a parser like a shell's reads otherwise than one that looks for letters and numbers."""
_TRADITIONAL = re.compile(r"\s*[GMT]\s*-?\d", re.IGNORECASE)


def sense(lines: Iterable[str]) -> Sense:
    """What these lines do; Forbidden for one that may not be sent."""
    found = [one for line in lines for one in _line(line)]
    return Sense(
        moves=any(one.moves for one in found),
        extrudes=any(one.extrudes for one in found),
        restarts=any(one.restarts for one in found),
        targets=tuple(target for one in found for target in one.targets),
    )


def _line(line: str) -> Iterator[Sense]:
    text = line.split(";", 1)[0]
    if text.lstrip().startswith("@"):
        raise Forbidden(line, _ACTION)
    if _NUMBERED.match(text):
        raise Forbidden(line, _PLAIN)
    if not text.strip():
        return
    if _TRADITIONAL.match(text):
        yield from _codes(text)
        return
    if _AMBIGUOUS.search(line):
        raise Forbidden(line, _PLAIN)
    yield _extended(text.strip())


def _codes(text: str) -> Iterator[Sense]:
    """A line may hold several codes: some firmwares carry out each of them.

    A tool is a code of its own only at a line's beginning. What follows a code is all taken for its
    words, so that nothing hot is overlooked.
    """
    for head in _CODE.finditer(text):
        if head[1].upper() != "T" or not text[: head.start()].strip():
            code = f"{head[1].upper()}{int(head[2])}"
            yield _code(code, text[head.end() :])
            if code in _MESSAGES:
                return


def _code(code: str, rest: str) -> Sense:
    if code in FORBIDDEN:
        raise Forbidden(code, FORBIDDEN[code])
    if "action:" in rest.lower():
        raise Forbidden(code, _ACTION)
    if "*" in rest and code not in _MESSAGES:
        raise Forbidden(code + rest, _PLAIN)
    words = [(one[1].upper(), float(one[2])) for one in _WORD.finditer(rest)]
    pushes = code in _WITH_E and any(word == "E" and value != 0.0 for word, value in words)
    return Sense(
        moves=code[0] == "T" or (code[0] == "G" and code not in _STILL) or code in MOVES,
        extrudes=pushes or code in EXTRUDES,
        targets=tuple(_asked_of(code, words)),
    )


def _asked_of(code: str, words: Sequence[tuple[str, float]]) -> Iterator[Target]:
    heater = _HEATS.get(code)
    if heater is None:
        return
    if code == "M303" and any(word == "E" and value < 0 for word, value in words):
        heater = _BED
    for word, value in words:
        if code == "G26" and word in {"H", "B"}:
            yield Target(_BED if word == "B" else _NOZZLE, value)
        elif word in {"S", "R", "B"}:
            yield Target(heater, value)


def _extended(text: str) -> Sense:
    named = _NAME.match(text)
    if named is None:
        raise Forbidden(text, "Send one command a line, as the printer's console takes it.")
    name, rest = named[0].upper(), text[named.end() :]
    meant = _RENAMED.match(name)
    if name in FORBIDDEN or meant:
        raise Forbidden(name, FORBIDDEN.get(meant[1] if meant else name, _PRINT))
    if "action:" in rest.lower():
        raise Forbidden(name, _ACTION)
    given = {one[1].upper(): one[2].strip('"') for one in _GIVEN.finditer(rest)}
    return Sense(
        moves=name in MOVES or _OF_A_PRINT.search(name) is not None,
        extrudes=_LAYS_DOWN.search(name) is not None,
        restarts=name in RESTARTS,
        targets=tuple(_targets(name, given)),
    )


def _targets(name: str, given: Mapping[str, str]) -> Iterator[Target]:
    """The temperatures that a macro's parameters name, as their names say of which heater."""
    for key, value in given.items():
        try:
            celsius = float(value)
        except ValueError:
            if "TEMP" in key or "TARGET" in key:
                raise Forbidden(name, _NUMBER) from None
            continue
        celsius = celsius if math.isfinite(celsius) else math.inf
        heater = _heater_named(f"{given.get('HEATER', '')}_{key}".upper())
        if heater is not None and (name != "TEMPERATURE_WAIT" or key == "MINIMUM"):
            yield Target(heater, celsius)


def _heater_named(words: str) -> str | None:
    if "CHAMBER" in words:
        return _CHAMBER
    if "BED" in words:
        return _BED
    hot = ("TEMP", "TARGET", "EXTRUDER", "NOZZLE", "HOTEND", "MINIMUM")
    return _NOZZLE if any(one in words for one in hot) else None
