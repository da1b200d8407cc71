"""Looking around: one ear for all who ask, none while nobody does, and a word where none can be."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from buildplate.app.drivers import installed_drivers
from buildplate.fleet.discovery import DiscoveryService
from buildplate.fleet.ports import Deaf
from tests.service.api.paper import paper_manifest
from tests.service.fleet.around import Network, Sockets, heard, port

MANIFESTS = {"paper": paper_manifest({})}


def service(network: Network, sockets: Sockets | None = None) -> DiscoveryService:
    return DiscoveryService(network, sockets or Sockets(), MANIFESTS, {})


async def test_what_is_around_is_found_with_its_driver_and_settings() -> None:
    network = Network([heard(), heard("_prusalink._tcp", "MK4", addresses=("192.168.1.21",))])
    found = (await service(network, Sockets([port()])).discover(1)).found
    assert [(one.kind, one.name, one.driver, one.connection) for one in found] == [
        ("network", "Left", "paper", {"host": "192.168.1.20"}),
        ("network", "MK4", None, None),
        ("serial", "Left USB", "paper", {"host": "/dev/serial/by-id/usb-Left"}),
    ]
    assert found[1].remark is not None
    assert found[1].remark.detail == "no driver for PrusaLink is installed"


async def test_what_any_installed_driver_looks_for_is_listened_for() -> None:
    network = Network()
    await DiscoveryService(network, Sockets(), installed_drivers() | MANIFESTS, {}).discover(1)
    assert {"_octoprint._tcp", "_prusalink._tcp", "_moonraker._tcp", "_paper._tcp"} == set(
        network.asked[0]
    )


async def test_all_who_ask_at_once_share_one_ear() -> None:
    network = Network([heard()], hurried=False)
    looking = service(network)
    answers = await asyncio.gather(*(looking.discover(seconds) for seconds in (0.05, 0.1, 0.02)))
    assert [len(one.found) for one in answers] == [1, 1, 1]
    assert (network.opened, network.closed) == (1, 1)
    await looking.discover(0.01)
    assert (network.opened, network.closed) == (2, 2)


async def test_whoever_goes_away_leaves_no_ear_behind_and_takes_none_away() -> None:
    network = Network([heard()], hurried=False)
    looking = service(network)
    stays = asyncio.create_task(looking.discover(0.1))  # noqa: TID251 (awaited below)
    goes = asyncio.create_task(looking.discover(5))  # noqa: TID251 (awaited below)
    await asyncio.sleep(0.03)
    goes.cancel()
    with suppress(asyncio.CancelledError):
        await goes
    assert network.closed == 0
    assert len((await stays).found) == 1
    assert (network.opened, network.closed) == (1, 1)
    alone = asyncio.create_task(looking.discover(5))  # noqa: TID251 (awaited below)
    await asyncio.sleep(0.03)
    alone.cancel()
    with suppress(asyncio.CancelledError):
        await alone
    assert (network.opened, network.closed) == (2, 2)


async def test_a_deaf_machine_says_so_and_still_lists_its_ports() -> None:
    network = Network(deaf=Deaf("mdns_off", "switched off", "switch it on"))
    seen = await service(network, Sockets([port()])).discover(1)
    assert [one.kind for one in seen.found] == ["serial"]
    assert [one.code for one in seen.remarks] == ["mdns_off"]


async def test_a_system_that_hides_its_ports_is_told_of() -> None:
    seen = await service(Network([heard()]), Sockets(broken=PermissionError())).discover(1)
    assert [one.kind for one in seen.found] == ["network"]
    assert [one.code for one in seen.remarks] == ["serial_unavailable"]


async def test_a_port_that_is_plugged_in_is_there_at_the_next_ask() -> None:
    sockets = Sockets()
    looking = service(Network(), sockets)
    assert (await looking.discover(1)).found == []
    sockets.ports.append(port())
    assert [one.where for one in (await looking.discover(1)).found] == [port().port.path]
    sockets.ports.clear()
    assert (await looking.discover(1)).found == []


async def test_more_than_is_taken_is_told_of() -> None:
    assert (await service(Network([heard()], more=True)).discover(1)).more
    assert not (await service(Network([heard()])).discover(1)).more
