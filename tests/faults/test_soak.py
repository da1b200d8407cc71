"""A long run in scaled time: links that come and go, and nothing that grows or is left behind."""

import asyncio
import gc
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest
import uvloop

from bench.simulated_farm import SimulatedFarm, gcode, once, simulated_farm
from buildplate.core.job_state import ENDED, JobState
from buildplate.core.print_table import PrintState
from buildplate.core.printers import Bed, Link
from buildplate.dispatch.errors import PrintRefused
from buildplate.dispatch.model import JobView, NewJob

PRINTERS, JOBS = 100, 300
WARM_UP_JOBS = 60
TIME_FACTOR = 20.0
RUN_S, QUIET_S = 150, 60
MOST_GROWTH_MB = 40.0
POOL = 8
"""Idle connections that one printer's driver may keep: a leak of 240 jobs would be hundreds."""
KEPT_ALIVE_S = 20
"""For longer than an idle connection is kept for the next read."""


def _memory_mb() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise AssertionError


def _descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def _quiet(farm: SimulatedFarm) -> tuple[int, int]:
    """Descriptors and tasks once every printer is online and idle and nothing is under way."""
    async with asyncio.timeout(QUIET_S):
        while any(
            session.live.link is not Link.ONLINE or session.hands.busy
            for session in farm.farm.fleet.sessions.values()
        ):
            await asyncio.sleep(0.2)
    gc.collect()
    descriptors, tasks = [], []
    for _ in range(KEPT_ALIVE_S):
        await asyncio.sleep(1)
        descriptors.append(_descriptors())
        tasks.append(len(asyncio.all_tasks()))
    return min(descriptors), min(tasks)


async def _flap(farm: SimulatedFarm, *, on: bool) -> None:
    for index, name in enumerate(farm.ids):
        if on:
            up = 100 + 7 * (index % 13)
            await farm.simulator.admin.do(name, "flap", up_s=up, down_s=20)
        else:
            await farm.simulator.admin.do(name, "stop-flap")


async def _order(farm: SimulatedFarm, jobs: int) -> None:
    small = await farm.farm.files.receive(once(gcode(40)), "small.gcode")
    for _ in range(jobs):
        await farm.farm.jobs.receive(NewJob(small.file.id, retries=20))
        await asyncio.sleep(0.15)


async def _all_ended(farm: SimulatedFarm) -> None:
    """Wait for the end of every job; a person clears beds that nobody knows any more."""
    async with asyncio.timeout(RUN_S):
        while True:
            views, _ = await farm.farm.jobs.jobs(JOBS, None, {})
            if all(view.state in ENDED for view in views):
                break
            await _say_what_became_of(farm, views)
            await _clear_unknown_beds(farm)
            await asyncio.sleep(1)
    assert {view.state for view in views} == {JobState.COMPLETED}


async def _say_what_became_of(farm: SimulatedFarm, views: Sequence[JobView]) -> None:
    """A person looks at each printer that needs one, and says truthfully what they see."""
    every = [await farm.farm.jobs.status(view.job.id) for view in views]
    for print_ in (print_ for view in every for print_ in view.prints):
        session = farm.farm.fleet.sessions.get(print_.printer_id or "")
        if print_.state is not PrintState.NEEDS_ATTENTION or session is None:
            continue
        if session.live.link is not Link.ONLINE or print_.resolution is not None:
            continue
        name = session.record.spec.name
        ends = await farm.simulator.admin.log(name)
        outcomes = [entry["event"] for entry in ends if entry.get("path") == print_.path]
        if "start" in outcomes:
            continue  # it ran or runs: the farm finds that out by itself
        with suppress(PrintRefused):
            await farm.simulator.admin.do(name, "clear-bed")
            await farm.farm.prints.resolve(
                print_.id, PrintState.NOT_STARTED, Bed.CLEAR, override=False, who="person"
            )


async def _clear_unknown_beds(farm: SimulatedFarm) -> None:
    steward = farm.farm.fleet
    for printer in steward.printers():
        waits = printer.status.bed is not Bed.CLEAR and printer.status.active_print_id is None
        if waits and printer.status.link is Link.ONLINE:
            await farm.simulator.admin.do(printer.spec.name, "clear-bed")
            await steward.clear_bed(printer.id, printer.status.bed_version)


async def _run(farm: SimulatedFarm, jobs: int) -> tuple[int, int]:
    await _flap(farm, on=True)
    await _order(farm, jobs)
    await _all_ended(farm)
    await _flap(farm, on=False)
    return await _quiet(farm)


async def _soak() -> None:
    async with simulated_farm(PRINTERS, time_factor=TIME_FACTOR) as farm:
        before = await _run(farm, WARM_UP_JOBS)
        memory = _memory_mb()
        after = await _run(farm, JOBS - WARM_UP_JOBS)
        grown = _memory_mb() - memory
        done = await farm.simulator.admin.completions()
        print(f"memory {memory:.0f} MB, grown by {grown:.1f} MB; descriptors, tasks {before}")
    assert after[1] == before[1]
    assert after[0] <= before[0] + POOL
    assert grown < MOST_GROWTH_MB
    assert sum(done["completed"].values()) == JOBS
    assert not done["collisions"]


@pytest.mark.timeout(RUN_S * 2 + QUIET_S * 3)
def test_flapping_links_leave_nothing_behind_and_lose_nothing() -> None:
    uvloop.run(_soak())
