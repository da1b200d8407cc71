"""The network side of a simulated host: an address, and the connections there are to it."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

from buildplate_sim.web import Connection, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

BACKLOG = 256
"""Connections that the kernel keeps for a program that does not accept them."""


class Address:
    """One listening address; what is done with requests, its heirs know."""

    def __init__(
        self, later: Callable[[Coroutine[Any, Any, None]], object], frozen: Callable[[], bool]
    ) -> None:
        self._later = later
        self._frozen = frozen
        self._server: asyncio.Server | None = None
        self._socket: socket.socket | None = None
        self.connections: set[Connection] = set()
        self.address = ("", 0)

    @property
    def base(self) -> str:
        """The address clients use."""
        return f"http://{self.address[0]}:{self.address[1]}"

    async def listen(self, address: str, port: int) -> None:
        """Accept connections; port 0 takes a free one, and keeps it from then on."""
        self.address = (address, port)
        await self._serve(self._bind())

    def listen_again(self) -> None:
        """Accept connections where it did before; the kernel does so from now on."""
        if self._socket is None:
            self._later(self._serve(self._bind()))

    def _bind(self) -> socket.socket:
        self._socket = listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(self.address)
        listening.listen(BACKLOG)
        self.address = listening.getsockname()
        return listening

    async def _serve(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Connection(self), sock=listening)
        if self._socket is listening:
            self._server = server
        else:
            server.close()

    def deafen(self) -> None:
        """Refuse connections, and drop those there are."""
        self._socket = None
        if self._server is not None:
            self._server.close()
            self._server = None
        self.cut()

    def cut(self) -> None:
        """Drop all connections."""
        for connection in list(self.connections):
            connection.reset()

    def pause(self) -> None:
        """Read nothing: what arrives waits in the kernel."""
        for connection in self.connections:
            connection.pause()

    def resume(self) -> None:
        """Read on, beginning with what has arrived."""
        for connection in list(self.connections):
            connection.resume()

    # --- Site

    def opened(self, connection: Connection) -> None:
        """A client has connected."""
        self.connections.add(connection)
        if self._frozen():
            connection.pause()

    def closed(self, connection: Connection) -> None:
        """A client is gone."""
        self.connections.discard(connection)

    def begun(self, connection: Connection, request: Request) -> None:
        """Headers are here."""

    def complete(self, connection: Connection, request: Request) -> None:
        """A request is here."""
