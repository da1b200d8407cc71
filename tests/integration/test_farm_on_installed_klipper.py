"""A whole farm on a real Moonraker and a real Klipper, where there is one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from buildplate.core.printers import Bed, Volume
from buildplate.dispatch.model import JobView
from tests.integration.farm import RunningFarm, running_farm
from tests.integration.installed_klipper import InstalledKlippy, installed_klipper
from tests.integration.moonraker_host import MoonrakerHost, gcode, moonraker_host

pytestmark = [
    pytest.mark.needs_klipper,
    pytest.mark.needs_moonraker,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(180),
]
SIZE = Volume(50, 50, 50)
LIMIT_S = 60.0


@dataclass
class One:
    """A farm with one printer."""

    running: RunningFarm
    host: MoonrakerHost
    printer: str

    async def order(self, seconds: float, salt: str) -> JobView:
        """Order a print that takes so long, on a bed that a person has just cleared."""
        await self.running.clear(self.printer)
        return await self.running.order(gcode(seconds, salt), size=SIZE)

    async def until(self, job: JobView, state: str) -> None:
        """Wait until the job's one print is in this state."""
        seen = ""
        try:
            async with asyncio.timeout(LIMIT_S):
                while seen != state:
                    await asyncio.sleep(0.1)
                    (only,) = (await self.running.farm.jobs.status(job.job.id)).prints
                    seen = str(only.state)
        except TimeoutError:
            pytest.fail(f"never came to {state}: {seen}")

    async def row(self) -> str:
        """How Moonraker's history says that the last print ended."""
        return str((await self.host.history())[0]["status"])

    async def is_over(self) -> None:
        """Nothing of ours is left there, and a person has to look at the bed."""
        async with asyncio.timeout(LIMIT_S):
            while list(self.host.gcodes.glob("bp-*")):
                await asyncio.sleep(0.1)
        assert await self.running.bed(self.printer) is Bed.OCCUPIED


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def one(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[One]:
    checkout, folder = installed_klipper(), Path(tmp_path_factory.mktemp("f"))
    (folder / "k").mkdir()
    klippy = InstalledKlippy(checkout, folder / "k")
    async with (
        moonraker_host(folder / "k", klippy=klippy) as host,
        running_farm(folder / "data") as running,
    ):
        record = await running.add(host, "real", "moonraker")
        yield One(running, host, record.id)


async def test_an_order_is_printed_to_its_last_move(one: One) -> None:
    job = await one.order(4.0, "completed")
    await one.until(job, "printing")
    await one.until(job, "completed")
    assert await one.host.print_state() == "complete"
    assert (await one.host.status("idle_timeout"))["idle_timeout"]["state"] != "Printing"
    assert await one.row() == "completed"
    await one.is_over()


async def test_a_cancelled_order_stops_the_machine(one: One) -> None:
    job = await one.order(120.0, "cancelled")
    await one.until(job, "printing")
    await one.running.farm.jobs.cancel(job.job.id)
    await one.until(job, "cancelled")
    assert await one.host.print_state() == "cancelled"
    await one.is_over()


async def test_a_klippy_that_is_killed_fails_the_print_and_takes_the_next_one(one: One) -> None:
    job = await one.order(120.0, "killed")
    await one.until(job, "printing")
    await one.host.kill_klippy()
    await one.host.start_klippy()
    await one.host.settled()
    await one.until(job, "failed")
    assert await one.row() == "klippy_disconnect"
    await one.is_over()
    job = await one.order(2.0, "after the kill")
    await one.until(job, "completed")


async def test_an_emergency_stop_at_the_machine_fails_the_print(one: One) -> None:
    job = await one.order(120.0, "stopped")
    await one.until(job, "printing")
    async with one.host.client() as client:
        assert await client.call("printer.emergency_stop") == "ok"
        await client.hears("notify_klippy_shutdown")
        await client.call("printer.firmware_restart")
    await one.host.settled()
    await one.until(job, "failed")
    assert await one.row() == "klippy_shutdown"
    await one.is_over()
