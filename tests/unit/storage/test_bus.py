from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildplate.storage import Bus, EventRecord, Gap, PublishedEvent

AT = datetime(2030, 1, 1, tzinfo=UTC)


def event(seq: int) -> PublishedEvent:
    return PublishedEvent(seq, EventRecord(f"e{seq}", AT, "print.printing"))


async def test_every_subscriber_hears_every_event_in_order() -> None:
    bus = Bus()
    with bus.subscribe() as one, bus.subscribe() as other:
        bus.publish([event(1), event(2)])
        bus.publish([event(3)])
        for subscription in (one, other):
            assert [await subscription.next() for _ in range(3)] == [event(1), event(2), event(3)]


async def test_a_slow_subscriber_gets_one_gap_and_the_others_everything() -> None:
    bus = Bus()
    with bus.subscribe(limit=2) as slow, bus.subscribe() as quick:
        bus.publish([event(n) for n in range(1, 8)])
        assert await slow.next() == event(1)
        assert await slow.next() == event(2)
        assert await slow.next() == Gap(3, 7)
        bus.publish([event(8)])
        assert await slow.next() == event(8)
        assert [await quick.next() for _ in range(8)] == [event(n) for n in range(1, 9)]


async def test_what_a_relay_skipped_is_told_as_a_gap() -> None:
    bus = Bus()
    bus.publish([event(4)])
    with bus.subscribe() as subscription:
        bus.publish([event(9)])
        assert await subscription.next() == Gap(5, 8)
        assert await subscription.next() == event(9)


async def test_a_subscriber_waits_for_news() -> None:
    bus = Bus()
    with bus.subscribe() as subscription:
        async with asyncio.TaskGroup() as tasks, asyncio.timeout(5):
            waiting = tasks.create_task(subscription.next())
            await asyncio.sleep(0)
            bus.publish([event(1)])
        assert waiting.result() == event(1)


async def test_nothing_is_kept_for_one_who_left() -> None:
    bus = Bus()
    with bus.subscribe() as subscription:
        pass
    bus.publish([event(1)])
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await subscription.next()


@given(limit=st.integers(1, 5), steps=st.lists(st.one_of(st.just("take"), st.integers(1, 6))))
def test_events_and_gaps_together_always_cover_the_sequence(
    limit: int, steps: list[str | int]
) -> None:
    async def live() -> None:
        bus = Bus()
        seq = 0
        heard: list[PublishedEvent | Gap] = []
        with bus.subscribe(limit) as subscription:
            for step in steps:
                if isinstance(step, int):
                    bus.publish([event(seq + n + 1) for n in range(step)])
                    seq += step
                elif seq > _covered(heard):
                    heard.append(await subscription.next())
            while _covered(heard) < seq:
                heard.append(await subscription.next())
        assert _covered(heard) == seq

    asyncio.run(live())


def _covered(items: list[PublishedEvent | Gap]) -> int:
    last = 0
    for item in items:
        first, end = (item.first, item.last) if isinstance(item, Gap) else (item.seq, item.seq)
        assert first == last + 1
        assert end >= first
        last = end
    return last
