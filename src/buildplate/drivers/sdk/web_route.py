"""The way to one web host: its addresses, its TLS, and a connection over the first that answers."""

from __future__ import annotations

import asyncio
import functools
import socket
import ssl
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from typing import Any, NamedTuple, TypeVar, cast

import aiohappyeyeballs

from buildplate.drivers.sdk.unreachable import unreachable

NEXT_ADDRESS_S = 0.25
"""How long one address of a name is tried alone before the next is tried beside it (RFC 8305)."""

RESOLVED_S = 10.0
"""How long the addresses of a name are remembered."""

Addresses = Sequence[tuple[Any, ...]]
_Protocol = TypeVar("_Protocol", bound=asyncio.Protocol)


class WebAddress(NamedTuple):
    """Where a host is. `path` begins and ends with a slash and is percent-encoded."""

    host: str
    port: int
    tls: bool = False
    path: str = "/"

    @property
    def authority(self) -> str:
        """What goes into the header `Host`."""
        host = f"[{self.host}]" if ":" in self.host else self.host.rstrip(".")
        usual = 443 if self.tls else 80
        return host if self.port == usual else f"{host}:{self.port}"


class WebRoute:
    """Makes connections to one host, as many as are asked for."""

    __slots__ = ("_is_address", "_name", "_resolved", "_tls", "address")

    def __init__(self, address: WebAddress, *, verify_tls: bool = True) -> None:
        self.address = address
        self._tls = _tls(verify=verify_tls) if address.tls else None
        self._name = address.host.rstrip(".")
        self._is_address = _is_address(address.host)
        self._resolved: tuple[float, Addresses] = (float("-inf"), ())

    async def connect(self, make: Callable[[], _Protocol]) -> _Protocol:
        """A connection that this protocol has; PrinterOffline. Time is the caller's to bound."""
        loop = asyncio.get_running_loop()
        where: dict[str, Any] = {"host": self.address.host, "port": self.address.port}
        try:
            if not self._is_address:
                where = {"sock": await self._reached(loop)}
            if self._tls is not None:
                where |= {"ssl": self._tls, "server_hostname": self._name}
            _, made = await loop.create_connection(make, **where)
        except (OSError, UnicodeError) as error:
            raise unreachable(error) from None
        return made

    async def _reached(self, loop: asyncio.AbstractEventLoop) -> socket.socket:
        """A socket to the first of the name's addresses that answers: some lead nowhere."""
        until, addresses = self._resolved
        if loop.time() >= until:
            addresses = await loop.getaddrinfo(
                self.address.host, self.address.port, type=socket.SOCK_STREAM
            )
            self._resolved = (loop.time() + RESOLVED_S, addresses)
        try:
            reached = await aiohappyeyeballs.start_connection(
                cast("Any", addresses), happy_eyeballs_delay=NEXT_ADDRESS_S, interleave=1
            )
        except OSError:
            self._resolved = (float("-inf"), ())  # the name may have moved
            raise
        reached.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return reached


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


@functools.cache
def _tls(*, verify: bool) -> ssl.SSLContext:
    """One context for all hosts: loading the certificates takes tens of milliseconds."""
    context = ssl.create_default_context()
    if not verify:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
