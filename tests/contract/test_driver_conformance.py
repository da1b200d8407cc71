"""Every driver passes one conformance suite, on a simulator and on the real thing."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from buildplate.drivers.sdk.conformance import CHECKS, Bench, Check, Host, Relay
from buildplate_sim.launch import moonrakers, octoprints, virtual_printers
from tests.contract.driver_hosts import RealOctoPrint, SimulatedOctoPrint, VirtualPrinter
from tests.contract.moonraker_hosts import Moonraker
from tests.integration.moonraker_host import StandInKlippy, moonraker_host
from tests.integration.moonraker_simulated import SimulatedMoonraker
from tests.integration.octoprint_host import SIMULATED_ERRORS, make_template, octoprint_host

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]
HOSTS = [
    "virtual",
    "simulated-octoprint",
    "simulated-moonraker",
    pytest.param("real-octoprint", marks=pytest.mark.needs_octoprint),
    pytest.param("real-moonraker", marks=pytest.mark.needs_moonraker),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=HOSTS)
async def host(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Host]:
    folder = tmp_path_factory.mktemp("host")
    if request.param == "virtual":
        async with virtual_printers(folder, time_factor=10) as simulator:
            yield VirtualPrinter(simulator, factor=10)
    elif request.param == "simulated-octoprint":
        async with octoprints(folder, time_factor=10) as simulator:
            yield SimulatedOctoPrint(simulator, factor=10)
    elif request.param == "real-moonraker":
        klippy = StandInKlippy(folder, time_factor=5, tick=0.05)
        async with moonraker_host(folder, klippy=klippy) as moonraker:
            yield Moonraker(moonraker, factor=5)
    elif request.param == "simulated-moonraker":
        more = ["--tick=0.05"]
        async with moonrakers(folder, time_factor=10, more=more) as simulator:
            yield Moonraker(SimulatedMoonraker(simulator, folder), factor=10)
    else:
        template = await make_template(folder / "template")
        async with octoprint_host(template, folder / "base", errors=SIMULATED_ERRORS) as real:
            await real.connect_printer()
            yield RealOctoPrint(real)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_the_driver(check: Check, host: Host) -> None:
    await host.reset()
    async with Relay(host.address).serving() as relay:
        await check(Bench(host, relay))
