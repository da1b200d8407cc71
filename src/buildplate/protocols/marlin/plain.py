"""Plain answers to lines, told from all else in a chunk of bytes without reading each.

A firmware that prints says little else. Whatever is not of these forms, or cut in two, is read line
by line (`replies`), which also gives these answers the meaning that they have here.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_BARE = b"ok\n"
_FORM = rb"ok N(\d{1,10}) P\d{1,5} B(\d{1,5})\n"
_FEW = re.compile(rb"%b(?:%b)?\Z" % (_FORM, _FORM))
_EACH = re.compile(rb"(%b)" % _FORM)
_NUMBER = re.compile(rb"ok (\d{1,10})\n\Z")


class Answers(NamedTuple):
    """Plain answers in a row: how many, the number of the first (None: they have none).

    Numbers count up by one. `free`: the most places that one of them tells of, -1 for none.
    """

    many: int
    first: int | None = None
    free: int = -1


def plain_answers(data: bytes) -> Answers | None:
    """The answers that a chunk consists of; None unless it is plain answers and nothing else."""
    if few := _FEW.match(data):
        first, free, second, other = few.groups()
        if second is None:
            return Answers(1, int(first), int(free))
        if int(second) != int(first) + 1:
            return None
        return Answers(2, int(first), max(int(free), int(other)))
    if b"\n\n" in data:  # a firmware that ends its lines with two bytes
        data = data.replace(b"\n\n", b"\n")
    if data[:3] == _BARE:
        many = len(data) // len(_BARE)
        return Answers(many) if data == _BARE * many else None
    if alone := _NUMBER.match(data):
        return Answers(1, int(alone[1]))
    return _several(data)


def _several(data: bytes) -> Answers | None:
    each = _EACH.findall(data)
    if not each or sum([len(whole) for whole, _, _ in each]) != len(data):
        return None
    first = int(each[0][1])
    if [int(number) for _, number, _ in each] != list(range(first, first + len(each))):
        return None
    return Answers(len(each), first, max([int(free) for _, _, free in each]))
