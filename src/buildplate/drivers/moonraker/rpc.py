"""JSON-RPC 2.0 with one Moonraker over one websocket: every call goes out once, in its own time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from buildplate.drivers.sdk import (
    AuthRequired,
    DriverError,
    DriverTimings,
    HostConfused,
)
from buildplate.drivers.sdk.unreachable import no_answer
from buildplate.drivers.sdk.websocket import WebSocket

MESSAGE_LIMIT = 16 << 20
"""Bytes of one message: the list of a folder with ten thousands of files fits."""

LATE_LIMIT = 64
"""Calls that nobody waits for any more, whose answers are still listened for."""

BAD_PARAMS, NO_METHOD = -32602, -32601
REFUSED, FORBIDDEN, NOT_FOUND, UNAVAILABLE = 400, 403, 404, 503
WORDS_LIMIT = 500

_NOT_LET_IN = ("Unauthorized", "Invalid API Key")
_LOAD = b'{"jsonrpc":"2.0","method":"notify_proc_stat_update"'
"""How a message begins that comes every second and tells nothing of the printer."""

Notice = Callable[[str, list[Any]], None]

LOST, LOAD = "", "notify_proc_stat_update"
"""What `heard` is told when the websocket is lost, and of the host's load, which is not read."""


class Said(Exception):
    """The host answered a call with an error: its code and its own words."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(f"{code}: {words}")
        self.code = code
        self.words = words

    def as_error(self) -> DriverError:
        """The same for whoever only wanted to read."""
        if self.unauthorized:
            return AuthRequired("the host refuses the API key", code="key_refused")
        return HostConfused(f"the host answered {self.code}: {self.words}")

    @property
    def unauthorized(self) -> bool:
        """Whether it is our key that the host does not accept."""
        return self.code == 401 or (  # noqa: PLR2004 (RFC 9110)
            self.code == BAD_PARAMS and self.words.startswith(_NOT_LET_IN)
        )


class Rpc:
    """One websocket and its calls. `heard` gets every notification, at once and in order."""

    __slots__ = ("_heard", "_late", "_number", "_socket", "_timings", "_waiting", "lost")

    def __init__(self, socket: WebSocket, timings: DriverTimings, heard: Notice) -> None:
        self._socket = socket
        self._timings = timings
        self._heard = heard
        self._number = 0
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._late: dict[int, Callable[[], None]] = {}
        self.lost: DriverError | None = None

    def begin(self) -> None:
        """Read from now on, until the socket is lost or closed."""
        self._socket.listen(self)

    async def close(self) -> None:
        """End it; whoever waits gets PrinterOffline."""
        await self._socket.close(self._timings.request / 10)

    # --- calls -----------------------------------------------------------------------------------

    async def call(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        seconds: float | None = None,
        late: Callable[[], None] | None = None,
    ) -> Any:
        """Call a method once; its result. Said, PrinterOffline, HostConfused.

        `seconds`: what the answer may take, else one request's time. `late` is told of a result
        that comes after that.
        """
        limit = self._timings.request if seconds is None else seconds
        number = self._number = self._number + 1
        if self.lost is not None:
            raise self.lost
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(limit):
                await self._send(number, method, params)
                return await answer
        except TimeoutError:
            raise no_answer(limit) from None
        finally:
            self._waiting.pop(number, None)
            unheard = answer.cancelled() or not answer.done()
            if late is not None and unheard and len(self._late) < LATE_LIMIT:
                self._late[number] = late

    async def read(
        self, method: str, params: Mapping[str, Any] | None = None, *, seconds: float | None = None
    ) -> Any:
        """Call a method that only reads; a refusal is AuthRequired or HostConfused."""
        try:
            return await self.call(method, params, seconds=seconds)
        except Said as said:
            raise said.as_error() from None

    async def _send(self, number: int, method: str, params: Mapping[str, Any] | None) -> None:
        request: dict[str, Any] = {"jsonrpc": "2.0", "method": method}
        request |= {} if params is None else {"params": dict(params)}
        await self._socket.send(orjson.dumps(request | {"id": number}))

    # --- reading ---------------------------------------------------------------------------------

    def ended(self, error: DriverError) -> None:
        """Note why it is over, and tell everybody who waits."""
        self.lost = error
        self._heard(LOST, [])
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(error)
                answer.exception()  # seen: nobody may be waiting for it any more
        self._late.clear()

    def told(self, message: bytes) -> None:
        """Take one message; HostConfused where it is no JSON."""
        if message.startswith(_LOAD):
            self._heard(LOAD, [])
            return
        said = read_message(message)
        if (method := said.get("method", said)) is not said:
            params = said.get("params", [])
            if type(method) is str and type(params) is list:
                self._heard(method, params)
            return
        number = said.get("id")
        if type(number) is int:
            self._answered(number, said)

    def _answered(self, number: int, said: Mapping[str, Any]) -> None:
        late = self._late.pop(number, None)
        if late is not None and "result" in said:
            late()
        answer = self._waiting.get(number)
        if answer is None or answer.done():
            return
        error = said.get("error")
        if "result" in said:
            answer.set_result(said["result"])
        elif isinstance(error, dict) and type(code := error.get("code")) is int:
            answer.set_exception(Said(code, str(error.get("message", ""))[:WORDS_LIMIT]))
        else:
            answer.set_exception(HostConfused("the host's answer holds neither result nor error"))


_NUL = (b"\\u0000", b"\\ufffd")


def read_message(message: bytes) -> dict[str, Any]:
    """One message as a JSON object; HostConfused when it is none.

    A U+0000 in it, as a noisy line leaves one in a firmware's words, becomes U+FFFD: not every
    database keeps one.
    """
    try:
        said = orjson.loads(message.replace(*_NUL))
    except orjson.JSONDecodeError:
        raise HostConfused("the host sent something on its websocket that is no JSON") from None
    if not isinstance(said, dict):
        raise HostConfused("the host sent JSON of another shape on its websocket")
    return said
