"""Plain answers to lines, told from all else in a chunk of bytes without reading each.

A firmware that prints says little else. Whatever is not of these forms, or cut in two, is read line
by line (`replies`), which also gives these answers the meaning that they have here.
"""

from __future__ import annotations

import re
from typing import NamedTuple

BARE_ANSWER = b"ok\n"
ONE_ANSWER = re.compile(rb"ok N(\d{1,10}) P\d{1,5} B(\d{1,5})\n\Z")
_NUMBER = re.compile(rb"ok (\d{1,10})\n\Z")
_MANY = re.compile(rb"(?:ok N\d{1,10} P\d{1,5} B\d{1,5}\n){2,}\Z")
_EACH = re.compile(rb"N(\d+) P\d+ B(\d+)")


class Answers(NamedTuple):
    """Plain answers in a row: how many, the number of the first (None: they have none).

    Numbers count up by one. `free`: the most places that one of them tells of, -1 for none.
    """

    many: int
    first: int | None = None
    free: int = -1


def plain_answers(data: bytes) -> Answers | None:
    """The answers that a chunk consists of; None unless it is plain answers and nothing else."""
    if one := ONE_ANSWER.match(data):
        return Answers(1, int(one[1]), int(one[2]))
    if b"\n\n" in data:  # a firmware that ends its lines with two bytes
        data = data.replace(b"\n\n", b"\n")
    size = len(data)
    if data[:3] == BARE_ANSWER:
        many = size // len(BARE_ANSWER)
        return Answers(many) if data == BARE_ANSWER * many else None
    if alone := _NUMBER.match(data):
        return Answers(1, int(alone[1]))
    return _several(data) if _MANY.match(data) else None


def _several(data: bytes) -> Answers | None:
    each = _EACH.findall(data)
    first = int(each[0][0])
    if [int(number) for number, _ in each] != list(range(first, first + len(each))):
        return None
    return Answers(len(each), first, max(int(free) for _, free in each))
