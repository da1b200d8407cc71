"""What strangers in the local network say of themselves, made fit to be read: pure functions.

Whoever is in the network can announce anything: names are cut and cleaned, and of the addresses
those are left over that lie in the local network.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

MOST_SIGNS = 100
MOST_KEY_SIGNS = 32
MOST_VALUE_SIGNS = 200
MOST_PROPERTIES = 32
MOST_HOST_SIGNS = 255
HIGHEST_PORT = 65_535
CREDENTIALS = frozenset({"u", "p"})
"""Properties in which hosts announce a name and a password for their pages: never passed on."""
LOCAL: tuple[Network, ...] = tuple(
    ip_network(one)
    for one in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7")
)
_HOST = re.compile(r"([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)+local", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Here:
    """This machine in its networks; `alone` where it listens to itself only (loopback)."""

    addresses: frozenset[Address] = frozenset()
    networks: tuple[Network, ...] = ()
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Heard:
    """One announced service, cleaned: its addresses are local ones, the most likely first.

    `ours` holds where all of them are this machine's own.
    """

    service: str
    name: str
    host: str | None
    addresses: tuple[str, ...]
    port: int
    properties: Mapping[str, str]
    ours: bool = False


def cleaned(text: str, most: int = MOST_SIGNS) -> str:
    """Text on one line, at most so long, in which nothing is invisible or turns what follows."""
    plain = "".join(sign if sign.isprintable() else "�" for sign in text[: most + 1]).strip()
    return plain if len(plain) <= most else plain[: most - 1] + "…"


def properties_of(raw: Mapping[bytes, bytes | None]) -> dict[str, str]:
    """The properties of an announcement (TXT), cleaned and bounded, without credentials."""
    found: dict[str, str] = {}
    for key, value in raw.items():
        name = cleaned(key.decode("ascii", "replace").lower(), MOST_KEY_SIGNS)
        if name and name not in CREDENTIALS and len(found) < MOST_PROPERTIES:
            found[name] = cleaned((value or b"").decode("utf-8", "replace"), MOST_VALUE_SIGNS)
    return found


def host_of(server: str | None) -> str | None:
    """A host's name in the local network, or None where it is none that could be asked for."""
    name = (server or "").rstrip(".")
    fits = len(name) <= MOST_HOST_SIGNS and _HOST.fullmatch(name) is not None
    return name.lower() if fits else None


def is_local(address: Address, here: Here) -> bool:
    """Whether an address can be a printer's in a network of ours.

    Loopback counts only while this machine listens to itself alone: announced by others it would
    lead to a service of this machine. An IPv6 address of a link names no host without its card.
    """
    if address.is_loopback:
        return here.alone
    if address.is_multicast or address.is_unspecified or address.is_reserved:
        return False
    if address.version == 6 and address.is_link_local:  # noqa: PLR2004 (IPv6)
        return False
    nets = (*LOCAL, *here.networks)
    return any(address.version == net.version and address in net for net in nets)


def addresses_of(announced: Iterable[Address], here: Here) -> tuple[Address, ...]:
    """The local ones of a host's addresses, the most likely first.

    Those in a network of ours come first, IPv4 before IPv6. One that is also ours is another
    host's only in name (each Docker host has the same one), unless all of them are.
    """
    local = [one for one in dict.fromkeys(announced) if is_local(one, here)]
    others = [one for one in local if one not in here.addresses] or local

    def rank(one: Address) -> tuple[bool, bool, int]:
        near = any(one.version == net.version and one in net for net in here.networks)
        return not near, one.is_link_local, one.version

    return tuple(sorted(others, key=rank))


def heard_of(
    service: str,
    instance: str,
    server: str | None,
    announced: Iterable[Address],
    port: int | None,
    raw: Mapping[bytes, bytes | None],
    here: Here,
) -> Heard | None:
    """An announcement as it may be shown; None where nothing local could be reached by it."""
    addresses = addresses_of(announced, here)
    if not addresses or port is None or not 0 < port <= HIGHEST_PORT:
        return None
    return Heard(
        service=service,
        name=cleaned(instance),
        host=host_of(server),
        addresses=tuple(str(one) for one in addresses),
        port=port,
        properties=properties_of(raw),
        ours=all(one in here.addresses or one.is_loopback for one in addresses),
    )
