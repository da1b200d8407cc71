"""The one sequence of events: gapless, in order, and nothing lost between commit and seq."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from buildplate.storage import (
    Bus,
    EventRecord,
    OutboxRelay,
    PublishedEvent,
    Storage,
    Tx,
    last_seq,
    read_events,
    read_events_back,
    script,
)
from buildplate.storage.outbox import publish_batch
from tests.contract.storage_engines import ENGINES, NOW, count, make_storage, opened

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path


@pytest.fixture(params=ENGINES)
async def storage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Storage]:
    async with opened(request.param, tmp_path) as storage:
        yield storage


@script
async def record_some(tx: Tx, *ids: str, fail: bool = False) -> None:
    for event_id in ids:
        await tx.record(EventRecord(event_id, NOW, "print.changed", job_id="job", data={"n": 1}))
    if fail:
        raise LookupError


class Listener:
    """Keeps what a relay publishes, and tells when there is enough."""

    def __init__(self) -> None:
        self.got: list[PublishedEvent] = []
        self._news = asyncio.Event()

    def take(self, events: Sequence[PublishedEvent]) -> None:
        self.got.extend(events)
        self._news.set()

    async def until(self, number: int) -> list[PublishedEvent]:
        async with asyncio.timeout(10):
            while len(self.got) < number:
                self._news.clear()
                await self._news.wait()
        return self.got


@asynccontextmanager
async def relaying(storage: Storage, batch: int = 256) -> AsyncIterator[Listener]:
    listener = Listener()
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(OutboxRelay(storage, listener.take, batch).run())
        yield listener
        task.cancel()


def assert_gapless(events: Sequence[PublishedEvent], number: int) -> None:
    assert [event.seq for event in events] == list(range(1, number + 1))
    assert len({event.event.id for event in events}) == number


async def test_events_are_published_whole_in_the_order_of_their_transaction(
    storage: Storage,
) -> None:
    async with relaying(storage) as listener:
        await storage.write(record_some, "a", "b")
        first = await listener.until(2)
    assert first == [
        PublishedEvent(seq, EventRecord(name, NOW, "print.changed", job_id="job", data={"n": 1}))
        for seq, name in ((1, "a"), (2, "b"))
    ]
    assert await storage.read(read_events, 0, 10) == first
    assert await storage.read(last_seq) == 2
    assert await storage.read(count, "outbox") == 0


async def test_concurrent_transactions_get_one_sequence_without_gaps(storage: Storage) -> None:
    async with relaying(storage, batch=7) as listener:
        await asyncio.gather(
            *(storage.write(record_some, f"{n}.0", f"{n}.1", fail=n % 5 == 0) for n in range(100)),
            return_exceptions=True,
        )
        got = await listener.until(160)
    assert_gapless(got, 160)
    assert not any(int(event.event.id.split(".")[0]) % 5 == 0 for event in got)
    assert await storage.read(read_events, 0, 1000) == got


async def test_what_was_recorded_without_a_relay_is_published_by_the_next(
    storage: Storage,
) -> None:
    await storage.write(record_some, *(f"{n}" for n in range(10)))
    await storage.write(publish_batch, 4)
    async with relaying(storage, batch=3) as listener:
        got = await listener.until(6)
    assert [event.seq for event in got] == list(range(5, 11))
    assert_gapless(await storage.read(read_events, 0, 100), 10)


async def test_relays_at_the_same_time_share_one_sequence(storage: Storage) -> None:
    for n in range(20):
        await storage.write(record_some, f"{n}.0", f"{n}.1")
    batches = await asyncio.gather(*(storage.write(publish_batch, 3) for _ in range(20)))
    # Side by side, they may answer in another order than they took their turn.
    turns = sorted((batch for batch in batches if batch), key=lambda batch: batch[0].seq)
    assert_gapless([event for batch in turns for event in batch], 40)


async def test_a_relay_stopped_at_any_moment_leaves_no_gap(storage: Storage, seed: int) -> None:
    async with asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(_write_many(storage, 100))
        pauses = 0
        while not writing.done():
            async with relaying(storage, batch=2):
                await asyncio.wait([writing], timeout=((seed + pauses) % 7) / 1000)
            pauses += 1
    while await storage.write(publish_batch, 1000):
        pass
    assert await storage.read(count, "outbox") == 0
    assert_gapless(await storage.read(read_events, 0, 1000), 100)


async def _write_many(storage: Storage, number: int) -> None:
    for n in range(number):
        await storage.write(record_some, f"{n}")


async def test_the_log_is_read_on_from_any_place(storage: Storage) -> None:
    await storage.write(record_some, *(f"{n:02}" for n in range(10)))
    await storage.write(publish_batch, 100)
    seen: list[str] = []
    after = 0
    while batch := await storage.read(read_events, after, 3):
        seen += [event.event.id for event in batch]
        after = batch[-1].seq
    assert seen == [f"{n:02}" for n in range(10)]
    assert after == 10


async def test_the_log_is_read_back_from_any_place(storage: Storage) -> None:
    await storage.write(record_some, *(f"{n:02}" for n in range(10)))
    await storage.write(publish_batch, 100)
    await storage.write(record_some, "not published")
    seen: list[str] = []
    before = 2**53 - 1
    while batch := await storage.read(read_events_back, before, 3):
        seen += [event.event.id for event in batch]
        before = batch[-1].seq
    assert seen == [f"{n:02}" for n in reversed(range(10))]
    assert before == 1
    forth = await storage.read(read_events, 0, 100)
    assert await storage.read(read_events_back, 11, 100) == forth[::-1]
    assert await storage.read(read_events_back, 11, 100, "another printer") == []


async def test_unpublished_events_are_not_in_the_log(storage: Storage) -> None:
    await storage.write(record_some, "a")
    assert await storage.read(read_events, 0, 10) == []
    assert await storage.read(last_seq) == 0


async def test_a_listener_hears_of_what_is_committed_while_it_listens(storage: Storage) -> None:
    bus = Bus()
    async with asyncio.TaskGroup() as tasks:
        relay = tasks.create_task(OutboxRelay(storage, bus.publish).run())
        with bus.subscribe() as subscription:
            for n in range(5):
                await storage.write(record_some, f"{n}")
                async with asyncio.timeout(5):
                    item = await subscription.next()
                assert isinstance(item, PublishedEvent)
                assert item.event.id == f"{n}"
        relay.cancel()


@pytest.mark.parametrize("engine", ENGINES)
async def test_the_relay_ends_with_the_storage(engine: str, tmp_path: Path) -> None:
    listener = Listener()
    storage = make_storage(engine, tmp_path)
    await storage.open()
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        tasks.create_task(OutboxRelay(storage, listener.take).run())
        await storage.write(record_some, "a")
        await listener.until(1)
        await storage.close()
