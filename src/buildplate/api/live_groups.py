"""What the live hub does besides, as long as callers who are confined to printer groups listen.

They see the queue without others' prints, and events only once it is known whose they are.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import structlog

from buildplate.access.model import Groups
from buildplate.api.live_board import KEPT_EVENTS, Board, Topic, Wish
from buildplate.api.queue import group_of
from buildplate.api.rooms import Rooms
from buildplate.api.scopes import owned_events
from buildplate.dispatch.queue_service import QueueRow
from buildplate.storage import PublishedEvent, StorageError

_LOG = structlog.get_logger("live")
AFTER_TROUBLE_S = 1.0
AT_ONCE = 100
"""Events whose groups are read together."""


class GroupFollowers:
    """Who listens through groups, and what is put on the board for them; `run` once."""

    def __init__(
        self,
        rooms: Rooms,
        board: Board,
        stir: Callable[[], None],
        queue_part: Callable[[Sequence[QueueRow], Groups], Mapping[str, Any]],
    ) -> None:
        self._rooms = rooms
        self._board = board
        self._stir = stir
        self._queue_part = queue_part
        self._queues: Counter[frozenset[str]] = Counter()
        self._of_events = 0
        self._waiting: deque[PublishedEvent] = deque()
        self._came = asyncio.Event()

    @contextmanager
    def following(self, wish: Wish) -> Iterator[None]:
        """Do so while the block runs."""
        if wish.groups is None:
            yield
            return
        queue, events = Topic.QUEUE in wish.topics, Topic.EVENTS in wish.topics
        if queue:
            self._queues[wish.groups] += 1
        if events:
            if not self._of_events:
                self._board.begin_own()
            self._of_events += 1
        try:
            yield
        finally:
            if queue:
                self._leave_queue(wish.groups)
            if events:
                self._of_events -= 1

    def _leave_queue(self, groups: frozenset[str]) -> None:
        self._queues[groups] -= 1
        if not self._queues[groups]:
            del self._queues[groups]
            self._board.put_queue(None, groups)

    def show_queue(self, rows: Sequence[QueueRow]) -> None:
        """Put the queue on the board as each of those sees it who follow it."""
        for groups in self._queues:
            theirs = [row for row in rows if group_of(row) in groups]
            self._board.put_queue(self._queue_part(theirs, groups), groups)

    def take(self, published: PublishedEvent) -> None:
        """An event was published."""
        if not self._of_events:
            return
        self._waiting.append(published)
        if len(self._waiting) > KEPT_EVENTS:  # the database does not answer for long
            self._waiting.clear()
            self._board.begin_own()
        self._came.set()

    async def run(self) -> None:
        """Find out whose the events are that were taken, in their order, until cancelled."""
        while True:
            await self._came.wait()
            self._came.clear()
            while self._waiting:
                batch = list(self._waiting)[:AT_ONCE]
                try:
                    owned = await owned_events(self._rooms, batch)
                except StorageError as error:
                    _LOG.warning("live.storage", action="sort events", code=error.code)
                    await asyncio.sleep(AFTER_TROUBLE_S)
                    continue
                for one in owned:
                    self._board.add_own(one)
                while self._waiting and self._waiting[0].seq <= batch[-1].seq:
                    self._waiting.popleft()
                self._stir()
