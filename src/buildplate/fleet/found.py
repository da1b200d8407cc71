"""What is around this machine, matched with the drivers and the printers there are: pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from buildplate.drivers.sdk import FAMILIES, Announcement, Manifest, SerialPort
from buildplate.fleet.strangers import Heard

PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
THIS_MACHINE = ("localhost", "127.0.0.1", "::1")


class Kind(StrEnum):
    """How something that was found is connected."""

    NETWORK = "network"
    SERIAL = "serial"


@dataclass(frozen=True, slots=True)
class Remark:
    """Something a person should know: a stable code, what it is, and what to do."""

    code: str
    detail: str
    hint: str


@dataclass(frozen=True, slots=True)
class PortSeen:
    """A serial port, every name it has, and why it could not be opened, if so."""

    port: SerialPort
    names: tuple[str, ...] = ()
    trouble: Remark | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """A printer in service and how it is connected; a secret compares with nothing."""

    printer_id: str
    driver: str
    connection: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Found:
    """Something that may be a printer.

    `driver` and `connection` are what to begin a new printer with, None and empty without a
    driver; `printer_id` is the printer that it is already. `remark` says what stands in the way.
    """

    kind: Kind
    family: str
    name: str
    where: str
    host: str | None = None
    driver: str | None = None
    connection: Mapping[str, Any] | None = None
    printer_id: str | None = None
    remark: Remark | None = None


def services_of(manifests: Iterable[Manifest]) -> frozenset[str]:
    """What to listen for: what drivers look for, and what is known without a driver."""
    return frozenset(FAMILIES).union(*(one.finds.services for one in manifests))


def in_the_network(
    heard: Sequence[Heard], manifests: Sequence[Manifest], known: Sequence[Known]
) -> list[Found]:
    """What was announced, each with the driver that makes something of it.

    What its service's driver disowns is shown only where the same host announces nothing else:
    others announce themselves under a well-known name for the sake of slicers.
    """
    found: list[Found] = []
    disowned: list[tuple[Heard, Found]] = []
    for one in heard:
        claims = list(_claims(one, manifests, known))
        lookers = [m.title for m in manifests if one.service in m.finds.services]
        if claims:
            found += claims
        elif lookers:
            disowned.append((one, replace(_unclaimed(one), remark=_other_make(one))))
        else:
            found.append(replace(_unclaimed(one), remark=no_driver(family_of(one.service))))
    taken = {one.where for one in found}
    found += [item for _, item in disowned if item.where not in taken]
    return sorted(_once(found), key=lambda one: (one.family, one.name, one.where))


def at_serial_ports(
    ports: Sequence[PortSeen], manifests: Sequence[Manifest], known: Sequence[Known]
) -> list[Found]:
    """The serial ports, those with a name over USB first, each with the drivers that take it."""
    found: list[Found] = []
    for seen in ports:
        port = seen.port
        base = Found(Kind.SERIAL, SERIAL, port.name, port.path, remark=seen.trouble)
        takers = [
            (manifest, dict(settings))
            for manifest in manifests
            if manifest.finds.serial is not None
            and (settings := manifest.finds.serial(port)) is not None
        ]
        found += [
            replace(
                base,
                driver=manifest.name,
                connection=settings,
                printer_id=_printer_at(manifest, _spellings_of(seen, manifest), known),
            )
            for manifest, settings in takers
        ]
        if not takers:
            found.append(replace(base, remark=no_driver(SERIAL)))
    return sorted(found, key=lambda one: (not one.name, one.name, one.where))


SERIAL = "USB or serial"


def family_of(service: str) -> str:
    """What people call what announces itself so."""
    return FAMILIES.get(service, service)


def no_driver(family: str) -> Remark:
    """Nothing installed can print on it."""
    return Remark(
        "no_driver",
        f"no driver for {family} is installed",
        "Install the package that brings a driver for it, then restart Buildplate.",
    )


def _other_make(heard: Heard) -> Remark:
    return Remark(
        "other_make",
        f"it announces itself as {family_of(heard.service)}, but is another program",
        "Look at its own page for what it is; no installed driver knows it.",
    )


def _unclaimed(heard: Heard) -> Found:
    host = heard.addresses[0]
    where = f"[{host}]:{heard.port}" if ":" in host else f"{host}:{heard.port}"
    return Found(Kind.NETWORK, family_of(heard.service), heard.name, where, heard.host)


def _claims(heard: Heard, manifests: Sequence[Manifest], known: Sequence[Known]) -> Iterable[Found]:
    for manifest in manifests:
        makes = manifest.finds.services.get(heard.service)
        settings = None if makes is None else makes(_at(heard, heard.addresses[0]))
        if makes is None or settings is None:
            continue
        names = (*heard.addresses, *([heard.host] if heard.host else ()))
        spellings = [
            spelling
            for name in (*names, *(THIS_MACHINE if heard.ours else ()))
            if (spelling := makes(_at(heard, name))) is not None
        ]
        yield replace(
            _unclaimed(heard),
            family=manifest.title,
            driver=manifest.name,
            connection=dict(settings),
            printer_id=_printer_at(manifest, spellings, known),
        )


def _at(heard: Heard, address: str) -> Announcement:
    return Announcement(
        heard.service, heard.name, heard.host, address, heard.port, heard.properties
    )


def _spellings_of(seen: PortSeen, manifest: Manifest) -> list[Mapping[str, Any]]:
    """The connection to a port by each of its names."""
    makes = manifest.finds.serial
    names = dict.fromkeys((seen.port.path, seen.port.device, *seen.names))
    made = [makes(replace(seen.port, path=name)) for name in names] if makes else []
    return [one for one in made if one is not None]


def _printer_at(
    manifest: Manifest, spellings: Sequence[Mapping[str, Any]], known: Sequence[Known]
) -> str | None:
    """The printer whose connection leads there, however it is spelt."""
    for printer in known:
        if printer.driver == manifest.name and any(
            all(same_place(printer.connection.get(name), value) for name, value in one.items())
            for one in spellings
        ):
            return printer.printer_id
    return None


def same_place(stored: Any, found: Any) -> bool:
    """Whether a stored connection field means what was found: addresses are compared by meaning."""
    if isinstance(stored, str) and isinstance(found, str):
        return _plain(stored) == _plain(found)
    return type(stored) is type(found) and bool(stored == found)


def _plain(text: str) -> object:
    """An address without what makes no difference; other text as it is."""
    if "://" not in text:
        return text
    try:
        parts = urlsplit(text)
        port = parts.port or PORTS.get(parts.scheme)
    except ValueError:
        return text
    return parts.scheme, parts.hostname, port, parts.path.rstrip("/"), parts.query


def _once(found: Sequence[Found]) -> list[Found]:
    """Each thing once: a host that is heard in two networks announces itself in both."""
    return list({(one.driver, one.family, one.where, one.name): one for one in found}.values())
