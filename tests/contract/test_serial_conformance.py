"""The serial driver passes the conformance suite of streaming drivers, on a simulated board.

Once over a cable as it should be; what moves data also over cables as they are.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from buildplate.drivers.sdk import DriverTimings
from buildplate.drivers.sdk.conformance import STREAMING_CHECKS, Bench, Check, Relay, physical
from buildplate_sim.launch import Simulator, firmware_printers
from tests.contract.rough_wire import MANNERS, rough
from tests.contract.serial_host import SerialPrinter

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(90)]
FACTOR = 20.0
MOVING = (
    physical.a_start_runs_the_file_once,
    physical.a_cancel_ends_the_run_as_failed,
    physical.a_pause_is_seen_and_a_resume_too,
)
"""The checks that a bad cable may make a difference to."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def simulator(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Simulator]:
    folder = tmp_path_factory.mktemp("serial")
    more = ["--no-reset-on-open", "--cold"]
    async with firmware_printers(folder, link="tcp", time_factor=FACTOR, more=more) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def host(
    simulator: Simulator, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[SerialPrinter]:
    yield SerialPrinter(simulator, tmp_path_factory.mktemp("host"), FACTOR)


@pytest.mark.parametrize("check", STREAMING_CHECKS, ids=lambda check: check.__name__)
async def test_the_driver(check: Check, host: SerialPrinter) -> None:
    await host.reset()
    async with Relay(host.address).serving() as relay:
        await check(Bench(host, relay))


@pytest.mark.parametrize("manner", MANNERS)
@pytest.mark.parametrize("check", MOVING, ids=lambda check: check.__name__)
async def test_the_driver_on_a_bad_cable(
    check: Check, manner: str, simulator: Simulator, tmp_path: Path
) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    host = SerialPrinter(simulator, tmp_path, FACTOR)
    # A lost answer costs its line some seconds.
    host.timings = DriverTimings(notes=tmp_path / "notes")
    host.patience = 40.0
    await host.reset()
    async with (
        rough(host.address, MANNERS[manner], seed) as cable,
        Relay(cable).serving() as relay,
    ):
        await check(Bench(host, relay))
