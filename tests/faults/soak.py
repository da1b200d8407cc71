"""Links come and go while jobs are ordered: nothing grows, is left behind, lost or doubled.

`python -m tests.faults.soak` runs the long form, thirty minutes with 2,000 jobs in scaled time, and
prints its figures; `--minutes` and `--jobs` choose others. `test_soak.py` has the short form.
"""

import argparse
import asyncio
import gc
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import linear_regression

import uvloop

from bench.simulated_farm import SimulatedFarm, gcode, once, simulated_farm
from buildplate.app.memory import give_back_memory, settle_memory
from buildplate.core.print_table import PrintState
from buildplate.core.printers import Bed, Link
from buildplate.dispatch.errors import PrintRefused
from buildplate.dispatch.model import NewJob, PrintRecord
from buildplate.fleet.errors import BedChanged, PrinterBusy
from buildplate_sim.launch import AdminClient

PRINTERS = 100
WARM_UP_JOBS, WARM_UP_EVERY_S = 60, 0.2
TIME_FACTOR = 20.0
END_S, QUIET_S = 240, 60
STILL_S = 5
"""For longer than what is being closed takes to be gone."""
PAGE = 1000
SAMPLE_EVERY_S = 10.0
WARM_S = 300.0
"""How long the memory of a long run may find its size."""
SLOPE_MB = 1.0
"""How much it may grow in ten minutes from then on."""


@dataclass(frozen=True, slots=True)
class Soaked:
    """What a run left: (tasks online, descriptors off, tasks off), memory (s, MB), completions."""

    before: tuple[int, int, int]
    after: tuple[int, int, int]
    memory: list[tuple[float, float]]
    completed: int
    collisions: int

    @property
    def grown_mb(self) -> float:
        """From the end of the warm-up to the end."""
        return self.memory[-1][1] - self.memory[0][1]

    def slope_mb(self, from_s: float) -> float:
        """Growth in ten minutes, by the least squares of what was seen from then on."""
        late = [(at, size) for at, size in self.memory if at >= self.memory[0][0] + from_s]
        return linear_regression(*zip(*late, strict=True)).slope * 600


def _memory_mb() -> float:
    """What is the process's own: pages of its files come and go as the machine sees fit."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
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


async def _tasks_online(farm: SimulatedFarm) -> int:
    """Counted while no link is lost: a loaded machine may lose one at any time."""
    sessions = farm.farm.fleet.sessions.values()
    async with asyncio.timeout(2 * QUIET_S):
        while True:
            await _links(farm, Link.ONLINE)
            lost = sum(session.connection.lost for session in sessions)
            _, online = await _counted()
            if lost == sum(session.connection.lost for session in sessions):
                return online


async def _left_behind(farm: SimulatedFarm) -> tuple[int, int, int]:
    """Tasks with every printer online and idle; descriptors and tasks with all switched off.

    A connected printer keeps one to eight connections open for its next reads, as it happens: only
    when all are switched off are the descriptors a number that can be equal.
    """
    online = await _tasks_online(farm)
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


async def _look_after(farm: SimulatedFarm, admin: AdminClient) -> None:
    """What people do all the time: clear beds that nobody knows any more, say what they see."""
    while any((await farm.farm.jobs.counts()).values()):
        asked = {"state": PrintState.NEEDS_ATTENTION}
        unsure, more = await farm.farm.prints.prints(PAGE, None, asked)
        assert more is None
        await _say_what_became_of(farm, admin, unsure)
        await _clear_unknown_beds(farm, admin)
        await asyncio.sleep(1)


async def _say_what_became_of(
    farm: SimulatedFarm, admin: AdminClient, unsure: Sequence[PrintRecord]
) -> None:
    """A person looks at each printer that needs one, and says truthfully what they see."""
    for print_ in unsure:
        session = farm.farm.fleet.sessions[print_.printer_id or ""]
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
        async with asyncio.TaskGroup() as tasks:
            ordering = tasks.create_task(_order(farm, jobs, every_s))
            while not ordering.done():
                await _look_after(farm, admin)
                await asyncio.wait([ordering], timeout=1)
        async with asyncio.timeout(END_S):
            await _look_after(farm, admin)
        await _flap(farm, admin, on=False)
    return await _left_behind(farm)


async def _watch_memory(into: list[tuple[float, float]]) -> None:
    begun = asyncio.get_running_loop().time()
    while True:
        into.append((asyncio.get_running_loop().time() - begun, _memory_mb()))
        await asyncio.sleep(SAMPLE_EVERY_S)


async def soak(jobs: int, every_s: float) -> Soaked:
    """So many jobs, one every so many seconds, after a warm-up of some more."""
    memory: list[tuple[float, float]] = []
    async with simulated_farm(PRINTERS, time_factor=TIME_FACTOR) as farm:
        settle_memory()
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(_watch_memory(memory))
            before = await _run(farm, WARM_UP_JOBS, WARM_UP_EVERY_S)
            del memory[:-1]
            await _switch(farm, on=True)
            after = await _run(farm, jobs, every_s)
            watching.cancel()
        done = await farm.simulator.admin.completions()
    completed = sum(done["completed"].values())
    return Soaked(before, after, memory, completed, len(done["collisions"]))


def main() -> None:
    """Run the long form and print what it showed; ends with 1 where a bound does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--jobs", type=int, default=2000)
    asked = parser.parse_args()
    begun = time.monotonic()
    give_back_memory()
    done = uvloop.run(soak(asked.jobs, asked.minutes * 60 / asked.jobs))
    slope = done.slope_mb(min(WARM_S, asked.minutes * 30))
    took = time.monotonic() - begun
    print(f"{took:.0f} s, {done.completed} completions, {done.collisions} collisions")
    print(f"memory {done.memory[0][1]:.0f} MB, grown by {done.grown_mb:.1f} MB in all;")
    print(f"after the warm-up {slope:.2f} MB in ten minutes")
    print(f"tasks online, descriptors and tasks off: {done.before}, then {done.after}")
    kept = done.before == done.after and slope < SLOPE_MB and not done.collisions
    raise SystemExit(not (kept and done.completed == asked.jobs + WARM_UP_JOBS))


if __name__ == "__main__":
    main()
