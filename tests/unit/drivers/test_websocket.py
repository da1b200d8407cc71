"""One websocket from its greeting to its end, on a wire and a clock that the test holds."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from itertools import count
from typing import Any, cast

import pytest

from buildplate.drivers.sdk import AuthRequired, DriverError, HostConfused, PrinterOffline
from buildplate.drivers.sdk.pace import BURST_MESSAGES
from buildplate.drivers.sdk.websocket import Greeting, Limits, WebSocket
from buildplate.protocols.websocket import CLOSE, PING, PONG, TEXT, key_of
from buildplate_sim.websocket import accept_key, frame, unmask

LIMITS = Limits(message=1000, silence=5.0, window=10.0)
NO_WORD = "there is no such word"
KEY = key_of(bytes(16))
AGREED = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: " + accept_key(KEY) + b"\r\n\r\n"
)


class Clock:
    """A loop as far as a websocket asks one: its time passes when told."""

    def __init__(self) -> None:
        self.now = 100.0
        self._timers: list[tuple[float, int, Any]] = []
        self._order = count()

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, call: Callable[..., None], *args: Any) -> Any:
        handle = Timer(call, args)
        heapq.heappush(self._timers, (when, next(self._order), handle))
        return handle

    def call_later(self, delay: float, call: Callable[..., None], *args: Any) -> Any:
        return self.call_at(self.now + delay, call, *args)

    def create_future(self) -> asyncio.Future[None]:
        return asyncio.get_running_loop().create_future()

    def passes(self, seconds: float) -> None:
        until = self.now + seconds
        while self._timers and self._timers[0][0] <= until:
            self.now, _, handle = heapq.heappop(self._timers)
            handle.run()
        self.now = until

    @property
    def pending(self) -> int:
        return sum(not handle.off for _, _, handle in self._timers)


class Timer:
    def __init__(self, call: Callable[..., None], args: tuple[Any, ...]) -> None:
        self._call, self._args, self.off = call, args, False

    def cancel(self) -> None:
        self.off = True

    def run(self) -> None:
        if not self.off:
            self._call(*self._args)


class Wire:
    """The transport's side: what was written, and whether anybody reads."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.reading, self.closing, self.aborted = True, False, False

    def write(self, data: bytes) -> None:
        self.sent.append(data)

    def is_closing(self) -> bool:
        return self.closing

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def close(self) -> None:
        self.closing = True

    def abort(self) -> None:
        self.closing = self.aborted = True

    def frames(self) -> list[tuple[int, bytes]]:
        """What was sent as frames, all of them short."""
        return [(one[0] & 15, unmask(one[6:], one[2:6])) for one in self.sent]


