"""The serial driver passes the conformance suite of streaming drivers, on a simulated board."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from buildplate.drivers.sdk.conformance import STREAMING_CHECKS, Bench, Check, Relay
from buildplate_sim.launch import firmware_printers
from tests.contract.serial_host import SerialPrinter

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(90)]
FACTOR = 20.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def host(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SerialPrinter]:
    folder = tmp_path_factory.mktemp("serial")
    more = ["--no-reset-on-open", "--cold"]
    async with firmware_printers(
        folder / "sim", link="tcp", time_factor=FACTOR, more=more
    ) as simulator:
        yield SerialPrinter(simulator, folder, FACTOR)


@pytest.mark.parametrize("check", STREAMING_CHECKS, ids=lambda check: check.__name__)
async def test_the_driver(check: Check, host: SerialPrinter) -> None:
    await host.reset()
    async with Relay(host.address).serving() as relay:
        await check(Bench(host, relay))
