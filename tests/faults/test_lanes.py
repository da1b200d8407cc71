"""What the fault tests stand on: a trial's trouble is its own, and no farm outlives its test."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.faults.farms import nursery, to_its_end
from tests.faults.lanes import Trial, lanes

if TYPE_CHECKING:
    from tests.faults.worlds import World

WITHIN_S = 20.0


async def _never(_: World) -> None:
    async with asyncio.timeout(0.01):
        await asyncio.Event().wait()


async def _nothing(_: World) -> None:
    await asyncio.sleep(0)


async def test_a_time_out_is_a_problem_of_its_own_trial(tmp_path: Path) -> None:
    async with lanes(tmp_path, count=1, subnet=40) as found:
        outcomes = await found.run([Trial("too late", _never), Trial("in time", _nothing)])
    assert "TimeoutError" in outcomes["too late"].problems[0]
    assert outcomes["in time"].kept, outcomes["in time"].problems


async def test_a_farm_that_nobody_waits_for_any_more_is_killed(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    async with nursery() as farms:
        async with asyncio.TaskGroup() as tasks:
            unwanted = tasks.create_task(farms.start(tmp_path / "first", {}))
            await asyncio.sleep(0)
            unwanted.cancel()
        wanted = await farms.start(tmp_path / "second", {})
        async with asyncio.timeout(WITHIN_S):
            while set(farms._lives) != {wanted.pid}:
                await asyncio.sleep(0.01)
        assert not wanted.ended.done()
        assert await wanted.kill() == -9


async def test_an_end_is_awaited_although_whoever_waits_is_cancelled() -> None:
    over = asyncio.Event()

    async def ending() -> None:
        await asyncio.sleep(0.2)
        over.set()

    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(to_its_end(ending()))
        for _ in range(2):
            await asyncio.sleep(0.02)
            waiting.cancel()
    assert over.is_set()
    assert waiting.cancelled()


async def test_an_end_that_does_not_come_is_no_longer_awaited() -> None:
    with pytest.raises(TimeoutError):
        await to_its_end(asyncio.Event().wait(), within_s=0.05)
