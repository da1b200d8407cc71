"""Surroundings in memory: what is announced and what is plugged in is up to the test."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from buildplate.drivers.sdk import SerialPort
from buildplate.fleet.found import PortSeen
from buildplate.fleet.ports import Deaf, Hearing
from buildplate.fleet.strangers import Heard


def heard(service: str = "_paper._tcp", name: str = "Left", **more: object) -> Heard:
    """An announcement of a host at 192.168.1.20, called like its service."""
    values: dict[str, object] = {
        "host": f"{name.lower()}.local",
        "addresses": ("192.168.1.20",),
        "port": 80,
        "properties": {},
    }
    return Heard(service, name, **(values | more))  # type: ignore[arg-type]


def port(path: str = "/dev/serial/by-id/usb-Left", device: str = "/dev/ttyACM0") -> PortSeen:
    """A port that can be opened."""
    return PortSeen(SerialPort(path, device, "Left USB"), (path,))


@dataclass(slots=True)
class Ears(Hearing):
    network: Network
    more: bool = False

    async def listen(self, seconds: float) -> Sequence[Heard]:
        if self.network.hurried:
            await asyncio.sleep(0)
        else:
            await asyncio.sleep(seconds)
        return list(self.network.announced)

    async def close(self) -> None:
        self.network.closed += 1


@dataclass(slots=True)
class Network:
    """A network in which these services are announced; `deaf` is raised instead."""

    announced: list[Heard] = field(default_factory=list)
    deaf: Deaf | None = None
    more: bool = False
    hurried: bool = True
    opened: int = 0
    closed: int = 0
    asked: list[Collection[str]] = field(default_factory=list)

    async def open(self, services: Collection[str]) -> Hearing:
        self.asked.append(services)
        if self.deaf is not None:
            raise self.deaf
        self.opened += 1
        await asyncio.sleep(0)
        return Ears(self, self.more)


@dataclass(slots=True)
class Sockets:
    """Ports that come and go; `broken` is raised instead."""

    ports: list[PortSeen] = field(default_factory=list)
    broken: OSError | None = None

    async def seen(self) -> Sequence[PortSeen]:
        if self.broken is not None:
            raise self.broken
        return list(self.ports)
