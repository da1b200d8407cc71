"""Keeps the live board up to date, for as long as anybody follows it, and makes its turns."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import structlog

from buildplate.access.group_repository import GROUP_EDITED
from buildplate.access.model import Groups
from buildplate.api.jobs import job_view
from buildplate.api.live_board import Board, Topic, Wish
from buildplate.api.live_groups import GroupFollowers
from buildplate.api.live_pages import OpenPages
from buildplate.api.own_events import event_view
from buildplate.api.printer_views import CALM, calm_view, live_view
from buildplate.api.queue import queue_view
from buildplate.api.rooms import Rooms
from buildplate.core.job_state import ENDED, JobState
from buildplate.dispatch.errors import UnknownJob
from buildplate.dispatch.queue_service import QueueRow
from buildplate.storage import Gap, PublishedEvent, StorageError, Subscription, last_seq

_LOG = structlog.get_logger("live")
TICK_S = 0.25
GATHER_S = 0.02
"""Changes of state go out at once, but several that come together go out together."""

LOOK_S = 0.005
"""Between looks at what has changed, where nothing went out."""

ALL_EVERY_S = 5.0
"""Between looks at everything about every printer, also at what nobody has told of."""

A_CLIENT_S = 1e-4
"""Turns are further apart the more clients each of them costs a frame."""

UNFOLLOWED_S = 2.0
"""Between readings of jobs while nobody looks."""

QUEUE_SHOWN = 100
QUEUE_EVERY_S, QUEUE_AT_LEAST_S, QUEUE_SHARE = 1.0, 15.0, 20
"""A queue is played through again after changes, and now and then; one part in so many of the time
at most."""

MOST_JOBS = 1000
"""Unfinished jobs on the board when it begins; later ones come with their events."""

AFTER_TROUBLE_S = 1.0

OTHER_RIGHTS = frozenset({"user.changed", "user.removed", "key.revoked"})
"""Events after which anybody may be allowed less, or nothing."""

OTHER_GROUPS = frozenset({GROUP_EDITED, "group.removed"})
"""Events after which whoever is confined to groups may be confined to others."""


class LiveHub:
    """The one board of this process and the tasks that feed it; `run` once, beside the server."""

    def __init__(self, rooms: Rooms, epoch: str) -> None:
        self._rooms = rooms
        self.board = Board(epoch)
        self._turned = asyncio.Event()
        self._stirred = asyncio.Event()
        self._followed = asyncio.Event()
        self._queue_stirred = asyncio.Event()
        self._job_stirred = asyncio.Event()
        self._printers: set[str] = set()
        self._levels: set[str] = set()
        self._open = OpenPages(rooms, self.board.panels)
        self._jobs: set[str] = set()
        self.clients = self.seats = 0
        self._followers: dict[Topic, int] = dict.fromkeys(Topic, 0)
        self._urgent = False
        self._doubts = 0
        self._doubts_of_groups = 0
        self._renaming = 0
        self._names = 0
        self._of_groups = GroupFollowers(rooms, self.board, self._stir, self._queue_part)

    # --- for the clients -------------------------------------------------------------------------

    @contextmanager
    def seat(self) -> Iterator[None]:
        """Count somebody who listens, or is about to, in `seats` while the block runs."""
        self.seats += 1
        try:
            yield
        finally:
            self.seats -= 1

    @asynccontextmanager
    async def following(self, wish: Wish) -> AsyncIterator[None]:
        """Have the board kept up to date while the block runs, and be up to date now."""
        self.clients += 1
        for topic in wish.topics:
            self._followers[topic] += 1
        try:
            self._followed.set()
            self._queue_stirred.set()
            with self._of_groups.following(wish), self._open.following(wish):
                self._take_printers()
                self._take_levels()
                self._turn()
                yield
        finally:
            self.clients -= 1
            for topic in wish.topics:
                self._followers[topic] -= 1
            if not self.clients:
                self._followed.clear()

    def doubts(self, wish: Wish) -> int:
        """Grows whenever whoever wishes this may have come to be allowed something else."""
        if wish.groups is None:
            return self._doubts
        return self._doubts + self._doubts_of_groups + self.board.moves

    def now(self) -> float:
        """The boot-time clock, in seconds."""
        return self._rooms.clock.boot()

    async def next(
        self, wish: Wish, after: int | None, doubts: int
    ) -> tuple[str | None, int | None]:
        """What a client that has seen turn `after` lacks, and which turn it has seen then.

        None, where `doubts` have grown: it is to be looked first whether the client still may see
        what it wishes.
        """
        while True:
            seq, turned = self.board.seq, self._turned
            if self.doubts(wish) != doubts:
                return None, after
            if wish.groups is not None and self._renaming:
                await turned.wait()
                continue
            if after is None or after < seq:
                frame = self.board.frame(wish, after, self.now())
                if frame is not None:
                    return frame, seq
                after = seq
            await turned.wait()

    @contextmanager
    def renaming(self) -> Iterator[None]:
        """Send nothing to whoever is confined to groups while the block changes a group's name.

        In its midst a name may stand for two groups: for one in the rights of a caller, for another
        one in what was read before.
        """
        self._renaming += 1
        try:
            yield
        finally:
            self._renaming -= 1
            self._names += 1
            self._doubts_of_groups += 1
            self.board.lose_groups()
            self._read_again()
            self._queue_stirred.set()
            self._take_printers()
            self._turn()

    # --- the tasks -------------------------------------------------------------------------------

    async def run(self) -> None:
        """Feed the board until cancelled."""
        watchers = self._rooms.watchers
        watchers.add(self._printer_changed, self._levels_changed)
        watchers.listen(self._console_changed)
        try:
            with self._rooms.bus.subscribe() as news:
                await self._begin()
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._follow(news))
                    tasks.create_task(self._pace())
                    tasks.create_task(self._read_jobs())
                    tasks.create_task(self._read_queue())
                    tasks.create_task(self._of_groups.run())
        finally:
            watchers.discard(self._printer_changed)
            watchers.ignore(self._console_changed)

    async def _begin(self) -> None:
        """Put everything on the board that is there already.

        Where this begins again after a failure, what happened meanwhile was heard by nobody.
        """
        self._doubts_of_groups += 1
        self.board.lose_events(await self._rooms.storage.read(last_seq))
        self._read_again()
        for state in JobState:
            if state in ENDED:
                continue
            found, _ = await self._rooms.jobs.jobs(MOST_JOBS, None, {"state": state})
            for view in found:
                self.board.put_job(job_view(view), ended=False, group=view.job.requirements.group)

    def _printer_changed(self, printer_id: str) -> None:
        self._printers.add(printer_id)
        self._stirred.set()

    def _levels_changed(self, printer_id: str) -> None:
        """Only the first one wakes the pace: all others wait for the tick with it."""
        if not self._levels:
            self._stirred.set()
        self._levels.add(printer_id)

    def _console_changed(self, printer_id: str) -> None:
        if self._open.said(printer_id):
            self._stirred.set()

    def _stir(self) -> None:
        self._urgent = True
        self._stirred.set()

    async def _follow(self, news: Subscription) -> None:
        """Take the events as they are published."""
        while True:
            item = await news.next()
            if isinstance(item, Gap):
                self.board.lose_events(item.last)
                self._doubts_of_groups += 1  # others are looked at now and then anyway
                self._read_again()
            else:
                self._take(item)
            self._urgent = True
            self._stirred.set()
            self._queue_stirred.set()

    def _read_again(self) -> None:
        """Have all that is on the board looked at again."""
        self._printers.update(self.board.printers, self._rooms.fleet.sessions)
        self._jobs.update(self.board.jobs)
        self._job_stirred.set()

    def _take(self, published: PublishedEvent) -> None:
        self.board.add_event(event_view(published))
        self._of_groups.take(published)
        event = published.event
        if event.kind in OTHER_RIGHTS:
            self._doubts += 1
        elif event.kind in OTHER_GROUPS:
            self._doubts_of_groups += 1
        if event.job_id is not None:
            self._jobs.add(event.job_id)
            self._job_stirred.set()
        if event.kind == GROUP_EDITED:  # any of them may ask for it by its new name now
            self._jobs.update(self.board.jobs)
            self._job_stirred.set()
        if event.printer_id is not None:
            self._printers.add(event.printer_id)

    async def _pace(self) -> None:
        """Make turns: at once where the state of something changed, otherwise at every tick."""
        loop, next_tick, all_at = asyncio.get_running_loop(), 0.0, 0.0
        while True:
            await self._followed.wait()
            waits = self.board.dirty or self._levels or self._open.waits
            due = next_tick if waits else all_at
            with suppress(TimeoutError):
                async with asyncio.timeout_at(due):
                    await self._stirred.wait()
            self._stirred.clear()
            if loop.time() >= all_at:
                self._printers.update(self._rooms.fleet.sessions)
                all_at = loop.time() + ALL_EVERY_S
            self._take_printers()
            turns = self._urgent or loop.time() >= next_tick
            if turns:
                self._take_levels()
                self._turn()
                next_tick = loop.time() + TICK_S
            await asyncio.sleep((GATHER_S if turns else LOOK_S) + A_CLIENT_S * self.clients)

    def _take_printers(self) -> None:
        """Put on the board every printer about which something may have changed."""
        dirty, self._printers = self._printers, set()
        for printer_id in dirty:
            session = self._rooms.fleet.sessions.get(printer_id)
            if session is None:
                self.board.drop_printer(printer_id)
                continue
            group = session.record.spec.group
            if not CALM.issuperset(self.board.put_printer(live_view(session), group)):
                self._urgent = True

    def _take_levels(self) -> None:
        """Put on the board the levels that printers have told."""
        told, self._levels = self._levels, set()
        for printer_id in told:
            session = self._rooms.fleet.sessions.get(printer_id)
            if session is not None:
                self.board.put_levels(printer_id, calm_view(session))
        self._open.take(told)

    def _turn(self) -> None:
        self._urgent = False
        if self.board.dirty:
            self.board.turn()
            turned, self._turned = self._turned, asyncio.Event()
            turned.set()

    async def _read_jobs(self) -> None:
        """Read again the jobs that events have named."""
        while True:
            await self._job_stirred.wait()
            self._job_stirred.clear()
            while self._jobs:
                await self._read_job(self._jobs.pop())
            self._urgent = True
            self._stirred.set()
            await asyncio.sleep(GATHER_S)
            with suppress(TimeoutError):
                async with asyncio.timeout(UNFOLLOWED_S):
                    await self._followed.wait()

    async def _read_job(self, job_id: str) -> None:
        names = self._names
        try:
            view = await self._rooms.jobs.job(job_id)
        except UnknownJob:
            return
        except StorageError as error:
            _LOG.warning("live.storage", action="read job", code=error.code)
            self._jobs.add(job_id)
            await asyncio.sleep(AFTER_TROUBLE_S)
            return
        if names != self._names:  # it may be of another group than it says
            self._jobs.add(job_id)
            return
        group = view.job.requirements.group
        self.board.put_job(job_view(view), ended=view.state in ENDED, group=group)

    def _queue_part(self, rows: Sequence[QueueRow], groups: Groups = None) -> dict[str, Any]:
        """What is told of a queue; its jobs are read where the board began without them."""
        shown = rows[:QUEUE_SHOWN]
        missing = {row.item.print.job.id for row in shown}.difference(self.board.jobs)
        if missing:
            self._jobs |= missing
            self._job_stirred.set()
        return {"items": [queue_view(row, groups) for row in shown], "total": len(rows)}

    async def _read_queue(self) -> None:
        """Play the queue through while somebody follows it, at a bounded rate."""
        loop = asyncio.get_running_loop()
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(QUEUE_AT_LEAST_S):
                    await self._queue_stirred.wait()
            await self._followed.wait()
            self._queue_stirred.clear()
            if not self._followers[Topic.QUEUE]:
                continue
            began, names = loop.time(), self._names
            try:
                rows = await self._rooms.queue.queue()
            except StorageError as error:
                _LOG.warning("live.storage", action="read queue", code=error.code)
            else:
                self.board.put_queue(self._queue_part(rows))
                if names == self._names:  # else it is read again soon, by the names of now
                    self._of_groups.show_queue(rows)
                self._stirred.set()
            took = loop.time() - began
            await asyncio.sleep(max(QUEUE_EVERY_S, QUEUE_SHARE * took))
