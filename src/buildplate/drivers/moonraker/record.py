"""What the subscription has told of prints, held without a gap or counted as broken.

Every stretch of the record has a random epoch. It is bounded: when it would have to be trimmed a
new epoch begins, because a trimmed record proves nothing.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable, Sequence

from buildplate.drivers.moonraker.answers import Row
from buildplate.drivers.moonraker.mapping import LISTED, Heard

JOURNAL_LIMIT, JOBS_LIMIT = 1000, 256


class Record:
    """The record of one websocket; `since` is when its epoch began (boot-time s)."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._heard: list[Heard] = []
        self._dropped = 0
        self._jobs: deque[str] = deque(maxlen=JOBS_LIMIT)
        self.epoch = ""
        self.seq = 0
        self.since = float("inf")

    def begin(self) -> None:
        """Begin a new epoch."""
        self.epoch = secrets.token_hex(8)
        self.since = self._clock()
        self._heard.clear()
        self._dropped = self.seq

    def end(self) -> None:
        """End the epoch: whatever is told from now on has a gap before it."""
        self.epoch = ""
        self.since = float("inf")

    def note(self, kind: str, path: str, word: str = "") -> None:
        """Add to the record."""
        self.seq += 1
        self._heard.append(Heard(self.seq, kind, path, word))
        if len(self._heard) > JOURNAL_LIMIT:
            self.begin()

    def note_jobs(self, rows: Sequence[Row], *, news: bool) -> None:
        """Add jobs of the history, the newest first, each once; no `news`: they are only known."""
        for row in reversed(rows):
            if row.key in self._jobs:
                continue
            self._jobs.append(row.key)
            if news:
                self.note(LISTED, row.path, row.status)

    def heard_since(self, seq: int) -> list[Heard]:
        """What was heard of prints after number `seq`."""
        return [one for one in self._heard if one.seq > seq]

    def holds(self, epoch: str, seq: int) -> bool:
        """Whether the subscription is held without a gap since then, nothing of it forgotten."""
        return bool(epoch) and epoch == self.epoch and seq >= self._dropped

    def forget(self, seq: int) -> None:
        """Drop the record up to number `seq`, which no baseline reaches back to any more."""
        self._heard = self.heard_since(seq)
        self._dropped = max(self._dropped, seq)
