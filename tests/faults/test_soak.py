"""Three minutes in scaled time: links come and go, and nothing grows or is left behind."""

import asyncio
import gc
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
import uvloop

from bench.simulated_farm import SimulatedFarm, gcode, once, simulated_farm
from buildplate.core.job_state import ENDED, JobState
from buildplate.core.print_table import PrintState
from buildplate.core.printers import Bed, Link
from buildplate.dispatch.errors import PrintRefused
from buildplate.dispatch.model import JobView, NewJob
from buildplate.fleet.errors import BedChanged, PrinterBusy
from buildplate_sim.launch import AdminClient

PRINTERS, JOBS = 100, 300
WARM_UP_JOBS = 60
WARM_UP_EVERY_S, EVERY_S = 0.2, 0.4
TIME_FACTOR = 20.0
RUN_S, QUIET_S = 240, 60
MOST_GROWTH_MB = 40.0
STILL_S = 5
"""For longer than what is being closed takes to be gone."""


def _memory_mb() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise AssertionError


def _descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def _links(farm: SimulatedFarm, link: Link) -> None:
    """Wait until every printer's link is so, and nothing is under way."""
    async with asyncio.timeout(QUIET_S):
        while any(
            session.live.link is not link or session.hands.busy
            for session in farm.farm.fleet.sessions.values()
        ):
            await asyncio.sleep(0.2)


async def _switch(farm: SimulatedFarm, *, on: bool) -> None:
    for printer in farm.ids.values():
        record = await farm.farm.fleet.get(printer)
        spec = replace(record.spec, enabled=on)
        await farm.farm.fleet.edit(printer, spec, record.connection, record.version)
    await _links(farm, Link.ONLINE if on else Link.DISABLED)


async def _counted() -> tuple[int, int]:
    """Descriptors and tasks once they have come to rest: the fewest within a while."""
    gc.collect()
    descriptors, tasks = [], []
    for _ in range(STILL_S * 10):
        await asyncio.sleep(0.1)
        descriptors.append(_descriptors())
        tasks.append(len(asyncio.all_tasks()))
    return min(descriptors), min(tasks)


async def _left_behind(farm: SimulatedFarm) -> tuple[int, int, int]:
    """Tasks with every printer online and idle; descriptors and tasks with all switched off.

    A connected printer keeps one to eight connections open for its next reads, as it happens: only
    when all are switched off are the descriptors a number that can be equal.
    """
    await _links(farm, Link.ONLINE)
    _, online = await _counted()
    await _switch(farm, on=False)
    descriptors, off = await _counted()
    return online, descriptors, off


@asynccontextmanager
async def _people(farm: SimulatedFarm) -> AsyncIterator[AdminClient]:
    """Whoever stands at the printers; none of their connections is counted as the farm's."""
    admin = AdminClient(farm.simulator.admin.url)
    try:
        yield admin
    finally:
        await admin.close()


async def _flap(farm: SimulatedFarm, admin: AdminClient, *, on: bool) -> None:
    for index, name in enumerate(farm.ids):
        if on:
            up = 100 + 7 * (index % 13)
            await admin.do(name, "flap", up_s=up, down_s=20)
        else:
            await admin.do(name, "stop-flap")


async def _order(farm: SimulatedFarm, jobs: int, every_s: float) -> None:
    small = await farm.farm.files.receive(once(gcode(40)), "small.gcode")
    loop = asyncio.get_running_loop()
    begun = loop.time()
    for number in range(jobs):
        await asyncio.sleep(max(0.0, begun + number * every_s - loop.time()))
        await farm.farm.jobs.receive(NewJob(small.file.id, retries=20))


async def _all_ended(farm: SimulatedFarm, admin: AdminClient) -> None:
    """Wait for the end of every job; a person clears beds that nobody knows any more."""
    async with asyncio.timeout(RUN_S):
        while True:
            views, _ = await farm.farm.jobs.jobs(JOBS, None, {})
            if all(view.state in ENDED for view in views):
                break
            await _say_what_became_of(farm, admin, views)
            await _clear_unknown_beds(farm, admin)
            await asyncio.sleep(1)
    assert {view.state for view in views} == {JobState.COMPLETED}


async def _say_what_became_of(
    farm: SimulatedFarm, admin: AdminClient, views: Sequence[JobView]
) -> None:
    """A person looks at each printer that needs one, and says truthfully what they see."""
    every = [await farm.farm.jobs.status(view.job.id) for view in views]
    for print_ in (print_ for view in every for print_ in view.prints):
        session = farm.farm.fleet.sessions.get(print_.printer_id or "")
        if print_.state is not PrintState.NEEDS_ATTENTION or session is None:
            continue
        if session.live.link is not Link.ONLINE or print_.resolution is not None:
            continue
        name = session.record.spec.name
        ends = await admin.log(name)
        outcomes = [entry["event"] for entry in ends if entry.get("path") == print_.path]
        if "start" in outcomes:
            continue  # it ran or runs: the farm finds that out by itself
        with suppress(PrintRefused):
            await admin.do(name, "clear-bed")
            await farm.farm.prints.resolve(
                print_.id, PrintState.NOT_STARTED, Bed.CLEAR, override=False, who="person"
            )


async def _clear_unknown_beds(farm: SimulatedFarm, admin: AdminClient) -> None:
    """What is seen here may be old: a bed that clears itself may carry the next print by now."""
    steward = farm.farm.fleet
    for printer in steward.printers():
        waits = printer.status.bed is not Bed.CLEAR and printer.status.active_print_id is None
        if waits and printer.status.link is Link.ONLINE:
            await admin.do(printer.spec.name, "clear-bed")
            with suppress(BedChanged, PrinterBusy):
                await steward.clear_bed(printer.id, printer.status.bed_version)


async def _run(farm: SimulatedFarm, jobs: int, every_s: float) -> tuple[int, int, int]:
    async with _people(farm) as admin:
        await _flap(farm, admin, on=True)
        await _order(farm, jobs, every_s)
        await _all_ended(farm, admin)
        await _flap(farm, admin, on=False)
    return await _left_behind(farm)


async def _soak() -> None:
    async with simulated_farm(PRINTERS, time_factor=TIME_FACTOR) as farm:
        before = await _run(farm, WARM_UP_JOBS, WARM_UP_EVERY_S)
        memory = _memory_mb()
        await _switch(farm, on=True)
        after = await _run(farm, JOBS - WARM_UP_JOBS, EVERY_S)
        grown = _memory_mb() - memory
        done = await farm.simulator.admin.completions()
        print(f"memory {memory:.0f} MB, grown by {grown:.1f} MB")
        print(f"tasks online, descriptors and tasks switched off: {before}, then {after}")
    assert after == before
    assert grown < MOST_GROWTH_MB
    assert sum(done["completed"].values()) == JOBS
    assert not done["collisions"]


@pytest.mark.timeout(RUN_S * 2 + QUIET_S * 4)
def test_flapping_links_leave_nothing_behind_and_lose_nothing() -> None:
    uvloop.run(_soak())
