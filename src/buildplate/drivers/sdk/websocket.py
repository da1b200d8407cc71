"""One websocket to a host: messages are told at once, on the loop, without a task or a queue.

Bounded are the bytes of a message, the pace of all of them, the time of silence, and what waits to
be sent. Pings are answered; compression is not offered; nothing follows a redirection.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from typing import NamedTuple, Protocol, cast

import httptools

from buildplate.drivers.sdk.errors import AuthRequired, DriverError, HostConfused, PrinterOffline
from buildplate.drivers.sdk.pace import Pace
from buildplate.drivers.sdk.unreachable import BROKEN_OFF, in_words
from buildplate.drivers.sdk.web_connection import CLOSED, HEAD_LIMIT, NOT_HTTP, TRY_A_BROWSER
from buildplate.drivers.sdk.web_files import bounded
from buildplate.drivers.sdk.web_route import WebRoute
from buildplate.drivers.sdk.web_socket import is_redirect, redirected
from buildplate.protocols import websocket

SILENT = "the websocket fell silent"
BROKE_IT = "the host sent what no websocket may carry, or too much of it"
OTHER_PROTOCOL = "the host agrees to something else than a websocket"
_FINAL, _NOT_LET_IN = 200, (401, 403)


class Limits(NamedTuple):
    """Bytes of one message; and seconds: of silence before a ping, and of `Pace`'s window."""

    message: int
    silence: float
    window: float


class Ear(Protocol):
    """What is told of a websocket."""

    def told(self, message: bytes) -> None:
        """One message, text or binary, in the order of the wire; DriverError ends the socket."""

    def ended(self, error: DriverError) -> None:
        """It is over, however that came; told once, and nothing after it."""


