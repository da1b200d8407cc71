"""The evidence channel: OctoPrint's push socket, held without a gap or counted as broken.

Every authenticated stretch of the socket has a random epoch. The journal holds what was heard of
prints in it, bounded; when the bound is passed the epoch ends, because a trimmed record would
prove nothing. An answered ping proves that all the host had sent before has been heard.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import aiohttp
import orjson

from buildplate.drivers.octoprint.answers import (
    JOURNALLED,
    REMOVED,
    Heard,
    number,
    read_console,
    read_event,
    read_marks,
    read_object,
    read_temperatures,
    seconds,
)
from buildplate.drivers.octoprint.client import OctoPrintClient
from buildplate.drivers.sdk import (
    AuthRequired,
    DriverTimings,
    Patience,
    PrinterOffline,
    Push,
    PushKind,
)
from buildplate.drivers.sdk.pace import Pace
from buildplate.drivers.sdk.unreachable import BROKEN_OFF, in_words

BROKEN = "the push socket broke"
JOURNAL_LIMIT, REMOVALS_LIMIT = 1000, 256
MESSAGE_LIMIT = 4 << 20
"""Bytes of one message; the first one after a login carries half an hour of temperatures."""

WATCHED = sorted(
    JOURNALLED
    | {
        REMOVED,
        "Connected",
        "Disconnected",
        "Error",
        "FileDeselected",
        "FileSelected",
        "MetadataStatisticsUpdated",
        "PrintPaused",
        "PrintResumed",
        "PrinterStateChanged",
    }
)
WORTH_SAYING = (
    r"^(Send: (?!(N\d+ )?(G[0-3]|M105)\b)|Recv: (?!ok\b|wait\b| ?T\d?:| ?B:)|(?!Send|Recv))"
)
"""What is asked for of the serial log: moves, plain answers and temperatures are too much."""
SUBSCRIPTION = {
    "state": {"logs": WORTH_SAYING, "messages": False},
    "events": WATCHED,
    "plugins": False,
}
_SAID = (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY)
_TELEMETRY = Push(PushKind.TELEMETRY)


class PushChannel:
    """One push socket from its opening to its end; never reused after it is lost.

    `login` makes a fresh `name:session` for the socket. Only `receive` reads; it must be called
    again and again, and everything else relies on that.
    """

    def __init__(
        self, client: OctoPrintClient, timings: DriverTimings, login: Callable[[], Awaitable[str]]
    ) -> None:
        self._client = client
        self._timings = timings
        self._login = login
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._journal: list[Heard] = []
        self._dropped = 0
        self._removed: deque[str] = deque(maxlen=REMOVALS_LIMIT)
        self._pongs: dict[bytes, asyncio.Event] = {}
        self._levels = asyncio.Event()
        self._greeting = False
        self._told: tuple[Any, ...] = ()
        self._marked: Any = None
        self._pace = Pace(timings.request)
        self._patience = Patience(timings.request)
        self.epoch = ""
        self.seq = 0
        self.marks: frozenset[float] = frozenset()
        self.read_on = False
        self.several_tools = False

    # --- its life --------------------------------------------------------------------------------

    async def open(self) -> None:
        """Connect, log in, subscribe, and wait for the first word on the state.

        PrinterOffline, AuthRequired, HostConfused.
        """
        self._socket = await self._client.websocket(MESSAGE_LIMIT)
        await self._introduce()
        try:
            async with asyncio.timeout(self._timings.request):
                while not self.epoch:
                    await self.receive()
        except TimeoutError:
            raise PrinterOffline("the push socket did not accept the login in time") from None

    async def close(self) -> None:
        """End it; a waiting `receive` raises PrinterOffline."""
        self.epoch = ""
        self._patience.close()
        if self._socket is not None:
            await self._socket.close()

    async def _introduce(self) -> None:
        """Log in and subscribe; the epoch begins with the host's answer to it."""
        self.epoch, self._greeting = "", True
        await self._say({"auth": await self._login()})
        await self._say({"throttle": 2})
        await self._say({"subscribe": SUBSCRIPTION})

    async def _say(self, message: Mapping[str, Any]) -> None:
        if self._socket is None:
            raise PrinterOffline("the push socket is not open")
        try:
            async with asyncio.timeout(self._timings.request):
                await self._socket.send_str(orjson.dumps(message).decode())
        except (aiohttp.ClientError, OSError) as error:
            raise PrinterOffline(BROKEN, code=BROKEN_OFF.code, cause=in_words(error)) from None

    # --- what was heard --------------------------------------------------------------------------

    def heard_since(self, seq: int) -> list[Heard]:
        """What was heard of prints after number `seq` of this epoch."""
        return [one for one in self._journal if one.seq > seq]

    def holds(self, epoch: str, seq: int) -> bool:
        """Whether the socket has been held without a gap since then, nothing of it forgotten."""
        return bool(epoch) and epoch == self.epoch and seq >= self._dropped

    def heard_removed(self, path: str) -> bool:
        """Whether the removal of this stored file was heard in this epoch."""
        return path in self._removed

    def forget(self, seq: int) -> None:
        """Drop the record up to number `seq`, which no baseline reaches back to any more."""
        self._journal = self.heard_since(seq)
        self._dropped = max(self._dropped, seq)

    async def prove(self, *, levels: bool) -> bool:
        """Show that all that was sent before this call has been heard; False when it can't be.

        `levels` also waits for the next word on the state, which carries the markings.
        """
        socket = self._socket
        if socket is None or not self.epoch or not self.read_on:
            return False
        token, answered = secrets.token_bytes(8), asyncio.Event()
        self._pongs[token] = answered
        try:
            async with asyncio.timeout(self._timings.request):
                await socket.ping(token)
                await answered.wait()
                if levels:
                    self._levels.clear()
                    await self._levels.wait()
        except (TimeoutError, aiohttp.ClientError, OSError):
            return False
        finally:
            self._pongs.pop(token, None)
        return bool(self.epoch)

    # --- reading ---------------------------------------------------------------------------------

    async def receive(self) -> Push | None:
        """The next message, noted; what of it is worth telling.

        PrinterOffline when the socket is lost or silent for longer than a request may take,
        AuthRequired and HostConfused when it can't be had. The channel is over then.
        """
        try:
            return await self._receive()
        except BaseException:
            self.epoch = ""
            raise

    async def _receive(self) -> Push | None:
        if self._socket is None:
            raise PrinterOffline("the push socket is not open")
        try:
            with self._patience:
                message = await self._next_text(self._socket)
        except TimeoutError:
            raise PrinterOffline("the push socket fell silent") from None
        return await self._note(read_object(message, "the push socket sent"))

    async def _next_text(self, socket: aiohttp.ClientWebSocketResponse) -> str | bytes:
        while True:
            message = await socket.receive()
            await self._pace.keep(len(message.data) if isinstance(message.data, str | bytes) else 0)
            if message.type in _SAID:
                return message.data  # type: ignore[no-any-return]
            if message.type is aiohttp.WSMsgType.PONG:
                if (answered := self._pongs.get(bytes(message.data))) is not None:
                    answered.set()
            elif message.type is aiohttp.WSMsgType.PING:
                await socket.pong(message.data)
            else:
                raise PrinterOffline(f"the push socket ended ({message.type.name.lower()})")

    async def _note(self, content: Mapping[str, Any]) -> Push | None:
        if "reauthRequired" in content:
            return await self._log_in_again()
        if isinstance(levels := content.get("current"), dict):
            return self._note_levels(levels)
        if isinstance(levels := content.get("history"), dict):
            self._begin_epoch()
            return self._note_levels(levels)
        if isinstance(event := content.get("event"), dict):
            return self._note_event(event)
        return None

    async def _log_in_again(self) -> Push:
        """The host has forgotten us: the record has a gap, so the next one has its own epoch."""
        if self._greeting:
            raise AuthRequired("the push socket refuses the login")
        await self._introduce()
        return Push(PushKind.CHANGED, text="logged in again")

    def _begin_epoch(self) -> None:
        if self._greeting:
            self._greeting = False
            self._new_epoch()

    def _new_epoch(self) -> None:
        self.epoch = secrets.token_hex(8)
        self._journal.clear()
        self._removed.clear()
        self._dropped = self.seq

    def _note_levels(self, levels: Mapping[str, Any]) -> Push:
        marked = levels.get("markings")
        if marked != self._marked:  # comparing them is cheaper than reading them every time
            self._marked = marked
            if (marks := read_marks(levels)) is not None:
                self.marks = marks
        self._levels.set()
        state, job, progress = (_mapping(levels.get(key)) for key in ("state", "job", "progress"))
        text, path = state.get("text"), _mapping(job.get("file")).get("path")
        told = (text, path, self.marks)
        changed, self._told = told != self._told, told
        done = number(progress.get("completion"))
        temperatures = read_temperatures(levels)
        self.several_tools = self.several_tools or "tool1" in temperatures
        return Push(
            PushKind.CHANGED if changed else PushKind.TELEMETRY,
            temperatures=temperatures,
            progress=None if done is None else min(max(done / 100, 0.0), 1.0),
            time_left_s=seconds(progress.get("printTimeLeft")),
            text=text if isinstance(text, str) else "",
            console=read_console(levels),
        )

    def _note_event(self, event: Mapping[str, Any]) -> Push:
        kind, payload = event.get("type"), _mapping(event.get("payload"))
        if not isinstance(kind, str):
            return _TELEMETRY
        if kind in JOURNALLED:
            self.seq += 1
            self._journal.append(read_event(self.seq, self._timings.clock(), kind, payload))
            if len(self._journal) > JOURNAL_LIMIT:
                self._new_epoch()
        elif kind == REMOVED:
            self._removed.append(str(payload.get("path")))
        return Push(PushKind.CHANGED, text=kind[:100])


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
