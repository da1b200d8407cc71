"""One connection of HTTP/1.1 to a host: what it reads, and when it may be used again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import NamedTuple, Protocol, cast

import httptools

from buildplate.drivers.sdk.errors import HostConfused, PrinterOffline
from buildplate.drivers.sdk.unreachable import in_words

HEAD_LIMIT = 64 << 10
"""Bytes of an answer that are no body: status line, headers, what surrounds chunks, trailers."""

FRAMING = 2
"""Bytes on the wire for one of the body, beyond `HEAD_LIMIT`: more is a host that plays games."""

FORGOTTEN_S = 60.0
"""Seconds after which an idle connection is not trusted any more: something between may be gone."""

CLOSED = "the connection is closed"
NOT_HTTP = "what answers there does not speak HTTP"
TRY_A_BROWSER = "Check the address and its port: the host's own page must open there in a browser."
LOST = "the host closed the connection before its answer was complete"

_SWITCHING, _OK, _FINAL = 101, 200, 200
_LENGTH, _DIGITS = b"content-length", 18
_DECLARE_AN_END = (_LENGTH, b"transfer-encoding")


class Sink(Protocol):
    """Where the body of a 200 goes, without waiting; what it raises ends the request."""

    def begin(self, size: int | None) -> None:
        """The body begins; `size`: the bytes it has, where the host says so."""

    def take(self, piece: bytes) -> None:
        """The next piece."""


class WebReply(NamedTuple):
    """One complete answer: its status and its body, empty where the body went elsewhere."""

    status: int
    body: bytes


class WebConnection(asyncio.Protocol):
    """One connection; one request at a time, the next only after a complete answer."""

    def __init__(self, loop: asyncio.AbstractEventLoop, alive: set[WebConnection]) -> None:
        self._loop = loop
        self._alive = alive
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser
        self._answer: asyncio.Future[WebReply] | None = None
        self._room: asyncio.Future[None] | None = None
        self._limit, self._into = 0, cast("Sink | None", None)
        self._body = bytearray()
        self._size = 0
        self._length: int | None = None
        self._ends, self._in_body = False, False
        self._idle_since = 0.0
        self._reusable = False
        self.heard = 0
        self.gone = False

    # --- for whoever asks ------------------------------------------------------------------------

    def ask(self, sent: bytes, limit: int, into: Sink | None) -> asyncio.Future[WebReply]:
        """Send a request, or its beginning; its answer."""
        self._limit, self._into = limit, into
        self.heard, self._reusable = 0, False
        self._answer = answer = self._loop.create_future()
        self.write(sent)
        return answer

    def write(self, data: bytes) -> None:
        """Send bytes; those of a connection that ends go nowhere, its answer tells."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    async def send(self, body: AsyncGenerator[bytes, None]) -> None:
        """Send the pieces of a body as they can be taken, until all are sent or an answer came."""
        answer = self._answer
        async with aclosing(body) as pieces:
            async for piece in pieces:
                if answer is None or answer.done():
                    self._reusable = False  # the rest of the body was never sent
                    return
                self.write(piece)
                if self._room is not None:
                    await self._room

    def is_fresh(self) -> bool:
        """Whether the next request may go out here: the last one did, and was answered."""
        transport = self._transport
        if not self._reusable or transport is None or transport.is_closing():
            return False
        all_sent = transport.get_write_buffer_size() == 0
        return all_sent and self._loop.time() - self._idle_since < FORGOTTEN_S

    def cut(self, error: Exception | None) -> None:
        """End the connection at once; whoever waits for an answer gets the error."""
        self._reusable = False
        self._fail(error or PrinterOffline(CLOSED))
        if self._transport is not None:
            self._transport.abort()

    def _fail(self, error: Exception) -> None:
        answer = self._answer
        if answer is not None and not answer.done():
            answer.set_exception(error)
            answer.exception()  # seen: nobody may be waiting for it any more
        self._let_go()

    def _let_go(self) -> None:
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
        self._room = None

    # --- what the transport tells ----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        self._parser = httptools.HttpResponseParser(self)

    def data_received(self, data: bytes) -> None:
        """Take what arrived."""
        self.heard += len(data)
        answer = self._answer
        if answer is None or answer.done():
            self.cut(None)  # nobody asked: what comes here is no answer to anything
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self.cut(_told(error))
            return
        if not answer.done() and self.heard > HEAD_LIMIT + FRAMING * self._size:
            self.cut(HostConfused("the answer's head is too long"))

    def connection_lost(self, exc: Exception | None) -> None:
        """The end; it completes an answer whose length nothing else declared."""
        self._alive.discard(self)
        self.gone = True
        waited = self._answer is not None and not self._answer.done()
        if waited and exc is None and self._in_body and not self._ends:
            self.on_message_complete()
        self._reusable = False
        cause = "" if exc is None else in_words(exc)
        self._fail(PrinterOffline(LOST, code="connection_broken", cause=cause))
        # Nothing of it is left to the garbage collector: lost hosts are tried again and again.
        self._answer = self._transport = None
        del self._parser

    def pause_writing(self) -> None:
        """No more bytes for now."""
        if self._room is None:
            self._room = self._loop.create_future()

    def resume_writing(self) -> None:
        """More bytes can be taken."""
        self._let_go()

    # --- what the parser tells -------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """An answer begins; after a complete one that is more than was asked for."""
        self._reusable = False
        self._body = bytearray()
        self._size = 0
        self._length = None
        self._ends, self._in_body = False, False

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header or trailer."""
        name = name.lower()
        if name in _DECLARE_AN_END:
            self._ends = True
            if name == _LENGTH and value.isdigit() and len(value) < _DIGITS:
                self._length = int(value)

    def on_headers_complete(self) -> None:
        """All headers are known."""
        status = self._parser.get_status_code()
        if status < _FINAL:
            return
        self._in_body = True
        if status != _OK:
            self._into = None
        elif self._into is not None:
            self._into.begin(self._length)

    def on_body(self, piece: bytes) -> None:
        """A part of the body."""
        self._size += len(piece)
        if self._into is not None:
            self._into.take(piece)
            return
        if self._size > self._limit:
            raise HostConfused(f"the answer is longer than {self._limit} bytes")
        self._body += piece

    def on_message_complete(self) -> None:
        """The end of an answer; an informational one (RFC 9110, 15.2) precedes the real one."""
        status = self._parser.get_status_code()
        if status == _SWITCHING:
            raise HostConfused("the host changed the protocol without being asked")
        if status < _FINAL:
            return
        answer = self._answer
        if answer is None or answer.done():
            raise HostConfused("the host answers more than it was asked")
        self._reusable = self._parser.should_keep_alive()
        self._idle_since = self._loop.time()
        answer.set_result(WebReply(status, bytes(self._body)))
        self._body = bytearray()
        self._let_go()


def _told(error: Exception) -> Exception:
    """What a parser's error means: a callback's own error is passed on as it is."""
    if isinstance(error, httptools.HttpParserCallbackError) and error.__context__ is not None:
        return cast("Exception", error.__context__)
    return HostConfused(NOT_HTTP, TRY_A_BROWSER, code="not_http", cause=in_words(error))
