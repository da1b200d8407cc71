"""A small HTTP/1.1 server whose every byte, pause and silence the simulators decide themselves."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast
from urllib.parse import parse_qsl, unquote

import httptools
import orjson

from buildplate_sim.websocket import WebSocket, accept_key

if TYPE_CHECKING:
    from collections.abc import Callable

BODY_LIMIT = 4 * 1024 * 1024
"""Bytes of a body that is collected in memory; longer ones need a sink."""

CHUNK = 256 * 1024
"""Bytes of a file that are handed to the socket at a time."""


class BodySink(Protocol):
    """Takes a request's body while it arrives."""

    def feed(self, chunk: bytes) -> None:
        """The next bytes of the body."""

    def abort(self) -> None:
        """The body ended too early: its sender is gone."""


@dataclass(slots=True, eq=False)
class Request:
    """One request, complete once its site is told so; `arrived` is when, in wall-clock seconds."""

    method: str
    target: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytearray = field(default_factory=bytearray)
    sink: BodySink | None = None
    reply: Reply | None = None
    arrived: float = 0.0

    @property
    def base(self) -> str:
        """The address that the client believes to talk to."""
        return f"http://{self.headers.get('host', '')}"

    def json(self) -> Any:
        """The body as JSON; `ValueError` when it is none."""
        return orjson.loads(self.body)


@dataclass(slots=True)
class Reply:
    """One answer: a body in memory, or a piece of a file."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    file: Path | None = None
    span: tuple[int, int] = (0, 0)

    @property
    def length(self) -> int:
        """Bytes of the body."""
        return len(self.body) if self.file is None else self.span[1] - self.span[0]

    def head(self) -> bytes:
        """The status line and the headers."""
        lines = [f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        if self.status != HTTPStatus.NO_CONTENT:
            lines.append(f"Content-Type: {self.content_type}")
        lines.append(f"Content-Length: {self.length}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode()


def json_reply(value: Any, status: int = 200, **headers: str) -> Reply:
    """An answer of JSON."""
    return Reply(status, orjson.dumps(value), headers=headers)


class Source(Protocol):
    """Whatever feeds a connection and can be asked to wait."""

    def pause(self) -> None:
        """The client reads slower than this is sent."""

    def resume(self) -> None:
        """The client has caught up, or is gone."""


class Site(Protocol):
    """What a listening address does with its connections and requests."""

    def opened(self, connection: Connection) -> None:
        """A connection was accepted."""

    def closed(self, connection: Connection) -> None:
        """A connection is gone."""

    def begun(self, connection: Connection, request: Request) -> None:
        """A request's headers are here; the place to give it a sink."""

    def complete(self, connection: Connection, request: Request) -> None:
        """A request is here completely; answer it with `connection.answer`, now or later."""


class _Reader:
    """Puts the requests of a connection together; its methods are httptools' callbacks."""

    def __init__(self, connection: Connection) -> None:
        self.parser: Any = httptools.HttpRequestParser(self)
        self._connection = connection
        self._target = b""
        self._headers: dict[str, str] = {}
        self._arriving: Request | None = None

    def abort(self) -> None:
        """The sender is gone in the middle of a request."""
        if self._arriving is not None and self._arriving.sink is not None:
            self._arriving.sink.abort()

    def on_message_begin(self) -> None:
        """A request begins."""
        self._target, self._headers = b"", {}

    def on_url(self, url: bytes) -> None:
        """The next bytes of the request's target."""
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """All headers are here."""
        target = self._target.decode("latin-1")
        path, _, query = target.partition("?")
        request = Request(
            method=self.parser.get_method().decode("latin-1"),
            target=target,
            path=unquote(path),
            query=dict(parse_qsl(query, keep_blank_values=True)),
            headers=self._headers,
        )
        self._arriving = request
        if self._headers.get("expect", "").lower() == "100-continue":
            self._connection.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._connection.site.begun(self._connection, request)

    def on_body(self, body: bytes) -> None:
        """The next bytes of the body."""
        request = self._arriving
        if request is None:
            return
        if request.sink is not None:
            request.sink.feed(body)
        elif len(request.body) + len(body) > BODY_LIMIT:
            self._connection.close()
        else:
            request.body += body

    def on_message_complete(self) -> None:
        """The request is complete."""
        request, self._arriving = self._arriving, None
        if request is not None:
            self._connection.arrived(request)


