"""What a printer would do with a G-code file: how long it moves, and when it heats and stops."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_WORD = re.compile(rb"([A-Z])\s*([-+]?\d*\.?\d+)")
_ESTIMATE = re.compile(rb"; estimated printing time \(normal mode\) = ([0-9dhms ]+)")
_SPAN = re.compile(r"(\d+)\s*([dhms])")
_SECONDS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_AXES = "XYZ"

SCAN_LIMIT = 512 * 1024
"""Bytes that are read move by move; the rest of a longer file is extrapolated."""

HOME_S, PROBE_S = 4.0, 8.0
TAIL = 32 * 1024
DEFAULT_FEED = 1500.0
MM_PER_INCH = 25.4


class Does(StrEnum):
    """What one step of a print is."""

    MOVE = "move"
    HEAT = "heat"
    HEAT_AND_WAIT = "heat and wait"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Step:
    """One step: moving for `value` seconds, or heating `heater` to `value` °C."""

    does: Does
    value: float
    filepos: int
    heater: str = ""
    z: float | None = None


@dataclass(frozen=True, slots=True)
class Program:
    """All steps of a file of `size` bytes."""

    steps: tuple[Step, ...]
    size: int

    @property
    def moving_s(self) -> float:
        """Seconds of motion, heating left out."""
        return sum(step.value for step in self.steps if step.does is Does.MOVE)


class _Reader:
    """Follows a file line by line."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.at = [0.0, 0.0, 0.0]
        self.e = 0.0
        self.feed = DEFAULT_FEED
        self.absolute = True
        self.absolute_e = True
        self.scale = 1.0
        self.tool = 0
        self.moved = 0.0
        self.filepos = 0

    def line(self, text: bytes, filepos: int) -> None:
        self.filepos = filepos
        code = text.partition(b";")[0].strip().upper()
        if not code:
            return
        words = [(letter.decode(), float(number)) for letter, number in _WORD.findall(code)]
        if words and words[0][0] == "N":
            words = words[1:]
        if not words:
            return
        command = f"{words[0][0]}{words[0][1]:g}"
        self.command(command, dict(words[1:]))

    def command(self, command: str, words: dict[str, float]) -> None:
        if command in {"G0", "G1", "G2", "G3"}:
            self.move(words)
        elif command == "G4":
            self.moved += words.get("S", 0.0) + words.get("P", 0.0) / 1000
        elif command == "G28":
            self.moved += HOME_S
            self.at = [0.0, 0.0, 0.0]
        elif command == "G29":
            self.moved += PROBE_S
        elif command == "G92":
            self.place(words)
        elif command in {"M104", "M109", "M140", "M190"}:
            self.heat(command, words)
        elif command in {"M0", "M1"}:
            self.flush()
            self.steps.append(Step(Does.STOP, 0.0, self.filepos))
        else:
            self.mode(command)

    def mode(self, command: str) -> None:
        if command in {"G90", "G91"}:
            self.absolute = self.absolute_e = command == "G90"
        elif command in {"M82", "M83"}:
            self.absolute_e = command == "M82"
        elif command in {"G20", "G21"}:
            self.scale = MM_PER_INCH if command == "G20" else 1.0
        elif command.startswith("T"):
            self.tool = int(command[1:])

    def move(self, words: dict[str, float]) -> None:
        self.feed = words.get("F", self.feed / self.scale) * self.scale
        distance = 0.0
        for index, axis in enumerate(_AXES):
            if axis in words:
                value = words[axis] * self.scale
                target = value if self.absolute else self.at[index] + value
                distance += (target - self.at[index]) ** 2
                self.at[index] = target
        extruded = 0.0
        if "E" in words:
            value = words["E"] * self.scale
            extruded = abs(value - self.e) if self.absolute_e else abs(value)
            self.e = value if self.absolute_e else self.e + value
        length = math.sqrt(distance) or extruded
        if self.feed > 0:
            self.moved += length / self.feed * 60

    def place(self, words: dict[str, float]) -> None:
        for index, axis in enumerate(_AXES):
            if axis in words:
                self.at[index] = words[axis] * self.scale
        if "E" in words:
            self.e = words["E"] * self.scale

    def heat(self, command: str, words: dict[str, float]) -> None:
        target = words.get("S", words.get("R"))
        if target is None:
            return
        self.flush()
        bed = command in {"M140", "M190"}
        heater = "bed" if bed else f"tool{int(words.get('T', self.tool))}"
        does = Does.HEAT_AND_WAIT if command in {"M109", "M190"} else Does.HEAT
        self.steps.append(Step(does, target, self.filepos, heater))

    def flush(self) -> None:
        if self.moved > 0:
            self.steps.append(Step(Does.MOVE, self.moved, self.filepos, z=self.at[2]))
            self.moved = 0.0


def _seconds(text: str) -> float:
    return float(sum(int(number) * _SECONDS[unit] for number, unit in _SPAN.findall(text)))


def scan(head: bytes, size: int, tail: bytes = b"") -> Program:
    """The steps of a file of `size` bytes that begins with `head` and ends with `tail`.

    Where `head` is not all of it, the motion is what the slicer estimates, or else the head's
    motion extrapolated by size.
    """
    reader = _Reader()
    filepos = 0
    whole = len(head) >= size
    for text in head.splitlines(keepends=True):
        filepos += len(text)
        reader.line(text, filepos)
    reader.flush()
    steps = reader.steps
    if not whole and head:
        known = sum(step.value for step in steps if step.does is Does.MOVE)
        found = _ESTIMATE.search(tail) or _ESTIMATE.search(head)
        total = _seconds(found.group(1).decode()) if found else known * size / len(head)
        steps.append(Step(Does.MOVE, max(0.0, total - known), size, z=reader.at[2]))
    return Program(tuple(steps), size)


class Library:
    """Reads G-code files; equal contents are read once."""

    def __init__(self, limit: int = 512) -> None:
        self._known: dict[str, Program] = {}
        self._limit = limit

    def program(self, path: Path, sha256: str) -> Program:
        """The steps of the file at `path`, whose content has this digest."""
        known = self._known.get(sha256)
        if known is None:
            if len(self._known) >= self._limit:
                self._known.pop(next(iter(self._known)))
            known = self._known[sha256] = _read(path)
        return known


def _read(path: Path) -> Program:
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(SCAN_LIMIT)
        file.seek(max(0, size - TAIL))
        return scan(head, size, file.read())
