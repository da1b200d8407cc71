"""The serial ports of this machine: their names, and whether they could be opened."""

from __future__ import annotations

import asyncio
import os
import stat
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from buildplate.drivers.sdk import SerialPort
from buildplate.fleet.found import PortSeen, Remark
from buildplate.fleet.strangers import cleaned

MOST_PORTS = 100
MOST_LINKS = 1000
BY_ID, BY_PATH = "serial/by-id", "serial/by-path"
Links = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Listed:
    """A port as the system lists it; `own` holds where its serial number is its own alone."""

    device: str
    maker: str = ""
    product: str = ""
    vendor_id: int | None = None
    product_id: int | None = None
    serial_number: str | None = None
    interface: int | None = None
    own: bool = False


def listed_by_system() -> list[Listed]:
    """The serial ports that the system knows, those without a device behind them left out."""
    # Only whoever looks for printers needs it.
    from serialx import list_serial_ports  # noqa: PLC0415 (see above)
    from serialx.common import is_non_unique_serial  # noqa: PLC0415 (as above)

    return [
        Listed(
            device=one.resolved_device,
            maker=one.manufacturer or "",
            product=one.product or "",
            vendor_id=one.vid,
            product_id=one.pid,
            serial_number=one.serial_number,
            interface=one.interface_num,
            own=not is_non_unique_serial(one.serial_number),
        )
        for one in list_serial_ports()
    ]


class SerialPorts:
    """Looks at the serial ports whenever it is asked, and never in between."""

    def __init__(
        self,
        listing: Callable[[], Iterable[Listed]] = listed_by_system,
        dev: Path = Path("/dev"),
        may_open: Callable[[str], bool] | None = None,
    ) -> None:
        self._listing = listing
        self._dev = dev
        self._may_open = may_open or _may_open

    async def seen(self) -> Sequence[PortSeen]:
        """The ports there are now, up to 100; OSError where the system does not tell."""
        return await asyncio.to_thread(self._look)

    def _look(self) -> list[PortSeen]:
        listed = sorted(self._listing(), key=lambda one: one.device)[:MOST_PORTS]
        by_id, by_path = _links(self._dev / BY_ID), _links(self._dev / BY_PATH)
        alike = Counter(_looks(one) for one in listed)
        return [
            PortSeen(
                port=SerialPort(
                    path=lasting_name(one, by_id, by_path, alone=alike[_looks(one)] == 1),
                    device=one.device,
                    name=_name(one),
                    vendor_id=one.vendor_id,
                    product_id=one.product_id,
                ),
                names=(*by_id.get(one.device, ()), *by_path.get(one.device, ())),
                trouble=self._trouble(one.device),
            )
            for one in listed
        ]

    def _trouble(self, device: str) -> Remark | None:
        try:
            found = os.stat(device)  # noqa: PTH116 (a device's name, not a path to walk)
        except OSError:
            return Remark(
                "serial_not_given",
                f"the machine has {device}, but it is not there for this process",
                f"In a container, pass it on with --device={device} and start it again.",
            )
        if self._may_open(device):
            return None
        owner = Owner(found.st_mode, found.st_gid, _group(found.st_gid))
        return not_allowed(device, _user(), owner)


def lasting_name(port: Listed, by_id: Links, by_path: Links, *, alone: bool) -> str:
    """The name under which a port is found again.

    By its identity where it has a serial number of its own. Devices without one look alike: their
    name by identity belongs to whichever was plugged in last, so that theirs is the socket's name.
    """
    sure, socket = by_id.get(port.device, ()), by_path.get(port.device, ())
    if sure and port.own and alone:
        return sure[0]
    return (*socket, *(sure if alone else ()), port.device)[0]


def _looks(port: Listed) -> tuple[object, ...]:
    return (
        port.vendor_id, port.product_id, port.serial_number, port.interface,
        port.device if port.vendor_id is None else None,
    )  # fmt: skip


def _name(port: Listed) -> str:
    """What a device calls itself; a maker that its product names already is not said twice."""
    maker, product = cleaned(port.maker), cleaned(port.product)
    if product.lower().startswith(maker.lower()):
        return product
    return cleaned(f"{maker} {product}".strip())


def _links(folder: Path) -> dict[str, list[str]]:
    """The links of a folder by the device they lead to; none where the folder is not there."""
    found: dict[str, list[str]] = defaultdict(list)
    try:
        names = sorted(os.listdir(folder))[:MOST_LINKS]  # noqa: PTH208 (a list, sorted at once)
    except OSError:
        return {}
    for name in names:
        link = folder / name
        if name.isprintable():
            found[os.path.realpath(link)].append(str(link))
    return dict(found)


def _may_open(device: str) -> bool:
    return os.access(device, os.R_OK | os.W_OK)


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a device is: its mode, and its group by number and name, if it has one here."""

    mode: int
    group: int
    group_name: str | None


def not_allowed(device: str, user: str, owner: Owner) -> Remark:
    """Which group may open it, and which command lets this user in."""
    both = stat.S_IRGRP | stat.S_IWGRP
    if owner.mode & both != both or owner.group == 0:
        hint = f"Give it to a group with a udev rule, such as dialout, and {user} to that group."
    elif owner.group_name is None:
        hint = f"In a container, start it with --group-add {owner.group}."
    else:
        group = owner.group_name
        hint = f"Run `sudo usermod -aG {group} {user}`, then start Buildplate again."
    return Remark("serial_permission", f"{user} may not open {device}", hint)


def _user() -> str:
    import pwd  # noqa: PLC0415 (not on every system)

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return f"the user {os.geteuid()}"


def _group(number: int) -> str | None:
    import grp  # noqa: PLC0415 (not on every system)

    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return None
