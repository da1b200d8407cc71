"""What live clients see, with a number for each change: pure, in memory, without any sockets.

Every turn of the board has a sequence number. A client holds the number of the last turn it was
sent, and is sent what has changed since then, however long ago that was: what changed ten times is
sent once. So no client needs a queue, and a slow one costs nothing. Where changes are not
remembered that far back, it is sent everything anew.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from buildplate.api.answers import as_json

KEPT_EVENTS = 1000
KEPT_GONE = 1000
KEPT_ENDED = 1000
"""Ended jobs that are still told of; the oldest are forgotten first, which no client notices."""


SAME_TIME_S = 0.05


class Topic(StrEnum):
    """What a client may follow."""

    PRINTERS = "printers"
    QUEUE = "queue"
    JOBS = "jobs"
    EVENTS = "events"


@dataclass(frozen=True, slots=True)
class Wish:
    """What one client follows; `printer` narrows printers and events to one printer's."""

    topics: frozenset[Topic]
    printer: str | None = None


class _Fields:
    """One printer's fields, each with the turn in which it last changed."""

    __slots__ = ("changed", "newest", "values")

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.changed: dict[str, int] = {}
        self.newest = 0

    def put(self, view: Mapping[str, Any], turn: int) -> set[str]:
        """Take the present fields; the names of those that differ."""
        kept = self.values
        different = {name for name, value in view.items() if kept.get(name, ...) != value}
        for name in different:
            kept[name] = view[name]
            self.changed[name] = turn
        if different:
            self.newest = turn
        return different

    def since(self, turn: int) -> dict[str, Any]:
        """The fields that changed after a turn, with the printer's id."""
        found = {name: self.values[name] for name, when in self.changed.items() if when > turn}
        return {"id": self.values["id"], **found}


class _Frame:
    """A frame's content, and its text with the time in it."""

    __slots__ = ("_content", "_made_at", "_text")

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._made_at = float("-inf")
        self._text: str | None = None

    def at(self, now: float) -> str | None:
        """The text, whose time is at most `SAME_TIME_S` old; None where there is no content."""
        if self._content and now - self._made_at > SAME_TIME_S:
            self._made_at = now
            self._text = f'{{"at_s":{now:.3f},{self._content[1:].decode()}'
        return self._text