class WebSocket(asyncio.Protocol):
    """The websocket, from its request on. `listen` lets the first message in."""

    __slots__ = (
        "_asked", "_ear", "_frames", "_gone", "_heard_at", "_held", "_limits", "_loop", "_pace",
        "_paused", "_room", "_timer", "_transport", "error", "greeting",
    )  # fmt: skip

    def __init__(self, loop: asyncio.AbstractEventLoop, limits: Limits) -> None:
        self._loop = loop
        self._limits = limits
        self._frames = websocket.Frames(limits.message)
        self._pace = Pace(limits.window)
        self._transport: asyncio.Transport | None = None
        self._ear: Ear | None = None
        self._room: asyncio.Future[None] | None = None
        self._gone: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._held: asyncio.TimerHandle | None = None
        self._heard_at = 0.0
        self._asked = self._paused = False
        self.greeting: Greeting | None = None
        self.error: DriverError | None = None

    # --- for whoever talks -----------------------------------------------------------------------

    def greet(self, greeting: Greeting) -> None:
        """Ask for the websocket."""
        if self._transport is None:
            greeting.fail(_broken(None))
            return
        self.greeting = greeting
        self._transport.write(greeting.request)

    def listen(self, ear: Ear) -> None:
        """Tell this one of everything from now on, beginning with what has come already."""
        if self.error is not None:
            ear.ended(self.error)
            return
        self._ear = ear
        self._heard_at = self._loop.time()
        self._timer = self._loop.call_later(self._limits.silence, self._ring)
        self._work()

    async def send(self, message: bytes) -> None:
        """Send a text, waiting while too much is unsent; PrinterOffline where it is over.

        Time is the caller's to bound; whoever is cut off has sent it nevertheless.
        """
        if self.error is None:
            self._write(websocket.TEXT, message)
        while self._room is not None and self.error is None:
            await asyncio.shield(self._room)
        if self.error is not None:
            raise self.error

    async def close(self, seconds: float) -> None:
        """Say farewell and give the host so long to hang up; safe to call twice."""
        if self.error is None:
            self._say_farewell(websocket.NORMAL)
            self._end(PrinterOffline(CLOSED))
        if self._transport is None:
            return
        self._flow()
        self._gone = self._gone or self._loop.create_future()
        try:
            await asyncio.wait({self._gone}, timeout=seconds)
        finally:
            self.cut()

    def cut(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def _write(self, opcode: int, payload: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(websocket.frame(opcode, payload, os.urandom(4)))

    def _say_farewell(self, code: int) -> None:
        self._write(websocket.CLOSE, code.to_bytes(2, "big"))

    def _end(self, error: DriverError) -> None:
        """Note why it is over, and tell so."""
        if self.error is not None:
            return
        self.error = error
        for timer in (self._timer, self._held):
            if timer is not None:
                timer.cancel()
        self._timer = self._held = None
        self._let_go()
        if self._ear is not None:
            self._ear.ended(error)

    def _end_with(self, error: DriverError, code: int) -> None:
        """End it and tell the host why."""
        self._say_farewell(code)
        if self._transport is not None:
            self._transport.close()
        self._end(error)

    # --- what the transport tells ----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Take what arrived; after a farewell that is nothing."""
        if self.greeting is not None:
            after = self.greeting.feed(data)
            if after is None:
                return
            self.greeting, data = None, after
        if self.error is not None:
            return
        if self._ear is None or self._held is not None:
            self._frames.feed(data)
            self._hold()
        elif (text := self._frames.only(data)) is None:
            self._work()
        else:  # nearly always: one text that came alone
            now = self._heard_at = self._loop.time()
            self._asked = False
            try:
                self._ear.told(text)
            except DriverError as error:
                self._end_with(error, websocket.BAD_CONTENT)
                return
            if (wait := self._pace.owed(len(text), now)) > 0:
                self._rest(wait)

    def connection_lost(self, exc: Exception | None) -> None:
        """The end."""
        self._transport = None
        error = _broken(exc)
        if self.greeting is not None:
            self.greeting.fail(error)
            self.greeting = None
        self._end(error)
        if self._gone is not None and not self._gone.done():
            self._gone.set_result(None)

    def pause_writing(self) -> None:
        """No more bytes for now."""
        if self._room is None:
            self._room = self._loop.create_future()

    def resume_writing(self) -> None:
        """More bytes can be taken."""
        self._let_go()

    def _let_go(self) -> None:
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
        self._room = None

    def _hold(self) -> None:
        """Read nothing more; a loop that reads on although it was told is told again."""
        if self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def _flow(self) -> None:
        if self._paused and self._transport is not None and not self._transport.is_closing():
            self._paused = False
            self._transport.resume_reading()

    # --- messages --------------------------------------------------------------------------------

    def _rest(self, seconds: float) -> None:
        """Read nothing for a while: the host is faster than its pace."""
        if self.error is not None:
            return
        self._hold()
        self._held = self._loop.call_later(seconds, self._go_on)

    def _work(self) -> None:
        """Tell of all that is complete, as fast as the pace allows."""
        try:
            while (message := self._frames.next()) is not None:
                now = self._loop.time()
                kind, content = message
                if kind == websocket.TEXT and self._ear is not None:
                    self._heard_at, self._asked = now, False
                    self._ear.told(content)
                else:
                    self._one(kind, content, now)
                if self.error is not None:
                    return
                wait = self._pace.owed(len(content), now)
                if wait > 0:
                    self._rest(wait)
                    return
        except websocket.BadFrame as bad:
            self._end_with(PrinterOffline(BROKE_IT, cause=type(bad).__name__), bad.code)
            return
        except DriverError as error:
            self._end_with(error, websocket.BAD_CONTENT)
            return
        self._flow()

    def _one(self, kind: int, content: bytes, now: float) -> None:
        if kind == websocket.PART:
            return
        self._heard_at, self._asked = now, False
        if kind == websocket.BINARY and self._ear is not None:
            self._ear.told(content)
        elif kind == websocket.PING:
            if self._room is None:  # who does not read our answers gets no more of them
                self._write(websocket.PONG, content)
        elif kind == websocket.CLOSE:
            code, words = websocket.farewell(content)
            why = f"{code} {words[:100]}".strip()
            self._end_with(PrinterOffline(f"the websocket ended ({why})"), websocket.NORMAL)

    def _go_on(self) -> None:
        self._held = None
        self._heard_at = self._loop.time()
        self._work()

    def _ring(self) -> None:
        """Ask a host that says nothing once whether it is there, and then believe that it is not.

        One timer for all: a message only notes its time.
        """
        now, silence = self._loop.time(), self._limits.silence
        due = self._heard_at + silence
        if self._held is not None:
            due = now + silence
        elif now >= due and self._asked:
            self.cut()
            self._end(PrinterOffline(SILENT))
            return
        elif now >= due:
            self._asked, self._heard_at = True, now
            self._write(websocket.PING, b"")
            due = now + silence
        self._timer = self._loop.call_at(due, self._ring)


def _broken(error: Exception | None) -> PrinterOffline:
    cause = "" if error is None else in_words(error)
    return PrinterOffline("the websocket broke", code=BROKEN_OFF.code, cause=cause)


class Greeting:
    """The request for a websocket and its answer; `answered` is done when that is complete."""

    def __init__(self, loop: asyncio.AbstractEventLoop, request: bytes, key: str) -> None:
        self.request = request
        self.answered: asyncio.Future[None] = loop.create_future()
        self._key = key
        self._headers: dict[str, str] = {}
        self._parser = httptools.HttpResponseParser(self)
        self._size = 0

    def feed(self, data: bytes) -> bytes | None:
        """Take a part of the answer; what follows it once it has agreed, None until then."""
        if self.answered.done():
            return None
        self._size += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self.answered.done():  # another answer stood before the one that agrees
                return None
            if not websocket.is_agreed(self._key, self._headers):
                self.fail(HostConfused(OTHER_PROTOCOL))
                return None
            self.answered.set_result(None)
            return data[upgrade.args[0] :]
        except httptools.HttpParserError as error:
            self.fail(HostConfused(NOT_HTTP, TRY_A_BROWSER, code="not_http", cause=in_words(error)))
            return None
        if self._size > HEAD_LIMIT:
            self.fail(HostConfused("the answer's head is too long"))
        return None

    def fail(self, error: DriverError) -> None:
        """There will be no websocket."""
        if not self.answered.done():
            self.answered.set_exception(error)
            self.answered.exception()  # seen: nobody may be waiting for it any more

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        known, said = name.decode("latin-1").lower(), value.decode("latin-1")
        before = self._headers.get(known)
        self._headers[known] = said if before is None else f"{before}, {said}"

    def on_headers_complete(self) -> None:
        """All headers are known."""
        status = self._parser.get_status_code()
        if status < _FINAL:  # the switch itself, or an informational answer before it
            return
        if is_redirect(status):
            self.fail(HostConfused(redirected(status)))
        elif status in _NOT_LET_IN:
            words = f"the host lets nobody in without a valid key ({status})"
            self.fail(AuthRequired(words))
        else:
            self.fail(HostConfused(f"the websocket was refused with {status}"))


async def open_websocket(
    route: WebRoute, target: str, headers: Mapping[str, str], limits: Limits, seconds: float
) -> WebSocket:
    """A websocket for `target`, percent-encoded, below the host's own path, within `seconds`.

    PrinterOffline, AuthRequired, HostConfused. Nothing is read until `listen` is called.
    """
    loop = asyncio.get_running_loop()
    key = websocket.key_of(os.urandom(16))
    request = _request(route, target, {**headers, "Sec-WebSocket-Key": key})
    async with bounded(seconds):
        made = await route.connect(lambda: WebSocket(loop, limits))
        greeting = Greeting(loop, request, key)
        try:
            made.greet(greeting)
            await greeting.answered
        except BaseException:
            made.cut()
            raise
    return made


def _request(route: WebRoute, target: str, headers: Mapping[str, str]) -> bytes:
    """The request's head; ValueError for what would break out of a line of it."""
    path = route.address.path + target
    asked = {
        "Host": route.address.authority,
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        **headers,
    }
    lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in asked.items())]
    if " " in path or not all(line.isprintable() and line.isascii() for line in lines):
        raise ValueError("a request's line and headers must be printable ASCII")
    return "\r\n".join([*lines, "", ""]).encode()
