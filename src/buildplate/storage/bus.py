"""The bus of this process: published events for whoever listens, each at its own pace."""

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from buildplate.storage.model import PublishedEvent


@dataclass(frozen=True, slots=True)
class Gap:
    """Events `first` to `last` were not kept for this listener: read them from the table."""

    first: int
    last: int


class Subscription:
    """One listener's bounded queue. For one task at a time."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._queue: deque[PublishedEvent | Gap] = deque()
        self._news = asyncio.Event()

    async def next(self) -> PublishedEvent | Gap:
        """The next event, or the gap where the listener was too slow. Waits for one."""
        while not self._queue:
            self._news.clear()
            await self._news.wait()
        return self._queue.popleft()

    def offer(self, item: PublishedEvent | Gap) -> None:
        """Queue an item; when the queue is full it becomes part of a gap. Never blocks."""
        newest = self._queue[-1] if self._queue else None
        gap = item if isinstance(item, Gap) else Gap(item.seq, item.seq)
        if len(self._queue) < self._limit:
            self._queue.append(item)
        elif isinstance(newest, Gap):
            self._queue[-1] = Gap(newest.first, gap.last)
        else:
            self._queue.append(gap)
        self._news.set()


class Bus:
    """Hands published events to all subscriptions. On the loop only."""

    def __init__(self) -> None:
        self._subscriptions: set[Subscription] = set()
        self._last: int | None = None

    @contextmanager
    def subscribe(self, limit: int = 1000) -> Iterator[Subscription]:
        """A subscription to everything published while the block runs.

        A listener that falls more than `limit` events behind gets a `Gap` in their place.
        """
        subscription = Subscription(limit)
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)

    def publish(self, published: Sequence[PublishedEvent]) -> None:
        """Offer the events to every subscription, in order; what was skipped as a gap."""
        for event in published:
            expected = event.seq if self._last is None else self._last + 1
            for subscription in self._subscriptions:
                if event.seq > expected:
                    subscription.offer(Gap(expected, event.seq - 1))
                subscription.offer(event)
            self._last = event.seq
