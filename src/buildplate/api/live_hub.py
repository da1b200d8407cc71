"""Keeps the live board up to date, for as long as anybody follows it, and makes its turns."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress

import structlog

from buildplate.access.group_repository import GROUP_EDITED
from buildplate.api.events import event_view
from buildplate.api.jobs import job_view
from buildplate.api.live_board import Board, Topic, Wish
from buildplate.api.printer_views import CALM, live_view
from buildplate.api.queue import queue_view
from buildplate.api.rooms import Rooms
from buildplate.core.job_state import ENDED, JobState
from buildplate.dispatch.errors import UnknownJob
from buildplate.storage import Gap, PublishedEvent, StorageError, Subscription, last_seq

_LOG = structlog.get_logger("live")
TICK_S = 0.25
GATHER_S = 0.02
"""Changes of state go out at once, but several that come together go out together."""

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
        self._jobs: set[str] = set()
        self.clients = 0
        self._followers: dict[Topic, int] = dict.fromkeys(Topic, 0)
        self._urgent = False

    # --- for the clients -------------------------------------------------------------------------

    @asynccontextmanager
    async def following(self, topics: Collection[Topic]) -> AsyncIterator[None]:
        """Have the board kept up to date while the block runs, and be up to date now."""
        self.clients += 1
        for topic in topics:
            self._followers[topic] += 1
        try:
            self._followed.set()
            self._queue_stirred.set()
            self._take_printers()
            self._turn()
            yield
        finally:
            self.clients -= 1
            for topic in topics:
                self._followers[topic] -= 1
            if not self.clients:
                self._followed.clear()

    def now(self) -> float:
        """The boot-time clock, in seconds."""
        return self._rooms.clock.boot()

    async def next(self, wish: Wish, after: int | None) -> tuple[str, int]:
        """What a client that has seen turn `after` lacks, and which turn it has seen then."""
        while True:
            seq, turned = self.board.seq, self._turned
            if after is None or after < seq:
                frame = self.board.frame(wish, after, self.now())
                if frame is not None:
                    return frame, seq
                after = seq
            await turned.wait()

    # --- the tasks -------------------------------------------------------------------------------

    async def run(self) -> None:
        """Feed the board until cancelled."""
        watchers = self._rooms.watchers
        watchers.add(self._printer_changed)
        try:
            with self._rooms.bus.subscribe() as news:
                await self._begin()
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._follow(news))
                    tasks.create_task(self._pace())
                    tasks.create_task(self._read_jobs())
                    tasks.create_task(self._read_queue())
        finally:
            watchers.discard(self._printer_changed)

    async def _begin(self) -> None:
        """Put everything on the board that is there already."""
        self.board.lose_events(await self._rooms.storage.read(last_seq))
        self._printers.update(self.board.printers, self._rooms.fleet.sessions)
        self._jobs.update(self.board.jobs)
        self._job_stirred.set()
        for state in JobState:
            if state in ENDED:
                continue
            found, _ = await self._rooms.jobs.jobs(MOST_JOBS, None, {"state": state})
            for view in found:
                self.board.put_job(job_view(view), ended=False)

    def _printer_changed(self, printer_id: str) -> None:
        self._printers.add(printer_id)
        self._stirred.set()

    async def _follow(self, news: Subscription) -> None:
        """Take the events as they are published."""
        while True:
            item = await news.next()
            if isinstance(item, Gap):
                self.board.lose_events(item.last)
                self._printers.update(self.board.printers, self._rooms.fleet.sessions)
                self._jobs.update(self.board.jobs)
                self._job_stirred.set()
            else:
                self._take(item)
            self._urgent = True
            self._stirred.set()
            self._queue_stirred.set()

    def _take(self, published: PublishedEvent) -> None:
        self.board.add_event(event_view(published))
        event = published.event
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
        loop, next_tick = asyncio.get_running_loop(), 0.0
        while True:
            await self._followed.wait()
            wait = next_tick - loop.time() if self.board.dirty else None
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._stirred.wait()
            self._stirred.clear()
            self._take_printers()
            if self._urgent or loop.time() >= next_tick:
                self._turn()
                next_tick = loop.time() + TICK_S
            await asyncio.sleep(GATHER_S + A_CLIENT_S * self.clients)

    def _take_printers(self) -> None:
        """Put on the board every printer about which something may have changed."""
        dirty, self._printers = self._printers, set()
        for printer_id in dirty:
            session = self._rooms.fleet.sessions.get(printer_id)
            if session is None:
                self.board.drop_printer(printer_id)
            elif not CALM.issuperset(self.board.put_printer(live_view(session))):
                self._urgent = True

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
            await asyncio.sleep(GATHER_S if self._followed.is_set() else UNFOLLOWED_S)

    async def _read_job(self, job_id: str) -> None:
        try:
            view = await self._rooms.jobs.job(job_id)
        except UnknownJob:
            return
        except StorageError as error:
            _LOG.warning("live.storage", action="read job", code=error.code)
            self._jobs.add(job_id)
            await asyncio.sleep(AFTER_TROUBLE_S)
            return
        self.board.put_job(job_view(view), ended=view.state in ENDED)

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
            began = loop.time()
            try:
                rows = await self._rooms.queue.queue()
            except StorageError as error:
                _LOG.warning("live.storage", action="read queue", code=error.code)
            else:
                shown = [queue_view(row) for row in rows[:QUEUE_SHOWN]]
                self.board.put_queue({"items": shown, "total": len(rows)})
                self._stirred.set()
            took = loop.time() - began
            await asyncio.sleep(max(QUEUE_EVERY_S, QUEUE_SHARE * took))
