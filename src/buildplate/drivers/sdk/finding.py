"""What a driver looks for around this machine, and what was found there: plain values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

PORTS = {"http": 80, "https": 443}
FAMILIES: Mapping[str, str] = {
    "_moonraker._tcp": "Moonraker",
    "_octoprint._tcp": "OctoPrint",
    "_prusalink._tcp": "PrusaLink",
}
"""What announces itself under these services, in people's words; a driver may be missing."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """A service that a host announces in the local network (mDNS, DNS-SD): a stranger's word.

    Every text is printable and bounded: `name` to 100 signs, `host` to 255, a property's name to 32
    and its value to 200. `address` is one of the host's (IPv4 or IPv6, in the local network), or
    its `host`, where a printer may be known by that.
    """

    service: str
    name: str
    host: str | None
    address: str
    port: int
    properties: Mapping[str, str] = field(default_factory=dict)

    def web_address(self, scheme: str = "http", path: str = "") -> str:
        """The service's address for a connection form; a scheme's own port is left out."""
        host = f"[{self.address}]" if ":" in self.address else self.address
        port = "" if self.port == PORTS.get(scheme) else f":{self.port}"
        return f"{scheme}://{host}{port}{path}"


@dataclass(frozen=True, slots=True)
class SerialPort:
    """A serial port of this machine.

    `path` is the name to keep: the one that stays with the device (`/dev/serial/by-id/…`) where
    there is one. `device` is the system's own (`/dev/ttyUSB0`). `name` is what the device calls
    itself over USB, printable, up to 100 signs, or empty.
    """

    path: str
    device: str
    name: str = ""
    vendor_id: int | None = None
    product_id: int | None = None


Settings = Mapping[str, Any]
"""Those fields of a driver's connection form that are known from what was found."""


@dataclass(frozen=True, slots=True)
class Finds:
    """What a driver can make something of.

    `services` says, by service (`_octoprint._tcp`), which connection settings follow from an
    announcement; None where it is of another make. `serial` does so for a serial port. Both are
    pure, raise nothing, and leave out what a person has to say, as a key.
    """

    services: Mapping[str, Callable[[Announcement], Settings | None]] = field(default_factory=dict)
    serial: Callable[[SerialPort], Settings | None] | None = None
