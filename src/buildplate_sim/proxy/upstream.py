"""The proxy's side towards a host: one connection for one exchange at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol, cast

import httptools

if TYPE_CHECKING:
    from buildplate_sim.web import Request, Source

_OWN_HEADERS = frozenset({"expect"})
_SWITCHING = 101
UNSENT_LIMIT = 256 * 1024
"""Bytes that wait for a connection to be opened before whoever sends them has to wait as well."""


class Listener(Protocol):
    """Whoever wants the host's answer."""

    def answer_bytes(self, data: bytes) -> None:
        """The next raw bytes of the answer, head included."""

    def answer_done(self) -> None:
        """The answer is complete."""

    def answer_lost(self) -> None:
        """There will be no (more of an) answer."""


class Upstream(asyncio.Protocol):
    """A connection to the host; bytes are kept until it is open.

    While the host takes none (more), `feeder` is asked to wait, so that little piles up here.
    """

    def __init__(self, feeder: Source | None = None) -> None:
        self.listener: Listener | None = None
        self._feeder = feeder
        self.lost = False
        self.tunnelled = False
        self._transport: asyncio.Transport | None = None
        self._parser: Any = httptools.HttpResponseParser(self)
        self._unsent: deque[bytes] = deque()
        self._done = False
        self._keep = True
        self._held: list[bytes] | None = None

    async def open(self, address: tuple[str, int]) -> None:
        """Connect; when that fails, the listener's answer is lost."""
        try:
            await asyncio.get_running_loop().create_connection(lambda: self, *address)
        except OSError:
            self.connection_lost(None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The host has accepted."""
        self._transport = cast("asyncio.Transport", transport)
        if self.lost:
            self._transport.abort()
            return
        self.resume_writing()
        while self._unsent:
            self._transport.write(self._unsent.popleft())

    def pause_writing(self) -> None:
        """The host reads slower than its client sends."""
        if self._feeder is not None:
            self._feeder.pause()

    def resume_writing(self) -> None:
        """The host has caught up, or is gone."""
        if self._feeder is not None:
            self._feeder.resume()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- asyncio's signature
        """The host is gone."""
        self.lost, self._transport = True, None
        self.resume_writing()
        listener, self.listener = self.listener, None
        if listener is not None:
            listener.answer_lost()

    def data_received(self, data: bytes) -> None:
        """Bytes of an answer, or of a tunnel."""
        if self._held is not None:
            self._held.append(data)
            return
        if self.listener is None:
            return
        listener = self.listener
        if self.tunnelled:
            listener.answer_bytes(data)
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.tunnelled = True
        except httptools.HttpParserError:
            self._keep = False
        listener.answer_bytes(data)
        if self._done and not self.tunnelled:
            self._finish()

    def on_message_complete(self) -> None:
        """The answer is complete."""
        self._done = True
        self._keep = self._parser.should_keep_alive()
        self.tunnelled = self._parser.get_status_code() == _SWITCHING

    def _finish(self) -> None:
        listener, self.listener = self.listener, None
        self._done = False
        self._parser = httptools.HttpResponseParser(self)
        if not self._keep:
            self.drop()
        if listener is not None:
            listener.answer_done()

    def write(self, data: bytes) -> None:
        """Send to the host."""
        if self._transport is not None:
            self._transport.write(data)
        elif not self.lost:
            self._unsent.append(data)
            if sum(map(len, self._unsent)) > UNSENT_LIMIT:
                self.pause_writing()

    def pause(self) -> None:
        """The client is slow: do not read from the host."""
        if self._transport is not None:
            with suppress(RuntimeError):
                self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self._transport is not None:
            with suppress(RuntimeError):
                self._transport.resume_reading()

    def hold(self) -> None:
        """Keep what the host sends."""
        self._held = self._held or []

    def release(self) -> None:
        """Pass on what was kept."""
        held, self._held = self._held or [], None
        for data in held:
            self.data_received(data)

    def drop(self) -> None:
        """Close the connection."""
        self.lost = True
        if self._transport is not None:
            self._transport.abort()


def head_of(request: Request) -> bytes:
    """The request's line and headers, as they are sent on."""
    lines = [f"{request.method} {request.target} HTTP/1.1"]
    lines += [
        f"{name}: {value}" for name, value in request.headers.items() if name not in _OWN_HEADERS
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
