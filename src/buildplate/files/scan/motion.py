"""Follows the tool through a file: the space printed and travelled in, tools, temperatures.

The plain case (absolute millimetres, no offset, words in the order every slicer writes them)
runs through one regular expression and one tight loop, some 40 MB per CPU-second; everything
else goes line by line. Both give the same result, which the tests compare.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from buildplate.files.scan.extent import UNKNOWN, Extent, arc_rectangle

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMENT = re.compile(rb";[^\n]*")
INDENT = re.compile(rb"\n[ \t]+")
NUMBER = rb"([-\d.]++)"
# Possessive (++, ?+): what one part has taken is never tried again, a third of the time saved.
MOVE = re.compile(
    rb"\nG[01](?:(?: F[\d.]++)?+(?: X%b)?+(?: Y%b)?+(?: Z%b)?+(?: E%b)?+(?: F[\d.]++)?+ *+(?=\n)"
    rb"|([^\n]*+))" % (NUMBER, NUMBER, NUMBER, NUMBER)
)
OTHER = re.compile(
    rb"\n((?:G(?![01] )|M(?:8[23]|10[49]|1[49][01])(?!\d)|T\d|N\d|SET_HEATER_TEMPERATURE)[^\n]*)"
)
NUMBERED = re.compile(rb"N\d+\s*")
WORD = re.compile(rb"([A-Z])\s*([-+]?(?:\d+\.?\d*|\.\d+))")
COMMAND = re.compile(rb"([GMT])\s*0*(\d{1,5})(?:\.(\d))?")
HEATER = re.compile(rb"HEATER\s*=\s*(\S+)")
TARGET = re.compile(rb"TARGET\s*=\s*(\d+(?:\.\d*)?)")
INCH = 25.4

Row = tuple[bytes, bytes, bytes, bytes, bytes]
"""X, Y, Z and E of a plain move, or the text after G0 or G1 of any other."""
Words = dict[bytes, float]
AXES = (b"X", b"Y", b"Z")
HEATED_BY = {104: "nozzle", 109: "nozzle", 140: "bed", 190: "bed", 141: "chamber", 191: "chamber"}


class Motion:
    """An imagined printer that executes the file.

    Where it starts is unknown until the file says so, and again after homing. G90 and G91
    leave the extruder's mode (M82, M83) alone, except that G91 makes it relative, as in Klipper.
    """

    def __init__(self) -> None:
        self.printed = Extent()
        self.travelled = Extent()
        self.tools: set[int] = set()
        self.heat: dict[str, float] = {}
        self._at = [UNKNOWN, UNKNOWN, UNKNOWN]
        self._offset = [0.0, 0.0, 0.0]
        self._e = 0.0
        self._tool = 0
        self._scale = 1.0
        self._relative = False
        self._relative_e = False
        self._begins = True
        """Whether the next extruding move begins a line: where it starts is printed on too."""

    def feed(self, lines: bytes) -> None:
        """Executes whole lines."""
        parts = OTHER.split(_bare(lines))
        self._move_all(parts[0])
        for command, moves in zip(parts[1::2], parts[2::2], strict=True):
            self._command(command)
            self._move_all(moves)

    def everywhere(self) -> Extent:
        """Around every move, printing or not."""
        whole = Extent()
        whole.join(self.travelled)
        whole.join(self.printed)
        return whole

    def _move_all(self, text: bytes) -> None:
        rows = iter(MOVE.findall(text))
        plain = not (self._relative or self._scale != 1.0 or any(self._offset))
        odd = self._run(rows) if plain else next(rows, None)
        while odd is not None:
            self._move(_words_of(odd))
            odd = self._run(rows) if plain else next(rows, None)

    def _run(self, rows: Iterator[Row]) -> Row | None:  # noqa: C901 (a call per line would double its time)
        """Executes moves in absolute millimetres; stops at, and returns, one it can't read."""
        px, py, pz = self._at
        level, relative_e, begins = self._e, self._relative_e, self._begins
        x0, x1, y0, y1, z0, z1 = self.printed.bounds
        u0, u1, v0, v1, w0, w1 = self.travelled.bounds
        row = None
        try:
            for row in rows:
                x, y, z, e, odd = row
                if odd:
                    break
                nx = float(x) if x else px
                ny = float(y) if y else py
                nz = float(z) if z else pz
                extruding = False
                if e:
                    amount = float(e)
                    extruding = amount > level
                    if not relative_e:
                        level = amount
                if not (x or y or z):
                    continue
                if not extruding:
                    begins = True
                    if not (u0 <= nx <= u1 and v0 <= ny <= v1 and w0 <= nz <= w1):
                        u0, u1, v0, v1, w0, w1 = self.travelled.add(nx, ny, nz)
                else:
                    if begins:
                        begins = False
                        self.tools.add(self._tool)
                        x0, x1, y0, y1, z0, z1 = self.printed.add(px, py, pz)
                    if not (x0 <= nx <= x1 and y0 <= ny <= y1 and z0 <= nz <= z1):
                        x0, x1, y0, y1, z0, z1 = self.printed.add(nx, ny, nz)
                px, py, pz = nx, ny, nz
            else:
                row = None
        except ValueError:
            pass  # a number with two points: the caller reads it as firmware would
        self._at = [px, py, pz]
        self._e, self._begins = level, begins
        return row

    def _move(self, words: Words) -> None:
        extruding = self._extrude(words.get(b"E"))
        if any(axis in words for axis in AXES):
            start, self._at = self._at, self._target(words)
            self._mark(start, extruding=extruding)

    def _mark(self, start: list[float], *, extruding: bool) -> None:
        if not extruding:
            self._begins = True
            self.travelled.add(*self._at)
            return
        if self._begins:
            self._begins = False
            self.tools.add(self._tool)
            self.printed.add(*start)
        self.printed.add(*self._at)

    def _target(self, words: Words) -> list[float]:
        target = list(self._at)
        for axis, letter in enumerate(AXES):
            if letter in words:
                base = self._at[axis] if self._relative else self._offset[axis]
                target[axis] = base + words[letter] * self._scale
        return target

    def _extrude(self, amount: float | None) -> bool:
        if amount is None:
            return False
        if self._relative_e:
            return amount > 0
        before = self._e
        self._e = before + amount if self._relative else amount
        return self._e > before

    def _command(self, line: bytes) -> None:
        line = NUMBERED.sub(b"", line, count=1).partition(b"*")[0]
        if line.startswith(b"SET_HEATER_TEMPERATURE"):
            self._set_heater(line)
            return
        command = COMMAND.match(line)
        if command is None:
            return
        letter, number = command[1], int(command[2])
        rest = line[command.end() :]
        if letter == b"T":
            self._tool, self._begins = number, True
        elif letter == b"G":
            self._g(number, rest, sub=command[3])
        elif letter == b"M":
            self._m(number, _words(rest))

    def _g(self, number: int, rest: bytes, sub: bytes | None) -> None:
        match number:
            case 0 | 1:
                self._move(_words(rest))
            case 2 | 3:
                self._arc(_words(rest), clockwise=number == 2)  # noqa: PLR2004
            case 20 | 21:
                self._scale = INCH if number == 20 else 1.0  # noqa: PLR2004
            case 28:
                self._home(rest)
            case 90 | 91:
                self._relative = number == 91  # noqa: PLR2004
            case 92:
                self._set_position(_words(rest), reset=sub is not None)

    def _m(self, number: int, words: Words) -> None:
        if number in {82, 83}:
            self._relative_e = number == 83  # noqa: PLR2004
            self._e = 0.0
        elif number in HEATED_BY:
            self._heat(HEATED_BY[number], words.get(b"S", words.get(b"R", 0.0)))

    def _set_heater(self, line: bytes) -> None:
        heater, target = HEATER.search(line), TARGET.search(line)
        if heater and target:
            if heater[1].startswith(b"EXTRUDER"):
                self._heat("nozzle", float(target[1]))
            elif heater[1] == b"HEATER_BED":
                self._heat("bed", float(target[1]))

    def _heat(self, what: str, target: float) -> None:
        if 0 < target < math.inf:
            self.heat[what] = max(target, self.heat.get(what, 0.0))

    def _home(self, rest: bytes) -> None:
        named = [axis for axis, letter in enumerate(AXES) if letter in rest]
        for axis in named or range(3):
            self._at[axis], self._offset[axis] = UNKNOWN, 0.0
        self._begins = True

    def _set_position(self, words: Words, *, reset: bool) -> None:
        if reset:
            self._offset = [0.0, 0.0, 0.0]
            return
        if b"E" in words and not self._relative_e:
            self._e = words[b"E"]
        for axis, letter in enumerate(AXES):
            if letter in words:
                said = words[letter] * self._scale
                if math.isnan(self._at[axis]):
                    self._at[axis] = said  # nobody knows better
                self._offset[axis] = self._at[axis] - said

    def _arc(self, words: Words, *, clockwise: bool) -> None:
        extruding = self._extrude(words.get(b"E"))
        start, self._at = self._at, self._target(words)
        self._mark(start, extruding=extruding)
        extent = self.printed if extruding else self.travelled
        centre = _centre(start, self._at, words, self._scale, clockwise=clockwise)
        if centre is None:
            return
        radius = math.hypot(start[0] - centre[0], start[1] - centre[1])
        x, y = centre
        if extent.holds(x - radius, x + radius, y - radius, y + radius):
            return
        x0, x1, y0, y1 = arc_rectangle(
            (start[0], start[1]), (self._at[0], self._at[1]), centre, clockwise=clockwise
        )
        extent.add(x0, y0, self._at[2])
        extent.add(x1, y1, self._at[2])


