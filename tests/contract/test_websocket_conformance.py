"""Drivers that hear a host over a websocket, where its frames come in pieces or late.

Cuts, silence and single bytes are part of the conformance suite itself, on every host.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from buildplate.drivers.sdk.conformance import Bench, Check, Host, Relay, physical
from buildplate_sim.launch import moonrakers, octoprints
from tests.contract.driver_hosts import SimulatedOctoPrint
from tests.contract.moonraker_hosts import Moonraker
from tests.contract.rough_wire import WEB_MANNERS, rough
from tests.integration.moonraker_simulated import SimulatedMoonraker

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(90)]
FACTOR = 10.0
MOVING = (
    physical.a_start_runs_the_file_once,
    physical.a_cancel_ends_the_run_as_failed,
    physical.a_pause_is_seen_and_a_resume_too,
)


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["octoprint", "moonraker"])
async def host(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Host]:
    folder = tmp_path_factory.mktemp("host")
    if request.param == "octoprint":
        async with octoprints(folder, time_factor=FACTOR) as simulator:
            yield SimulatedOctoPrint(simulator, factor=FACTOR)
    else:
        async with moonrakers(folder, time_factor=FACTOR, more=["--tick=0.05"]) as simulator:
            yield Moonraker(SimulatedMoonraker(simulator, folder), factor=FACTOR)


@pytest.mark.parametrize("manner", WEB_MANNERS)
@pytest.mark.parametrize("check", MOVING, ids=lambda check: check.__name__)
async def test_the_driver_on_a_bad_line(check: Check, manner: str, host: Host) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    await host.reset()
    async with (
        rough(host.address, WEB_MANNERS[manner], seed) as line,
        Relay(line).serving() as relay,
    ):
        await check(Bench(host, relay))
