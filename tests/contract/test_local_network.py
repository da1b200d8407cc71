"""The local network as it is: what is announced on loopback is heard, bounded, and when asked."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from buildplate.app.drivers import installed_drivers
from buildplate.fleet.discovery import DiscoveryService
from buildplate.fleet.local_network import LocalNetwork
from buildplate.fleet.ports import Deaf
from tests.announcing import LOOPBACK, OCTOPRINT, Hosts, hosts
from tests.service.fleet.around import Sockets


def service(most: int = 200) -> DiscoveryService:
    return DiscoveryService(LocalNetwork([LOOPBACK], most), Sockets(), installed_drivers(), {})


def mdns_sockets() -> set[str]:
    """The sockets of this process that listen for announcements."""
    bound = {
        line.split()[9]
        for line in Path("/proc/net/udp").read_text(encoding="ascii").splitlines()[1:]
        if line.split()[1].endswith(f":{5353:04X}")
    }
    links = {str(one.readlink()) for one in Path("/proc/self/fd").iterdir() if one.is_symlink()}
    return {inode for inode in bound if f"socket:[{inode}]" in links}


async def test_what_is_announced_is_heard_within_bounds_and_nothing_listens_afterwards() -> None:
    async with hosts() as around:
        await around.announce(
            ("_octoprint._tcp", "OctoPrint on le\u202eft", 5000, OCTOPRINT),
            ("_octoprint._tcp", "Goes", 5001, OCTOPRINT),
            ("_octoprint._tcp", "PrusaLink at mk4", 8080, {"path": "/"}),
            ("_prusalink._tcp", "PrusaLink at mk4", 8080, {"path": "/"}),
            ("_http._tcp", "a page", 8081, {}),
        )
        listening = mdns_sockets()
        all_of_them, some, _ = await asyncio.gather(
            service().discover(3), service(most=2).discover(2.2), goodbye(around, "Goes")
        )
        assert mdns_sockets() == listening
    assert [(one.family, one.name, one.where, one.driver) for one in all_of_them.found] == [
        ("OctoPrint", "OctoPrint on le�ft", "127.0.0.1:5000", "octoprint"),
        ("PrusaLink", "PrusaLink at mk4", "127.0.0.1:8080", None),
    ]
    assert (all_of_them.remarks, all_of_them.more) == ([], False)
    assert "canary" not in repr(all_of_them)
    assert some.more
    assert 0 < len(some.found) <= 2


async def goodbye(around: Hosts, name: str) -> None:
    """Leave, once whoever listens has heard of it: hosts answer a second after they spoke."""
    await asyncio.sleep(2)
    await around.leave("_octoprint._tcp", name)


async def test_where_nothing_may_be_heard_it_is_said() -> None:
    with pytest.raises(Deaf) as told:
        await LocalNetwork(()).open({"_octoprint._tcp"})
    assert told.value.code == "mdns_off"
    with pytest.raises(Deaf) as told:
        await LocalNetwork([LOOPBACK, "203.0.113.77"]).open({"_octoprint._tcp"})
    assert told.value.code == "mdns_unavailable"
    assert "203.0.113.77" in str(told.value)
    assert told.value.hint
