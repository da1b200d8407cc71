"""What live clients see, with a number for each change: pure, in memory, without any sockets.

Every turn of the board has a sequence number. A client holds the number of the last turn it was
sent, and is sent what has changed since then, however long ago that was: what changed ten times is
sent once. So no client needs a queue, and a slow one costs nothing. Where changes are not
remembered that far back, it is sent everything anew.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from hashlib import sha256
from typing import Any

from buildplate.api.answers import as_json
from buildplate.api.live_panels import Panels
from buildplate.api.own_events import OwnedEvent

KEPT_EVENTS = 1000
KEPT_GONE = 1000
"""Printers that were retired; and as many that left a group, and jobs."""

KEPT_ENDED = 1000
"""Ended jobs that are still told of; the oldest are forgotten first, which no client notices."""

KEPT_FRAMES_SIZE = 16_000_000
"""Bytes of frames that are kept for others who may have seen the same."""

SAME_TIME_S = 0.05


class Topic(StrEnum):
    """What a client may follow."""

    PRINTERS = "printers"
    QUEUE = "queue"
    JOBS = "jobs"
    EVENTS = "events"
    PANEL = "panel"
    CONSOLE = "console"


@dataclass(frozen=True, slots=True)
class Wish:
    """What one client follows; `printer` narrows printers and events to one printer's.

    Panel and console are told of that one printer only.

    `groups` are those that the client's caller is confined to; None: the whole farm.
    """

    topics: frozenset[Topic]
    printer: str | None = None
    groups: frozenset[str] | None = None

    def reaches(self, group: str | None) -> bool:
        """Whether the client may see what belongs to this group."""
        return self.groups is None or group in self.groups


def epoch_for(epoch: str, groups: frozenset[str] | None) -> str:
    """The epoch that clients of these groups are told: another set of groups is another one.

    So nobody goes on from what they saw when they were confined to other groups, or to none.
    """
    if groups is None:
        return epoch
    return f"{epoch}.{sha256(as_json(sorted(groups))).hexdigest()[:16]}"


class _Fields:
    """One printer's fields, each with the turn in which it last changed; and its group."""

    __slots__ = ("changed", "group", "moved", "newest", "values")

    def __init__(self, group: str | None) -> None:
        self.values: dict[str, Any] = {}
        self.changed: dict[str, int] = {}
        self.newest = 0
        self.group = group
        self.moved = 0

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


class _Job:
    """A job and its group, and the turns in which each of them last changed."""

    __slots__ = ("group", "moved", "turn", "view")

    def __init__(self, turn: int, view: Mapping[str, Any], group: str | None) -> None:
        self.turn = self.moved = turn
        self.view = view
        self.group = group


class _Left:
    """What left a group, when, and which: whoever sees only that group is told that it is gone."""

    __slots__ = ("_left", "oldest")

    def __init__(self) -> None:
        self._left: deque[tuple[int, str, str | None]] = deque()
        self.oldest = 0
        """Whoever has not seen this turn may miss something that was forgotten."""

    def note(self, turn: int, thing: str, group: str | None) -> None:
        self._left.append((turn, thing, group))
        while len(self._left) > KEPT_GONE:
            self.oldest = max(self.oldest, self._left.popleft()[0])

    def since(self, after: int, wish: Wish) -> Collection[str]:
        """What has left a group that the client sees; it may be in one of them again."""
        return dict.fromkeys(
            thing for turn, thing, group in self._left if turn > after and wish.reaches(group)
        )


class _OwnEvents:
    """The events whose groups are known, as those are told them who are confined to groups."""

    __slots__ = ("_kept", "last", "oldest", "told")

    def __init__(self) -> None:
        self._kept: deque[tuple[int, OwnedEvent]] = deque()
        self.oldest = 0
        self.last = 0
        self.told = 0

    def begin(self, turn: int, last: int) -> None:
        """Tell nothing of what was before, and everybody from this turn on everything anew."""
        self._kept.clear()
        self.oldest, self.last = turn, max(self.last, last)

    def add(self, turn: int, owned: OwnedEvent) -> bool:
        """Keep an event; one that is known already is left out."""
        if owned.view["seq"] <= self.last:
            return False
        self.last = owned.view["seq"]
        self._kept.append((turn, owned))
        while len(self._kept) > KEPT_EVENTS:
            self.oldest = max(self.oldest, self._kept.popleft()[0])
        return True

    def since(self, after: int, until: int) -> Iterator[OwnedEvent]:
        """What was kept after a turn, to another one."""
        return (owned for turn, owned in self._kept if after < turn <= until)


