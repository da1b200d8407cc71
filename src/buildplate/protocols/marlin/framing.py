"""Lines of G-code with numbers and checksums, as RepRap firmwares read them, and lines of answers.

The numbered form is `N<number> <code>*<checksum>`, the checksum the exclusive or of all bytes
before the star (RepRap wiki, "G-code", fields N and *).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import xor

from buildplate.protocols.marlin.reports import Dialect

LONGEST_ANSWER = 1 << 10
"""Bytes of an answer that are looked at; what a line has beyond them is dropped."""
LONGEST_COMMAND = 96
"""Bytes that a firmware's command buffer holds (Marlin's MAX_CMD_SIZE), the end included."""
_WIDE = 64
_WIDEST = 128
_BYTE = 8
_SUMS = tuple(b"*%d\n" % number for number in range(256))
_SHOWN_ONLY = (b"M117", b"M118", b"M16 ", b"M23 ")
_HOST_PAUSES = (b"M0", b"M1")
_TIMES = re.compile(r"(?:[PS][0-9]{1,9}(?:\.[0-9]{0,9})?(?:\s+|$))+", re.IGNORECASE)


def checksum(body: bytes) -> int:
    """The exclusive or of all bytes, 0-255."""
    if len(body) > _WIDE:
        return reduce(xor, body)
    folded = int.from_bytes(body, "little")
    folded ^= folded >> 256
    folded ^= folded >> 128
    folded ^= folded >> 64
    folded ^= folded >> 32
    folded ^= folded >> 16
    return (folded ^ (folded >> 8)) & 0xFF


def numbered(number: int, code: bytes) -> bytes:
    """The line to send for a cleaned code, its end included."""
    body = b"N%d %b" % (number, code)
    return b"%b*%d\n" % (body, checksum(body))


def guard_of(dialect: Dialect) -> bytes:
    """What a code ends with before its checksum, so that a spoilt star changes nothing of it.

    Smoothieware believes a numbered line without a star (its GcodeDispatch.cpp): with the star
    lost, `N7 G1 X1*45` would be X145. Behind a comment's mark the rest is none of the code.
    """
    return b";" if dialect is Dialect.SMOOTHIE else b""


def numbered_all(first: int, codes: Sequence[bytes]) -> list[bytes]:
    """What `numbered` gives for each code, the numbers counting up from `first`.

    One number holds all lines, each in a lane of its own, and is folded as a whole: a shift takes
    bytes of the next lane into the upper half of a lane, which no later fold looks at.
    """
    bodies = [b"N%d %b" % pair for pair in enumerate(codes, first)]
    longest = max(map(len, bodies), default=0)
    if longest > _WIDEST:
        return [b"%b*%d\n" % (body, checksum(body)) for body in bodies]
    lane = _WIDE if longest <= _WIDE else _WIDEST
    padded = b"".join([body.ljust(lane, b"\0") for body in bodies])
    folded, half = int.from_bytes(padded, "little"), lane * 4
    while half >= _BYTE:
        folded ^= folded >> half
        half >>= 1
    sums = folded.to_bytes(len(padded), "little")[::lane]
    return [body + _SUMS[number] for body, number in zip(bodies, sums, strict=True)]


def cleaned(raw: bytes) -> bytes:
    """A line of a file without comment, outer blanks and old checksum; empty if nothing is left.

    What follows a star never reaches a firmware as code, so it is no part of it here either.
    """
    if b";" in raw:
        raw = raw[: raw.index(b";")]
    if b"*" in raw:
        raw = raw[: raw.index(b"*")]
    code = raw.strip()
    if code[:1] in b"(%/" and code:
        return b""
    if code[:1] in b"Nn" and code[1:2].isdigit():
        code = _without_number(code)
    return code


def _without_number(code: bytes) -> bytes:
    head, _, rest = code.partition(b" ")
    return rest.strip() if head[1:].isdigit() else code


def host_pause(code: bytes) -> str | None:
    """What M0 and M1 (wait for a person) want to tell; None for every other code."""
    head, _, text = code.partition(b" ")
    if head.upper().replace(b"M00", b"M0").replace(b"M01", b"M1") not in _HOST_PAUSES:
        return None
    return text.decode("utf-8", "replace").strip()


def timed_pause(text: str) -> tuple[float | None, str]:
    """How long (s) the text of an M0 or M1 asks to wait, and what else it says; None: for ever.

    `S` gives seconds and goes before `P`, milliseconds, as in Marlin's M0_M1.cpp; both stand before
    the message. No time, or none but 0, is a wait for a person.
    """
    found = _TIMES.match(text)
    words = found[0] if found is not None else ""
    given = {word[0].upper(): float(word[1:]) for word in words.split()}
    seconds = given.get("S", given.get("P", 0.0) / 1000)
    return seconds or None, text[len(words) :].strip()


def is_numbering(code: bytes) -> bool:
    """Whether the code sets line numbers (M110), which is for the host of the stream alone."""
    return code[:4].upper() == b"M110" and not code[4:5].isdigit()


@dataclass(slots=True)
class Block:
    """Consecutive lines of a file, cleaned: what is to be sent, and where each stood.

    `where` holds the number of each line in the file, from 1. `last_line` is that of the last line
    read, sent or not. `pause`: after these lines the file asks to wait for a person, with this
    text. `rest`: raw lines after the pause that are still to be read.
    """

    codes: list[bytes] = field(default_factory=list)
    where: list[int] = field(default_factory=list)
    last_line: int = 0
    pause: str | None = None
    rest: list[bytes] = field(default_factory=list)


def block_of(raw: list[bytes], line: int) -> Block:
    """Clean raw lines, the first of which has the number `line` in its file."""
    block = Block(last_line=line - 1)
    codes, where = block.codes, block.where
    for at, one in enumerate(raw):
        # The lines of a print are of this form nearly all: no comment, no other field in front.
        if b";" not in one and one[:1] == b"G" and b"*" not in one:
            code = one.strip()
        else:
            code = cleaned(one)
            if not code or is_numbering(code):
                continue
            if code[:2].upper() in _HOST_PAUSES and (text := host_pause(code)) is not None:
                block.pause, block.rest = text, raw[at + 1 :]
                block.last_line = line + at
                return block
            code = _fitting(code)
        if code:
            codes.append(code)
            where.append(line + at)
    block.last_line = line + len(raw) - 1
    return block


def _fitting(code: bytes) -> bytes:
    """A text for the display cut to what a command buffer holds; codes that act stay whole."""
    if len(code) > LONGEST_COMMAND - 16 and code[:4].upper() in _SHOWN_ONLY:
        return code[: LONGEST_COMMAND - 16]
    return code


class AnswerLines:
    """Splits what a printer says into lines, however its bytes arrive; memory is bounded."""

    def __init__(self, longest: int = LONGEST_ANSWER) -> None:
        self._longest = longest
        self._rest = b""
        self._cut = False
        self.overlong = 0

    @property
    def between(self) -> bool:
        """Whether the next byte begins a line."""
        return not self._rest and not self._cut

    def whole(self, data: bytes) -> bytes:
        """The lines that `data` completes, each with its end, which is a line feed."""
        if b"\r" in data:
            data = data.replace(b"\r", b"\n")
        end = data.rfind(b"\n") + 1
        whole, rest = data[:end], data[end:]
        if not end:
            rest = self._rest + rest
        elif self._cut:
            self._cut = False
            whole = whole[whole.index(b"\n") + 1 :]
        else:
            whole = self._rest + whole
        if len(rest) > self._longest:
            self.overlong += 1
            self._cut, rest = True, b""
        elif self._cut:
            rest = b""
        self._rest = rest
        return whole

    def split(self, whole: bytes) -> list[bytes]:
        """Whole lines without their ends, empty ones left out; never longer than the limit."""
        longest = self._longest
        return [line[:longest] for line in whole.split(b"\n") if line]

    def clear(self) -> None:
        """Forget a line that has begun: what comes next is of another life of the printer."""
        self._rest, self._cut = b"", False
