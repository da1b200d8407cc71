"""One G-code command taken apart: its code, its numbers and its text."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_CODE = re.compile(r"\s*([GMT])(\d+)(?:\.(\d+))?\s*")
_PARAM = re.compile(r"([A-Z])\s*([-+]?(?:\d+\.?\d*|\.\d+))?")


@dataclass(slots=True)
class Words:
    """A command: `code` is `G1`, `M104`, `T0`; `rest` follows it; `number` is the line's."""

    code: str
    rest: str
    number: int | None = None
    line: str = ""
    numbers: dict[str, float | None] = field(default_factory=dict)

    def get(self, letter: str) -> float | None:
        """A parameter's number; None where it is missing or has none."""
        return self.numbers.get(letter)

    def has(self, letter: str) -> bool:
        """Whether a parameter is there, with a number or without."""
        return letter in self.numbers


def words_of(line: bytes, number: int | None) -> Words:
    """Take a command apart; one that begins with no code has an empty one."""
    text = line.decode("latin-1")
    found = _CODE.match(text)
    if found is None:
        return Words("", text, number, text)
    code = f"{found[1]}{int(found[2])}" + (f".{found[3]}" if found[3] else "")
    rest = text[found.end() :]
    numbers = {
        letter: float(value) if value else None for letter, value in _PARAM.findall(rest.upper())
    }
    return Words(code, rest, number, text, numbers)