_NO_QUEUE: tuple[int, Mapping[str, Any]] = (0, {"items": [], "total": 0})


class _Frame:
    """A frame's content, and its text with the time in it."""

    __slots__ = ("_made_at", "_rest", "_text")

    def __init__(self, content: bytes) -> None:
        # A copy: the bytes that orjson makes hold on to several times the memory of what they say.
        self._rest = content[1:]
        self._made_at = float("-inf")
        self._text: str | None = None

    def at(self, now: float) -> str | None:
        """The text, whose time is at most `SAME_TIME_S` old; None where there is no content."""
        if self._rest and now - self._made_at > SAME_TIME_S:
            self._made_at = now
            self._text = f'{{"at_s":{now:.3f},{self._rest.decode()}'
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
        self._printers_left = _Left()
        self._jobs: dict[str, _Job] = {}
        self._jobs_left = _Left()
        self._ended: dict[str, None] = {}
        self._queues: dict[frozenset[str] | None, tuple[int, Mapping[str, Any]]] = {}
        self._events: deque[tuple[int, Mapping[str, Any]]] = deque()
        self._last_event = 0
        self._told_event = 0
        self._own = _OwnEvents()
        self.moves = 0
        """How often a printer has come to a group: who sees that group may have changed as well."""

        self._renamed = 0
        self._frames: dict[tuple[Wish, int], _Frame] = {}
        self._frames_size = 0
        self.panels = Panels(self)

    # --- changes ---------------------------------------------------------------------------------

    def put_printer(self, view: Mapping[str, Any], group: str | None = None) -> Collection[str]:
        """A printer as it is now, in this group; the names of the fields that changed."""
        fields = self._printers.get(view["id"])
        if fields is None:
            fields = self._printers[view["id"]] = _Fields(group)
            self._gone = deque(one for one in self._gone if one[1] != view["id"])
            self.moves += 1
        elif fields.group != group:
            self._printers_left.note(self.seq + 1, view["id"], fields.group)
            fields.group, fields.moved = group, self.seq + 1
            self.moves += 1
            self.dirty = True
        return self._changed(fields.put(view, self.seq + 1))

    def put_levels(self, printer_id: str, levels: Mapping[str, Any]) -> None:
        """Some fields of a printer as they are now; nothing where it is not on the board."""
        fields = self._printers.get(printer_id)
        if fields is not None:
            self._changed(fields.put(levels, self.seq + 1))

    def drop_printer(self, printer_id: str) -> None:
        """A printer is out of service."""
        fields = self._printers.pop(printer_id, None)
        if fields is not None:
            self.dirty = True
            self._printers_left.note(self.seq + 1, printer_id, fields.group)
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

    def put_job(self, view: Mapping[str, Any], *, ended: bool, group: str | None = None) -> None:
        """A job as it is now, of this group."""
        job_id: str = view["id"]
        known = self._jobs.get(job_id)
        if known is None:
            self._jobs[job_id] = _Job(self.seq + 1, view, group)
            self.dirty = True
        elif known.view != view:
            known.view, known.turn = view, self.seq + 1
            self.dirty = True
        if known is not None and known.group != group:
            self._move_job(known, group)
        self._ended.pop(job_id, None)
        if ended:
            self._ended[job_id] = None
            if len(self._ended) > KEPT_ENDED:
                oldest = next(iter(self._ended))
                del self._ended[oldest], self._jobs[oldest]

    def _move_job(self, job: _Job, group: str | None) -> None:
        """A job asks for another group: queues may have been sent without it."""
        for groups, (_, view) in self._queues.items():
            if groups is not None and not groups.isdisjoint({job.group, group}):
                self._queues[groups] = (self.seq + 1, view)
        if job.group is not None:
            self._jobs_left.note(self.seq + 1, job.view["id"], job.group)
        job.group, job.moved = group, self.seq + 1
        self.dirty = True

    def lose_groups(self) -> None:
        """Names may stand for other groups now: jobs and queues are nobody's until put again.

        Whoever is confined is sent everything anew. Printers are to be put at once.
        """
        for job in self._jobs.values():
            job.group = None
        for groups in self._queues.keys() - {None}:
            self._queues[groups] = (self.seq + 1, _NO_QUEUE[1])
        self._renamed = self.seq + 1
        self.begin_own()

    def put_queue(
        self, view: Mapping[str, Any] | None, groups: frozenset[str] | None = None
    ) -> None:
        """The queue as it is now; with `groups`, as whoever is confined to them sees it.

        None: nobody follows it any more.
        """
        known = self._queues.get(groups)
        if view is None:
            self._queues.pop(groups, None)
        elif known is None or view != known[1]:
            self._queues[groups] = (self.seq + 1, view)
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
        self.begin_own()

    def begin_own(self) -> None:
        """From the next event on confined callers are told, by `add_own`, and of none before."""
        self._own.begin(self.seq + 1, self._last_event)
        self.dirty = True

    def add_own(self, owned: OwnedEvent) -> None:
        """An event for those who are confined to groups; its groups are known now."""
        if self._own.add(self.seq + 1, owned):
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
            self._own.told = self._own.last
            self._forget_frames()
        return self.seq

    def _forget_frames(self) -> None:
        self._frames.clear()
        self._frames_size = 0

    # --- what is sent ----------------------------------------------------------------------------

    def reaches(self, epoch: str | None, seq: int, groups: frozenset[str] | None = None) -> bool:
        """Whether a client that has seen turn `seq` of a board can go on from there."""
        return epoch == epoch_for(self.epoch, groups) and self._oldest <= seq <= self.seq

    def frame(self, wish: Wish, after: int | None, now: float) -> str | None:
        """What a client that has seen turn `after` (None: nothing) lacks, at `now`; None: nothing.

        It is made once for everybody who wishes the same and has seen the same at about that time.
        """
        if after is not None and after < self._oldest_for(wish):
            after = None
        key = (wish, -1 if after is None else after)
        made = self._frames.get(key)
        if made is None:
            content = self._snapshot(wish) if after is None else self._patch(wish, after)
            if self._frames_size > KEPT_FRAMES_SIZE:  # the wishes and turns are the clients' choice
                self._forget_frames()
            self._frames_size += len(content)
            made = self._frames[key] = _Frame(content)
        return made.at(now)

    def _oldest_for(self, wish: Wish) -> int:
        if wish.groups is None:
            return self._oldest
        own = self._own.oldest if Topic.EVENTS in wish.topics else 0
        left = max(self._printers_left.oldest, self._jobs_left.oldest)
        return max(self._oldest, self._renamed, left, own)

    def _snapshot(self, wish: Wish) -> bytes:
        epoch = epoch_for(self.epoch, wish.groups)
        whole: dict[str, Any] = {"type": "snapshot", "epoch": epoch, "seq": self.seq}
        if Topic.PRINTERS in wish.topics:
            whole["printers"] = [fields.values for fields in self._of(wish)]
        if Topic.JOBS in wish.topics:
            whole["jobs"] = [job.view for job in self._jobs.values() if wish.reaches(job.group)]
        if Topic.QUEUE in wish.topics:
            whole["queue"] = self._queue_of(wish)
        if Topic.EVENTS in wish.topics:
            whole["last_event"] = self._told_event if wish.groups is None else self._own.told
        return as_json(whole | self._panel_of(wish, None))

    def _patch(self, wish: Wish, after: int) -> bytes:
        """The changes as JSON; empty where there are none that the client follows."""
        parts: dict[str, Any] = {}
        if wish.groups is not None:
            parts = self._changes_of_groups(wish, after)
        elif Topic.PRINTERS in wish.topics:
            parts["printers"] = [f.since(after) for f in self._of(wish) if f.newest > after]
            parts["gone"] = [
                one for turn, one in self._gone if turn > after and wish.printer in (None, one)
            ]
        if Topic.JOBS in wish.topics:
            parts["jobs"] = [
                job.view
                for job in self._jobs.values()
                if wish.reaches(job.group)
                and (job.turn > after or (wish.groups is not None and job.moved > after))
            ]
        if Topic.QUEUE in wish.topics and self._queues.get(wish.groups, _NO_QUEUE)[0] > after:
            parts["queue"] = self._queue_of(wish)
        if Topic.EVENTS in wish.topics:
            parts["events"] = list(self._events_since(wish, after))
        parts |= self._panel_of(wish, after)
        parts = {name: part for name, part in parts.items() if part}
        if not parts:
            return b""
        return as_json({"type": "patch", "seq": self.seq, **parts})

    def _panel_of(self, wish: Wish, after: int | None) -> dict[str, Any]:
        seen = wish.printer is not None and bool(self._of(wish))
        return self.panels.since(wish, after) if seen else {}

    def _changes_of_groups(self, wish: Wish, after: int) -> dict[str, Any]:
        """Of a farm that is seen through groups: what changed, what has come and what has left."""
        parts: dict[str, Any] = {}
        if Topic.PRINTERS in wish.topics:
            here = list(self._of(wish))
            parts["printers"] = [
                fields.values if fields.moved > after else fields.since(after)
                for fields in here
                if max(fields.newest, fields.moved) > after
            ]
            seen = {fields.values["id"] for fields in here}
            parts["gone"] = [
                one
                for one in self._printers_left.since(after, wish)
                if one not in seen and wish.printer in (None, one)
            ]
        if Topic.JOBS in wish.topics:
            parts["gone_jobs"] = [
                one
                for one in self._jobs_left.since(after, wish)
                if one not in self._jobs or not wish.reaches(self._jobs[one].group)
            ]
        return parts

    def _queue_of(self, wish: Wish) -> Mapping[str, Any]:
        """The queue; without jobs that have left the client's groups since it was read."""
        queue = self._queues.get(wish.groups, _NO_QUEUE)[1]
        if wish.groups is None:
            return queue
        items = [item for item in queue["items"] if not self._left_to(wish, item["job_id"])]
        return {"items": items, "total": queue["total"] - len(queue["items"]) + len(items)}

    def _left_to(self, wish: Wish, job_id: str) -> bool:
        job = self._jobs.get(job_id)
        return job is not None and not wish.reaches(job.group)

    def _events_since(self, wish: Wish, after: int) -> Iterator[Mapping[str, Any]]:
        if wish.groups is not None:
            yield from self._own_events_since(wish, wish.groups, after)
            return
        for turn, view in self._events:
            if after < turn <= self.seq and wish.printer in (None, view["printer_id"]):
                yield view

    def _own_events_since(
        self, wish: Wish, groups: frozenset[str], after: int
    ) -> Iterator[Mapping[str, Any]]:
        """The events of these groups; without what has left them since it was looked at."""
        for owned in self._own.since(after, self.seq):
            fields = self._printers.get(owned.view["printer_id"])
            left = fields is not None and not wish.reaches(fields.group)
            # What is known of a job here may be older than what was read for the event.
            job = self._jobs.get(owned.view["job_id"])
            newer = job is not None and job.view["version"] > owned.job_version
            gone = newer and self._left_to(wish, owned.view["job_id"])
            present = replace(
                owned,
                printer_group=None if left else owned.printer_group,
                job_group=None if gone else owned.job_group,
            )
            shown = present.shown_to(groups)
            if shown is not None and wish.printer in (None, shown["printer_id"]):
                yield shown

    def _of(self, wish: Wish) -> Collection[_Fields]:
        found: Collection[_Fields] = self._printers.values()
        if wish.printer is not None:
            one = self._printers.get(wish.printer)
            found = () if one is None else (one,)
        if wish.groups is not None:
            found = [fields for fields in found if wish.reaches(fields.group)]
        return found
