"""Hosts that announce themselves to this machine alone, as printers do in a network (mDNS)."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

LOOPBACK = "127.0.0.1"
OCTOPRINT = {"path": "/", "version": "1.11.8", "api": "0.1", "u": "ann", "p": "canary"}


class Hosts:
    """Hosts that announce themselves to this machine alone."""

    def __init__(self) -> None:
        self._zeroconf = AsyncZeroconf(interfaces=[LOOPBACK])

    async def announce(
        self, *services: tuple[str, str, int, Mapping[str, str]], address: str = LOOPBACK
    ) -> None:
        """Announce them all; names of tests are nobody else's, so that nobody is asked for them."""
        infos = [_info(*one, address) for one in services]
        told = [
            await self._zeroconf.async_register_service(info, cooperating_responders=True)
            for info in infos
        ]
        await asyncio.gather(*told)

    async def leave(self, service: str, name: str) -> None:
        await (await self._zeroconf.async_unregister_service(_info(service, name)))

    async def close(self) -> None:
        await self._zeroconf.async_close()


def _info(
    service: str,
    name: str,
    port: int = 80,
    said: Mapping[str, str] | None = None,
    address: str = LOOPBACK,
) -> AsyncServiceInfo:
    return AsyncServiceInfo(
        f"{service}.local.",
        f"{name}.{service}.local.",
        addresses=[socket.inet_aton(address)],
        port=port,
        server=f"host-{address.replace('.', '-')}.local.",
        properties=dict(said or {}),
    )


@asynccontextmanager
async def hosts() -> AsyncIterator[Hosts]:
    found = Hosts()
    try:
        yield found
    finally:
        await found.close()
