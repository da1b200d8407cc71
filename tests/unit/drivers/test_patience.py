"""A time-out for many waits: each has the whole of it, and nobody's cancellation is lost."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from buildplate.drivers.sdk import Patience

LIMIT_S = 0.2


async def _tire(patience: Patience, wait: asyncio.Event | None = None) -> None:
    with patience:
        await (wait or asyncio.Event()).wait()


async def test_a_wait_that_takes_too_long_is_ended_after_the_limit() -> None:
    loop, patience = asyncio.get_running_loop(), Patience(LIMIT_S)
    began = loop.time()
    with pytest.raises(TimeoutError):
        await _tire(patience)
    assert LIMIT_S * 0.9 <= loop.time() - began <= LIMIT_S * 5
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_each_wait_has_the_whole_limit_and_a_later_one_is_ended_too() -> None:
    loop, patience = asyncio.get_running_loop(), Patience(LIMIT_S)
    for _ in range(8):  # twice the limit together
        with patience:
            await asyncio.sleep(LIMIT_S / 4)
    began = loop.time()
    with pytest.raises(TimeoutError):
        await _tire(patience)
    assert loop.time() - began >= LIMIT_S * 0.9


async def test_between_waits_nothing_is_ended() -> None:
    patience = Patience(LIMIT_S / 10)
    with patience:
        await asyncio.sleep(0)
    await asyncio.sleep(LIMIT_S)
    with patience:
        await asyncio.sleep(0)


async def test_waits_cost_one_timer_until_it_goes_off() -> None:
    patience = Patience(LIMIT_S)
    with patience:
        timer = patience._timer
    for _ in range(5):
        with patience:
            assert patience._timer is timer
    assert timer is not None
    patience.close()
    assert timer.cancelled()


async def test_a_cancellation_stays_one() -> None:
    patience = Patience(LIMIT_S)
    waiting = asyncio.create_task(_tire(patience))  # noqa: TID251 (awaited below)
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_a_cancellation_in_the_moment_of_the_time_out_stays_one() -> None:
    patience = Patience(LIMIT_S)
    waiting = asyncio.create_task(_tire(patience))  # noqa: TID251 (awaited below)
    await asyncio.sleep(0)
    patience._until = 0.0  # both in one turn of the loop
    patience._ring(asyncio.get_running_loop())
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_an_error_of_the_wait_is_raised_as_it_is() -> None:
    patience, message = Patience(LIMIT_S), "broken"

    async def fails() -> None:
        with patience:
            await asyncio.sleep(0)
            raise ValueError(message)

    with pytest.raises(ValueError, match=message):
        await fails()
    with patience:
        await asyncio.sleep(0)


async def test_it_is_for_one_wait_at_a_time() -> None:
    patience = Patience(LIMIT_S)
    waiting = asyncio.create_task(_tire(patience))  # noqa: TID251 (awaited below)
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="one wait"), patience:
        pass
    waiting.cancel()
    with suppress(asyncio.CancelledError):
        await waiting
