"""A host that answers with exactly the bytes a test wrote down, one script for each connection."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from buildplate.drivers.sdk.web_host import WebHost
from buildplate.drivers.sdk.web_route import WebAddress


class Line:
    """The host's end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def head(self) -> str:
        """The head of the next request; IncompleteReadError when the other end hung up."""
        return (await self._reader.readuntil(b"\r\n\r\n")).decode()

    async def body(self, size: int) -> bytes:
        return await self._reader.readexactly(size)

    async def say(self, text: str | bytes) -> None:
        self._writer.write(text.encode() if isinstance(text, str) else text)
        await self._writer.drain()

    async def hung_up(self) -> None:
        """Wait until the other end has gone."""
        with suppress(ConnectionError):
            while await self._reader.read(1 << 16):
                pass


Script = Callable[[Line], Awaitable[None]]


@dataclass
class ScriptedHost:
    """`scripts` are played in the order in which connections come in, the last one for the rest."""

    port: int = 0
    scripts: list[Script] = field(default_factory=list)
    connections: int = 0
    _playing: set[asyncio.Task[None] | None] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self._playing.add(task)
        try:
            await self._play(reader, writer)
        finally:
            self._playing.discard(task)

    async def _play(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        script = self.scripts[min(self.connections, len(self.scripts) - 1)]
        self.connections += 1
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await script(Line(reader, writer))
        writer.close()
        with suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()

    async def at_rest(self) -> None:
        """Wait until all connections have ended."""
        while self._playing:
            await asyncio.sleep(0.005)

    def client(self, *, tls: bool = False, verify_tls: bool = True, path: str = "/") -> WebHost:
        address = WebAddress("127.0.0.1", self.port, tls=tls, path=path)
        return WebHost(address, {"X-Api-Key": "secret"}, verify_tls=verify_tls)


@asynccontextmanager
async def scripted_host(
    *scripts: Script, tls: ssl.SSLContext | None = None
) -> AsyncIterator[ScriptedHost]:
    host = ScriptedHost(scripts=list(scripts))
    server = await asyncio.start_server(host.serve, "127.0.0.1", 0, ssl=tls)
    host.port = server.sockets[0].getsockname()[1]
    try:
        yield host
        await host.at_rest()
    finally:
        server.close()
        await server.wait_closed()


def answer(body: str = "", status: str = "200 OK", *headers: str) -> str:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", body]
    return "\r\n".join(lines)
