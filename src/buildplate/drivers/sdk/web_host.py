"""HTTP/1.1 with one host of a printer: every request goes out once, every answer is bounded.

Farms read hundreds of printers again and again, so this is a thin layer: prepared requests,
kept-open connections, and httptools for the answers (ADR 19 has the figures). Time is the caller's
to bound, with `asyncio.timeout`; whoever is cut off takes the connection along, so that no late
answer is taken for that of another request. Nothing follows a redirection, and nothing is sent
twice but a read that met a connection which the host had closed meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import NamedTuple

from buildplate.drivers.sdk.errors import PrinterOffline
from buildplate.drivers.sdk.web_connection import (
    CLOSED,
    Sink,
    WebConnection,
    WebReply,
)
from buildplate.drivers.sdk.web_route import WebAddress, WebRoute

CONNECTIONS = 8
"""Connections to one host at a time, and as many again apart; who needs another one waits."""


class WebRequest(NamedTuple):
    """A request that is ready to be sent as often as wished.

    `read`: it changes nothing. `apart`: it goes out on a connection of its own, so that a kept-open
    one which the host has just closed never leaves it unclear what was sent.
    """

    head: bytes
    read: bool
    apart: bool


class WebHost:
    """The connections to one host. Nothing connects before it is used."""

    def __init__(
        self, address: WebAddress, headers: Mapping[str, str], *, verify_tls: bool = True
    ) -> None:
        self._headers = {"Host": address.authority, **headers}
        self.route = WebRoute(address, verify_tls=verify_tls)
        self._turns = asyncio.Semaphore(CONNECTIONS)
        self._turns_apart = asyncio.Semaphore(CONNECTIONS)
        self._idle: list[WebConnection] = []
        self._open: set[WebConnection] = set()
        self._closed = False

    async def close(self) -> None:
        """Cut all connections, those in use too; safe to call twice.

        A request that is just connecting ends with its connection attempt, and is not sent.
        """
        self._closed = True
        self._idle.clear()
        for connection in tuple(self._open):
            connection.cut(PrinterOffline(CLOSED))
        await asyncio.sleep(0)  # what is cut tells so in the next round of the loop

    def request(
        self,
        method: str,
        path: str,
        *,
        kind: str | None = None,
        size: int | None = None,
        apart: bool = False,
    ) -> WebRequest:
        """A request for `path`, percent-encoded, below the host's own path.

        `kind` and `size`: the media type of its body and how many bytes it has. ValueError for what
        would break out of the request's line or a header.
        """
        target = self.route.address.path + path
        lines = [f"{method} {target} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in self._headers.items()]
        lines += [] if kind is None else [f"Content-Type: {kind}"]
        lines += [] if size is None else [f"Content-Length: {size}"]
        lines += ["Connection: close"] if apart else []
        if " " in target or not all(line.isprintable() and line.isascii() for line in lines):
            raise ValueError("a request's line and headers must be printable ASCII")
        head = "\r\n".join([*lines, "", ""]).encode()
        return WebRequest(head, read=method == "GET", apart=apart)

    async def send(
        self,
        request: WebRequest,
        body: bytes | AsyncGenerator[bytes, None] = b"",
        *,
        limit: int,
        into: Sink | None = None,
    ) -> WebReply:
        """Send a request once, and its complete answer; PrinterOffline, HostConfused.

        `body` has the size that the request announces. `limit`: the most bytes of the answer's
        body. `into` takes the body of a 200 in pieces instead, without a limit.
        """
        async with self._turns_apart if request.apart else self._turns:
            kept = None if request.apart else self._kept()
            if kept is not None:
                try:
                    return await self._over(kept, request, body, limit, into)
                except PrinterOffline:
                    if not request.read or kept.heard:
                        raise
            return await self._over(await self._connected(), request, body, limit, into)

    async def _over(
        self,
        connection: WebConnection,
        request: WebRequest,
        body: bytes | AsyncGenerator[bytes, None],
        limit: int,
        into: Sink | None,
    ) -> WebReply:
        try:
            if isinstance(body, bytes):
                answer = connection.ask(request.head + body, limit, into)
            else:
                answer = connection.ask(request.head, limit, into)
                await connection.send(body)
            reply = await answer
        except BaseException:
            connection.cut(None)
            raise
        if connection.is_fresh() and not request.apart:
            self._idle.append(connection)
        else:
            connection.cut(None)
        return reply

    def _kept(self) -> WebConnection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_fresh():
                return connection
            connection.cut(None)
        return None

    async def _connected(self) -> WebConnection:
        """A new connection. It is ours once it is returned: until then it is the loop's to end."""
        loop = asyncio.get_running_loop()
        connection = await self.route.connect(lambda: WebConnection(loop, self._open))
        if self._closed:
            connection.cut(None)
            raise PrinterOffline(CLOSED)
        if not connection.gone:
            self._open.add(connection)
        return connection
