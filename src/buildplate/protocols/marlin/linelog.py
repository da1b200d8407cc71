"""The numbered lines of one conversation as one run of bytes, so that a resend is a step back.

Lines stand in it ready to be written, those that were sent and some that will be: any stretch of
them is one slice.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from buildplate.protocols.marlin.framing import numbered, numbered_all


class LineLog:
    """Lines at places from 0; `base` is the number of the first of them.

    `where[place]`: the line of the file that stands there, 0 for a command. `ends[place]`: the
    bytes before that place, counted from the conversation's beginning; one more than places.
    """

    def __init__(self) -> None:
        self.base = 0
        self.where: list[int] = []
        self.ends: list[int] = [0]
        self._data = b""
        self._begin = 0

    def __len__(self) -> int:
        return len(self.where)

    def append(self, code: bytes) -> None:
        """Number a command of our own, behind all others."""
        line = numbered(self.base + len(self.where), code)
        self._data += line
        self.ends.append(self.ends[-1] + len(line))
        self.where.append(0)

    def size_of(self, code: bytes) -> int:
        """The bytes that `append` would add."""
        return len(numbered(self.base + len(self.where), code))

    def extend(self, codes: Sequence[bytes], where: Sequence[int]) -> None:
        """Number lines of a file in one pass, behind all others."""
        lines = numbered_all(self.base + len(self.where), codes)
        self._data += b"".join(lines)
        self.ends[-1:] = accumulate(map(len, lines), initial=self.ends[-1])
        self.where += where

    def cut(self, place: int) -> int:
        """Forget the lines from `place` on; how many those were."""
        gone = len(self.where) - place
        if gone:
            del self.where[place:], self.ends[place + 1 :]
            self._data = self._data[: self.ends[place] - self._begin]
        return gone

    def prune(self, gone: int) -> None:
        """Forget the first lines."""
        self._data = self._data[self.ends[gone] - self._begin :]
        self._begin = self.ends[gone]
        del self.where[:gone], self.ends[:gone]
        self.base += gone

    def furthest(self, place: int, most: int, end: int) -> int:
        """The place behind the last line that ends at byte `end` or before it, at most `most`."""
        return bisect_right(self.ends, end, place + 1, most + 1) - 1

    def between(self, place: int, end: int) -> bytes:
        """The lines from `place` to before `end`."""
        return self._data[self.ends[place] - self._begin : self.ends[end] - self._begin]