class Heard:
    """Who listens."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.ends: list[DriverError] = []
        self.refuses = b""

    def told(self, message: bytes) -> None:
        if message == self.refuses:
            raise HostConfused(NO_WORD)
        self.messages.append(message)

    def ended(self, error: DriverError) -> None:
        self.ends.append(error)


class Line:
    """A websocket that has been agreed to."""

    def __init__(self, after: bytes = b"", *, listens: bool = True) -> None:
        self.clock, self.wire, self.heard = Clock(), Wire(), Heard()
        self.socket = WebSocket(cast("Any", self.clock), LIMITS)
        self.socket.connection_made(cast("Any", self.wire))
        self.socket.greet(greeting := greets())
        self.socket.data_received(AGREED + after)
        assert greeting.answered.done()
        self.wire.sent.clear()
        if listens:
            self.socket.listen(self.heard)


def greets() -> Greeting:
    return Greeting(asyncio.get_running_loop(), b"GET / HTTP/1.1\r\n\r\n", KEY)


async def test_what_comes_with_the_greeting_waits_for_whoever_listens() -> None:
    line = Line(frame(b"first"), listens=False)
    assert not line.wire.reading
    line.socket.data_received(frame(b"second"))
    line.socket.listen(line.heard)
    assert line.heard.messages == [b"first", b"second"]
    assert line.wire.reading


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        ("HTTP/1.1 302 Found\r\nLocation: http://x/\r\n\r\n", HostConfused, "redirects"),
        ("HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", AuthRequired, "valid key"),
        ("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", HostConfused, "with 500"),
        ("SSH-2.0-OpenSSH_9.2\r\n", HostConfused, "does not speak HTTP"),
        (AGREED.decode().replace("Accept: ", "Accept: x"), HostConfused, "something else"),
        ("HTTP/1.1 200 OK\r\nX: " + "y" * 70_000, HostConfused, "head is too long"),
    ],
)
async def test_a_greeting_without_a_websocket_says_why(
    answer: str, kind: type[DriverError], words: str
) -> None:
    socket, greeting = WebSocket(asyncio.get_running_loop(), LIMITS), greets()
    socket.connection_made(cast("Any", Wire()))
    socket.greet(greeting)
    for piece in (answer[:7], answer[7:]):
        socket.data_received(piece.encode())
    with pytest.raises(kind, match=words):
        await greeting.answered


async def test_an_agreement_behind_a_refusal_is_none() -> None:
    greeting = greets()
    refused = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"
    assert greeting.feed(refused + AGREED) is None
    with pytest.raises(AuthRequired):
        await greeting.answered


async def test_a_host_that_hangs_up_in_the_greeting_is_offline() -> None:
    socket, greeting = WebSocket(asyncio.get_running_loop(), LIMITS), greets()
    socket.connection_made(cast("Any", Wire()))
    socket.greet(greeting)
    socket.data_received(AGREED[:20])
    socket.connection_lost(None)
    with pytest.raises(PrinterOffline):
        await greeting.answered


async def test_a_ping_amid_fragments_is_answered_at_once() -> None:
    line = Line()
    line.socket.data_received(bytes((0x01, 2)) + b"he" + frame(b"now", PING))
    assert line.wire.frames() == [(PONG, b"now")]
    assert line.heard.messages == []
    line.socket.data_received(bytes((0x80, 3)) + b"llo")
    assert line.heard.messages == [b"hello"]


async def test_silence_is_asked_about_once_and_then_believed() -> None:
    line = Line()
    line.clock.passes(4)
    line.socket.data_received(frame(b"still here"))
    line.clock.passes(4.9)
    assert line.wire.sent == []
    line.clock.passes(0.2)
    assert line.wire.frames() == [(PING, b"")]
    line.socket.data_received(frame(b"", PONG))
    line.clock.passes(6)
    assert line.wire.frames() == [(PING, b"")] * 2
    line.clock.passes(4.9)
    assert [str(end) for end in line.heard.ends] == ["the websocket fell silent"]
    assert line.wire.aborted
    assert line.clock.pending == 0


async def test_a_message_that_never_ends_is_silence() -> None:
    line = Line()
    for _ in range(12):
        line.socket.data_received(bytes((0x01 if line.clock.now == 100 else 0x00, 1)) + b"x")
        line.clock.passes(1)
    assert line.heard.ends


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_flood_is_read_at_the_pace_and_in_order(*, at_once: bool) -> None:
    line = Line()
    frames = [frame(b"%d" % number) for number in range(1000)]
    for piece in [b"".join(frames)] if at_once else frames:
        line.socket.data_received(piece)
    assert len(line.heard.messages) == BURST_MESSAGES + 1
    assert not line.wire.reading
    line.socket.data_received(frame(b"last"))  # a loop may read on
    line.clock.passes(3)
    assert 600 < len(line.heard.messages) < 750
    line.clock.passes(4)
    assert line.heard.messages == [b"%d" % number for number in range(1000)] + [b"last"]
    assert line.wire.reading


@pytest.mark.parametrize(
    ("wire", "code"), [(b"\xc1\x00", 1002), (frame(b"x" * 1001), 1009), (frame(b"no"), 1007)]
)
async def test_what_cannot_be_taken_ends_it_with_its_code(wire: bytes, code: int) -> None:
    line = Line()
    line.heard.refuses = b"no"
    line.socket.data_received(frame(b"good") + wire + frame(b"after it"))
    assert line.heard.messages == [b"good"]
    assert len(line.heard.ends) == 1
    assert line.wire.frames() == [(CLOSE, code.to_bytes(2, "big"))]
    assert line.wire.closing
    line.socket.data_received(frame(b"more"))
    line.socket.connection_lost(None)
    assert line.heard.messages == [b"good"]
    assert len(line.heard.ends) == 1
    with pytest.raises(DriverError):
        await line.socket.send(b"x")


async def test_a_farewell_of_the_host_is_answered_and_ends_it() -> None:
    line = Line()
    line.socket.data_received(frame(b"\x03\xe9going", CLOSE))
    assert line.wire.frames() == [(CLOSE, b"\x03\xe8")]
    assert str(line.heard.ends[0]) == "the websocket ended (1001 going)"


async def test_a_broken_connection_ends_it_with_its_cause() -> None:
    line = Line()
    line.socket.connection_lost(ConnectionResetError(104, "reset"))
    assert isinstance(line.heard.ends[0], PrinterOffline)
    assert "reset" in line.heard.ends[0].cause
    assert line.clock.pending == 0


async def test_sending_waits_for_room_and_ends_with_the_socket() -> None:
    line = Line()
    await line.socket.send(b"free")
    line.socket.pause_writing()
    async with asyncio.TaskGroup() as tasks:
        waits = tasks.create_task(_refused(line.socket))
        await asyncio.sleep(0)
        assert not waits.done()
        assert line.wire.frames() == [(TEXT, b"free"), (TEXT, b"held")]
        line.socket.data_received(frame(b"", PING) * 50)
        assert len(line.wire.sent) == 2, "who does not read gets no pongs heaped up"
        line.socket.connection_lost(None)


async def _refused(socket: WebSocket) -> None:
    with pytest.raises(PrinterOffline):
        await socket.send(b"held")


async def test_closing_says_farewell_and_waits_a_while() -> None:
    line = Line()
    await line.socket.close(0.01)
    assert line.wire.frames() == [(CLOSE, b"\x03\xe8")]
    assert line.wire.aborted
    line.socket.connection_lost(None)
    await line.socket.close(5)
    assert len(line.heard.ends) == 1