class Connection(asyncio.Protocol):
    """One accepted connection. Answers leave in the order of the requests."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.transport: asyncio.Transport | None = None
        self.socket: WebSocket | None = None
        self.peer = ""
        self._reader = _Reader(self)
        self._waiting: deque[Request] = deque()
        self._pump: _FilePump | None = None
        self.source: Source | None = None
        self.closing = False
        self._paused = False
        self._kept = bytearray()

    # --- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        self.transport = cast("asyncio.Transport", transport)
        self.peer = str(transport.get_extra_info("peername"))
        self.site.opened(self)

    def data_received(self, data: bytes) -> None:
        """Bytes have arrived; a loop that reads on although it was told to pause is told again."""
        if self._paused:
            self._kept += data
            self.pause()
            return
        if self._feed_socket(data):
            return
        try:
            self._reader.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._feed_socket(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self.close()

    def _feed_socket(self, data: bytes) -> bool:
        if self.socket is not None and data:
            self.socket.feed(data)
        return self.socket is not None

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- asyncio's signature
        """The connection is gone; what had arrived completely is still carried out."""
        self.transport = None
        self._reader.abort()
        self.resume_writing()
        if self.socket is not None:
            self.socket.lost()
        self.site.closed(self)

    def pause_writing(self) -> None:
        """The client reads slower than we write."""
        for source in (self._pump, self.source):
            if source is not None:
                source.pause()

    def resume_writing(self) -> None:
        """The client has caught up."""
        for source in (self._pump, self.source):
            if source is not None:
                source.resume()

    # --- the site's side

    def arrived(self, request: Request) -> None:
        """A request has been read completely."""
        request.arrived = time.time()
        self._waiting.append(request)
        self.site.complete(self, request)

    def answer(self, request: Request, reply: Reply) -> None:
        """Send `reply`; nobody is told when the client has gone."""
        request.reply = reply
        while self._waiting and self._waiting[0].reply is not None and self._pump is None:
            self._send(self._waiting.popleft().reply or reply)

    def write(self, data: bytes) -> None:
        """Send raw bytes, if the client is still there."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(data)

    def settled(self, request: Request) -> None:
        """The request was answered by `write`, or will not be answered at all."""
        if request in self._waiting:
            self._waiting.remove(request)

    def tunnel(self, request: Request, socket: WebSocket) -> None:
        """Hand everything that arrives from now on to `socket`, raw."""
        self.settled(request)
        self.socket = socket

    def upgrade(self, request: Request, socket: Callable[[Connection], WebSocket]) -> None:
        """Turn the connection into a websocket."""
        self.settled(request)
        key = accept_key(request.headers.get("sec-websocket-key", ""))
        self.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Accept: " + key + b"\r\n\r\n"
        )
        self.socket = socket(self)
        self.socket.opened()

    def pause(self) -> None:
        """Read nothing more: what arrives waits in the kernel, as before a stopped process."""
        self._paused = True
        if self.transport is not None and not self.transport.is_closing():
            self.transport.pause_reading()

    def resume(self) -> None:
        """Read again, beginning with what has arrived meanwhile."""
        self._paused = False
        if self._kept:
            kept, self._kept = bytes(self._kept), bytearray()
            self.data_received(kept)
        readable = self.transport is not None and not self.transport.is_closing()
        if self.transport is not None and readable and not self._paused:
            self.transport.resume_reading()

    def close(self) -> None:
        """Send what is written, then close."""
        self.closing = True
        if self.transport is not None:
            self.transport.close()

    def reset(self) -> None:
        """Drop the connection at once, unsent bytes included."""
        self.closing = True
        if self.transport is not None:
            self.transport.abort()

    def _send(self, reply: Reply) -> None:
        self.write(reply.head() + reply.body if reply.file is None else reply.head())
        if reply.file is not None:
            self._pump = _FilePump(self, reply, self._pumped)
            self._pump.run()

    def _pumped(self) -> None:
        self._pump = None
        if self._waiting and (reply := self._waiting[0].reply) is not None:
            self._waiting.popleft()
            self._send(reply)


class _FilePump:
    """Writes a piece of a file as fast as the client takes it."""

    def __init__(self, connection: Connection, reply: Reply, done: Callable[[], None]) -> None:
        assert reply.file is not None  # noqa: S101 -- the caller's condition
        self._connection = connection
        self._file = reply.file.open("rb")
        self._file.seek(reply.span[0])
        self._left = reply.length
        self._done = done
        self._paused = False
        self._running = False

    def run(self) -> None:
        self._running = True
        while self._left > 0 and not self._paused and self._connection.transport is not None:
            chunk = self._file.read(min(CHUNK, self._left))
            if not chunk:
                break
            self._left -= len(chunk)
            self._connection.write(chunk)
        self._running = False
        if not self._paused or self._connection.transport is None:
            self._file.close()
            self._done()

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        self._paused = False
        if not self._running:
            self.run()
