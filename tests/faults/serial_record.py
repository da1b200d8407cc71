"""What a simulated board's own record tells of the prints that were streamed to it.

Files are those of `tests.integration.serial_printer.moves` behind an `M117 <name>`: each of their
moves is a line of its own, so a line that was taken twice, left out or taken too late shows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.integration.serial_printer import codes

MOVE = re.compile(r"G1 X\S+ Y\S+ E\S+ F6000")
HEATERS_OFF = ["M104 S0", "M140 S0"]
Entries = Sequence[Mapping[str, Any]]


@dataclass(slots=True)
class Stretch:
    """What was streamed of one file in one go: the moves that the board took, in their order."""

    message: str
    moves: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Streamed:
    """All of a record: what belongs to a print, and moves that belong to none."""

    stretches: list[Stretch] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)


def moves_of(content: bytes) -> list[str]:
    """The moves of a file as the board must take them."""
    return [code for code in codes(content) if MOVE.fullmatch(code)]


def texts(entries: Entries) -> list[str]:
    """The accepted lines, what happened to the board left out."""
    return [str(entry["text"]) for entry in entries if "text" in entry]


def streamed(lines: Iterable[str]) -> Streamed:
    """Which moves came in which stretch: it begins with M117 and ends with the next numbering."""
    found, now = Streamed(), list[str]()
    for line in lines:
        if line.startswith("M110"):
            now = found.strays
        elif line.startswith("M117 "):
            found.stretches.append(Stretch(line.removeprefix("M117 ")))
            now = found.stretches[-1].moves
        elif MOVE.fullmatch(line):
            now.append(line)
    return found


def in_order(taken: Sequence[str], wanted: Sequence[str]) -> bool:
    """Whether exactly the first lines of a file were taken, each once."""
    return list(taken) == list(wanted[: len(taken)])


def first_words(entries: Entries) -> list[str]:
    """The first two lines without a number: a new link begins with such."""
    plain = [str(one["text"]) for one in entries if "text" in one and one["number"] is None]
    return [line for line in plain if line.strip()][:2]