def _bare(lines: bytes) -> bytes:
    """The commands alone: upper case, no comments, each line begun by a newline."""
    text = b"\n" + lines
    if b"\r" in text:
        text = text.replace(b"\r", b"\n")
    if b";" in text:
        text = COMMENT.sub(b"", text)
    if b"\n " in text or b"\n\t" in text:
        text = INDENT.sub(b"\n", text)
    return text.upper()


def _words(text: bytes) -> Words:
    return {letter: float(number) for letter, number in WORD.findall(text)}


def _words_of(row: Row) -> Words:
    x, y, z, e, odd = row
    return _words(odd or b"X%b Y%b Z%b E%b" % (x, y, z, e))


def _centre(
    start: list[float], end: list[float], words: Words, scale: float, *, clockwise: bool
) -> tuple[float, float] | None:
    if b"I" in words or b"J" in words:
        centre = (
            start[0] + words.get(b"I", 0.0) * scale,
            start[1] + words.get(b"J", 0.0) * scale,
        )
    elif b"R" in words:
        radius = words[b"R"] * scale
        dx, dy = end[0] - start[0], end[1] - start[1]
        chord = math.hypot(dx, dy)
        if not chord or not math.isfinite(chord):
            return None
        height = math.sqrt(max(radius * radius - chord * chord / 4, 0.0))
        side = height / chord * (-1 if clockwise == (radius > 0) else 1)
        centre = (start[0] + dx / 2 - dy * side, start[1] + dy / 2 + dx * side)
    else:
        return None
    return centre if all(map(math.isfinite, centre)) else None
