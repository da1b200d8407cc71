"""Listens to what hosts announce in the local network (mDNS), for as long as somebody asks."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from importlib import import_module
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any

from buildplate.fleet.ports import Deaf, Hearing
from buildplate.fleet.strangers import Heard, Here, Network, heard_of

if TYPE_CHECKING:
    from zeroconf import ServiceStateChange
    from zeroconf.asyncio import AsyncServiceBrowser, AsyncZeroconf

MOST_SERVICES = 200
MOST_CARDS = 64
AT_ONCE = 16
ANSWER_MS = 3000
CLOSE_S = 2.0
DOMAIN = "local."
OFF = "looking for printers in the network is switched off"
NO_CARD = "this machine has no network in which hosts announce themselves"
ON_HINT = "Whoever runs the server says with BUILDPLATE_MDNS where it looks."
HINT = "Type the printer's address; in a container, announcements need the host's network."


class LocalNetwork:
    """The networks of this machine.

    `addresses` are its cards to listen at, None means all; `most` is how many services are taken.
    """

    def __init__(self, addresses: Sequence[str] | None = None, most: int = MOST_SERVICES) -> None:
        self._addresses = addresses
        self._most = most

    async def open(self, services: Collection[str]) -> Hearing:
        """Begin to listen for these services; Deaf."""
        if self._addresses is not None and not self._addresses:
            raise Deaf("mdns_off", OFF, ON_HINT)
        # Only whoever looks for printers needs it, and loading it takes too long for the loop.
        await asyncio.to_thread(import_module, "zeroconf.asyncio")
        here = self._here()
        cards = self._addresses or [
            str(one) for one in here.addresses if one.version == 4 and not one.is_loopback  # noqa: PLR2004
        ]  # fmt: skip
        if not cards:
            raise Deaf("mdns_unavailable", NO_CARD, HINT)
        strange = sorted(set(cards) - {str(one) for one in here.addresses})
        if strange:
            detail = f"this machine has no address {strange[0]} at which it could look for printers"
            raise Deaf("mdns_unavailable", detail, ON_HINT)
        return _Ears(_opened(sorted(cards)[:MOST_CARDS]), services, here, self._most)

    def _here(self) -> Here:
        from ifaddr import get_adapters  # noqa: PLC0415 (comes with zeroconf; see open)

        addresses, networks = set(), []
        for adapter in get_adapters():
            for one in adapter.ips:
                text = one.ip if isinstance(one.ip, str) else one.ip[0].partition("%")[0]
                address = ip_address(text)
                addresses.add(address)
                net: Network = ip_network(f"{text}/{one.network_prefix}", strict=False)
                if not net.is_loopback:
                    networks.append(net)
        alone = self._addresses is not None and all(
            ip_address(one).is_loopback for one in self._addresses
        )
        return Here(frozenset(addresses), tuple(networks), alone)


def _opened(cards: list[str]) -> AsyncZeroconf:
    from zeroconf.asyncio import AsyncZeroconf  # noqa: PLC0415 (see LocalNetwork.open)

    try:
        return AsyncZeroconf(interfaces=cards)
    except OSError as error:
        detail = f"the system does not let this process listen for announcements: {error.strerror}"
        raise Deaf("mdns_unavailable", detail, HINT) from None


class _Ears:
    """One listening ear; several may wait at it at once, each for its own time.

    Every service is asked for in a packet of its own and without wishing for an answer to us alone:
    small responders answer the first question of a packet only, and such an answer reaches one of
    the programs that listen at this machine, which may be another one.
    """

    def __init__(
        self, zeroconf: AsyncZeroconf, services: Collection[str], here: Here, most: int
    ) -> None:
        self._zeroconf = zeroconf
        self._most = most
        self._services = services
        self._here = here
        self._browsers: list[AsyncServiceBrowser] = []
        self._names: dict[tuple[str, str], int] = {}
        self._comings = 0
        self._heard: dict[tuple[str, str], Heard | None] = {}
        self._news = asyncio.Event()
        self._doors = asyncio.Semaphore(AT_ONCE)
        self.more = False

    async def listen(self, seconds: float) -> Sequence[Heard]:
        """What has been announced by the end of so many seconds.

        What comes, goes and comes again is taken twice as often as there may be services.
        """
        try:
            async with asyncio.timeout(seconds), asyncio.TaskGroup() as asking:
                self._begin()
                asked = 0
                while True:
                    for name in [one for one, coming in self._names.items() if coming > asked]:
                        asking.create_task(self._ask(*name))
                    asked = self._comings
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            pass
        return [one for one in self._heard.values() if one is not None]

    async def close(self) -> None:
        """Stop listening; in time, whatever happens."""
        try:
            async with asyncio.timeout(CLOSE_S):
                for browser in self._browsers:
                    await browser.async_cancel()
                await self._zeroconf.async_close()
        except TimeoutError:
            pass

    def _begin(self) -> None:
        from zeroconf import DNSQuestionType  # noqa: PLC0415 (see LocalNetwork.open)
        from zeroconf.asyncio import AsyncServiceBrowser  # noqa: PLC0415 (as above)

        if not self._browsers:
            self._browsers = [
                AsyncServiceBrowser(
                    self._zeroconf.zeroconf,
                    f"{service}.{DOMAIN}",
                    handlers=[self._changed],
                    question_type=DNSQuestionType.QM,
                )
                for service in sorted(self._services)
            ]

    def _changed(
        self, *, service_type: str, name: str, state_change: ServiceStateChange, **_: Any
    ) -> None:
        """Told by zeroconf in the event loop: a service is there, or says goodbye."""
        from zeroconf import ServiceStateChange as Change  # noqa: PLC0415 (see LocalNetwork.open)

        key = (service_type, name)
        if state_change is Change.Removed:
            self._names.pop(key, None)
            self._heard.pop(key, None)
        elif key not in self._names:
            if len(self._names) >= self._most or self._comings >= 2 * self._most:
                self.more = True
                return
            self._comings += 1
            self._names[key] = self._comings
            self._news.set()

    async def _ask(self, kind: str, name: str) -> None:
        """Ask where a service is, which its first announcement mostly says already."""
        from zeroconf import DNSQuestionType, Error  # noqa: PLC0415 (see LocalNetwork.open)
        from zeroconf.asyncio import AsyncServiceInfo  # noqa: PLC0415 (as above)

        try:
            info = AsyncServiceInfo(kind, name)
            async with self._doors:
                there = await info.async_request(
                    self._zeroconf.zeroconf, ANSWER_MS, question_type=DNSQuestionType.QM
                )
        except Error:  # a name that is none
            return
        if there and (kind, name) in self._names:
            self._heard[kind, name] = _heard(info, self._here)


def _heard(info: Any, here: Here) -> Heard | None:
    from zeroconf import IPVersion  # noqa: PLC0415 (see LocalNetwork.open)

    service = info.type.removesuffix(f".{DOMAIN}")
    return heard_of(
        service,
        info.name.removesuffix(f".{info.type}"),
        info.server,
        info.ip_addresses_by_version(IPVersion.All),
        info.port,
        info.properties,
        here,
    )
