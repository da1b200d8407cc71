"""A whole farm on two real Moonrakers, one of whose machines shuts down in the middle."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest
import pytest_asyncio

from buildplate.core.printers import Activity, Bed, Volume
from buildplate.dispatch.model import JobView
from tests.integration.farm import RunningFarm, running_farm
from tests.integration.moonraker_host import MoonrakerHost, gcode, moonraker_host

pytestmark = [
    pytest.mark.needs_moonraker,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(180),
]
FACTOR = 5.0


@dataclass
class Floor:
    """A farm and its two printers, by id."""

    running: RunningFarm
    hosts: dict[str, MoonrakerHost]

    async def states(self, job: JobView) -> Counter[str]:
        found = await self.running.farm.jobs.status(job.job.id)
        return Counter(str(one.state) for one in found.prints)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def floor(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Floor]:
    folder = tmp_path_factory.mktemp("f")
    async with AsyncExitStack() as stack:
        hosts = [
            await stack.enter_async_context(moonraker_host(folder / f"h{n}", time_factor=FACTOR))
            for n in range(2)
        ]
        running = await stack.enter_async_context(running_farm(folder / "data"))
        records = [
            await running.add(host, f"printer {n}", "moonraker") for n, host in enumerate(hosts)
        ]
        ids = [record.id for record in records]
        yield Floor(running, dict(zip(ids, hosts, strict=True)))


async def test_one_copy_is_made_and_the_other_is_lost_with_its_machine(floor: Floor) -> None:
    content = gcode(4 * FACTOR, salt="two copies")
    job = await floor.running.order(content, copies=2, retries=1, size=Volume(100, 10, 10))
    await until_states(floor, job, Counter(printing=2), 60)
    broken = next(iter(floor.hosts))
    await floor.hosts[broken].machine.do("klippy", "fail")

    # The lost copy leads to a new print, which waits for a bed that a person has to clear.
    await until_states(floor, job, Counter(completed=1, failed=1, queued=1), 90)
    assert floor.running.session(broken).live.activity is Activity.HALTED
    assert [await floor.running.bed(one) for one in floor.hosts] == [Bed.OCCUPIED, Bed.OCCUPIED]
    for printer_id, host in floor.hosts.items():
        begun, ended = await host.starts(), await host.record("end")
        outcomes = [end["outcome"] for end in ended]
        assert len(begun) == 1, "each file was started once"
        assert (outcomes == ["completed"]) is (printer_id != broken), outcomes
        assert not list(host.gcodes.glob("bp-*")), "nothing of ours is left there"

    await floor.running.farm.jobs.cancel(job.job.id)
    await until_states(floor, job, Counter(completed=1, failed=1, cancelled=1), 10)


async def test_a_cancelled_print_is_stopped_and_leaves_nothing(floor: Floor) -> None:
    whole = next(
        one for one in floor.hosts if floor.running.session(one).live.activity is Activity.IDLE
    )
    host = floor.hosts[whole]
    await floor.running.clear(whole)
    await host.machine.do("klippy", "clear-bed")
    before = len(await host.starts())
    content = gcode(60 * FACTOR, salt="cancelled")
    job = await floor.running.order(content, size=Volume(100, 10, 10))
    await until_states(floor, job, Counter(printing=1), 60)
    await floor.running.farm.jobs.cancel(job.job.id)
    await until_states(floor, job, Counter(cancelled=1), 60)
    assert len(await host.starts()) == before + 1
    assert [end["outcome"] for end in await host.record("end")][-1] == "cancelled"
    assert not list(host.gcodes.glob("bp-*"))
    assert await host.print_state() == "cancelled"


async def until_states(floor: Floor, job: JobView, wanted: Counter[str], limit: float) -> None:
    """Wait until the job's prints are in these states; the last ones are shown if not."""
    seen: Counter[str] = Counter()
    try:
        async with asyncio.timeout(limit):
            while (seen := await floor.states(job)) != wanted:
                await asyncio.sleep(0.1)
    except TimeoutError:
        pytest.fail(f"never came to {wanted}: {seen}")