class Board:
    """The present state of everything that is followed live, and when each part of it changed.

    `seq` is the last turn that was made; changes put since then belong to the next one. `epoch` is
    this board's own name: numbers of another one mean nothing here.
    """

    def __init__(self, epoch: str) -> None:
        self.epoch = epoch
        self.seq = 0
        self.dirty = False
        self._oldest = 0
        self._printers: dict[str, _Fields] = {}
        self._gone: deque[tuple[int, str]] = deque()
        self._jobs: dict[str, tuple[int, Mapping[str, Any]]] = {}
        self._ended: dict[str, None] = {}
        self._queue: tuple[int, Mapping[str, Any]] = (0, {"items": [], "total": 0})
        self._events: deque[tuple[int, Mapping[str, Any]]] = deque()
        self._last_event = 0
        self._told_event = 0
        self._frames: dict[tuple[Wish, int], _Frame] = {}

    # --- changes ---------------------------------------------------------------------------------

    def put_printer(self, view: Mapping[str, Any]) -> Collection[str]:
        """A printer as it is now; the names of the fields that changed."""
        fields = self._printers.get(view["id"])
        if fields is None:
            fields = self._printers[view["id"]] = _Fields()
            self._gone = deque(one for one in self._gone if one[1] != view["id"])
        return self._changed(fields.put(view, self.seq + 1))

    def drop_printer(self, printer_id: str) -> None:
        """A printer is out of service."""
        if self._printers.pop(printer_id, None) is not None:
            self.dirty = True
            self._gone.append((self.seq + 1, printer_id))
            self._forget(self._gone, KEPT_GONE)

    @property
    def printers(self) -> Collection[str]:
        """The ids of the printers on the board."""
        return self._printers.keys()

    @property
    def jobs(self) -> Collection[str]:
        """The ids of the jobs on the board."""
        return self._jobs.keys()

    def put_job(self, view: Mapping[str, Any], *, ended: bool) -> None:
        """A job as it is now."""
        job_id: str = view["id"]
        known = self._jobs.get(job_id)
        if known is None or known[1] != view:
            self._jobs[job_id] = (self.seq + 1, view)
            self.dirty = True
        self._ended.pop(job_id, None)
        if ended:
            self._ended[job_id] = None
            if len(self._ended) > KEPT_ENDED:
                oldest = next(iter(self._ended))
                del self._ended[oldest], self._jobs[oldest]

    def put_queue(self, view: Mapping[str, Any]) -> None:
        """The queue as it is now."""
        if view != self._queue[1]:
            self._queue = (self.seq + 1, view)
            self.dirty = True

    def add_event(self, view: Mapping[str, Any]) -> None:
        """An event was published; one that is known already is left out."""
        if view["seq"] <= self._last_event:
            return
        self._last_event = view["seq"]
        self._events.append((self.seq + 1, view))
        self._forget(self._events, KEPT_EVENTS)
        self.dirty = True

    def lose_events(self, last: int) -> None:
        """Events up to `last` will not be told: everybody is sent everything anew."""
        self._last_event = max(self._last_event, last)
        self._events.clear()
        self._oldest = self.seq + 1
        self.dirty = True

    def _changed(self, different: set[str]) -> set[str]:
        self.dirty = self.dirty or bool(different)
        return different

    def _forget(self, kept: deque[Any], most: int) -> None:
        """Let go of the oldest; whoever has not been sent them is sent everything anew."""
        while len(kept) > most:
            turn, _ = kept.popleft()
            self._oldest = max(self._oldest, turn)

    def turn(self) -> int:
        """Make what was put since the last turn visible; the number of this turn."""
        if self.dirty:
            self.seq += 1
            self.dirty = False
            self._told_event = self._last_event
            self._frames.clear()
        return self.seq

    # --- what is sent ----------------------------------------------------------------------------

    def reaches(self, epoch: str | None, seq: int) -> bool:
        """Whether a client that has seen turn `seq` of a board can go on from there."""
        return epoch == self.epoch and self._oldest <= seq <= self.seq

    def frame(self, wish: Wish, after: int | None, now: float) -> str | None:
        """What a client that has seen turn `after` (None: nothing) lacks, at `now`; None: nothing.

        It is made once for everybody who wishes the same and has seen the same at about that time.
        """
        if after is not None and after < self._oldest:
            after = None
        key = (wish, -1 if after is None else after)
        made = self._frames.get(key)
        if made is None:
            content = self._snapshot(wish) if after is None else self._patch(wish, after)
            made = self._frames[key] = _Frame(content)
        return made.at(now)

    def _snapshot(self, wish: Wish) -> bytes:
        whole: dict[str, Any] = {"type": "snapshot", "epoch": self.epoch, "seq": self.seq}
        if Topic.PRINTERS in wish.topics:
            whole["printers"] = [fields.values for fields in self._of(wish)]
        if Topic.JOBS in wish.topics:
            whole["jobs"] = [view for _, view in self._jobs.values()]
        if Topic.QUEUE in wish.topics:
            whole["queue"] = self._queue[1]
        if Topic.EVENTS in wish.topics:
            whole["last_event"] = self._told_event
        return as_json(whole)

    def _patch(self, wish: Wish, after: int) -> bytes:
        """The changes as JSON; empty where there are none that the client follows."""
        parts: dict[str, Any] = {}
        if Topic.PRINTERS in wish.topics:
            parts["printers"] = [f.since(after) for f in self._of(wish) if f.newest > after]
            parts["gone"] = [
                one for turn, one in self._gone if turn > after and wish.printer in (None, one)
            ]
        if Topic.JOBS in wish.topics:
            parts["jobs"] = [view for turn, view in self._jobs.values() if turn > after]
        if Topic.QUEUE in wish.topics and self._queue[0] > after:
            parts["queue"] = self._queue[1]
        if Topic.EVENTS in wish.topics:
            parts["events"] = list(self._events_since(wish, after))
        parts = {name: part for name, part in parts.items() if part}
        if not parts:
            return b""
        return as_json({"type": "patch", "seq": self.seq, **parts})

    def _events_since(self, wish: Wish, after: int) -> Iterator[Mapping[str, Any]]:
        for turn, view in self._events:
            if after < turn <= self.seq and wish.printer in (None, view["printer_id"]):
                yield view

    def _of(self, wish: Wish) -> Collection[_Fields]:
        if wish.printer is None:
            return self._printers.values()
        one = self._printers.get(wish.printer)
        return () if one is None else (one,)
