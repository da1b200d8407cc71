"""What arrives of a request's body: bounded in size and time, and its end known."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

from starlette.types import Message, Receive, Scope

from buildplate.api.problems import Refusal
from buildplate.api.rooms import Limits

UPLOADS = frozenset({("POST", "/api/v1/files")})
APPENDED = "/api/v1/uploads/"
LINGER_BYTES = 4_000_000
LINGER_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one body may be: bytes, seconds for all of it, seconds between two pieces."""

    size: int | None
    whole: float | None
    idle: float


def allowance(scope: Scope, limits: Limits) -> Allowance:
    """The allowance of a request: uploads are bounded by the file room, as they stream."""
    method, path = scope["method"], scope["path"]
    if (method, path) in UPLOADS or (method == "PATCH" and path.startswith(APPENDED)):
        return Allowance(None, None, limits.idle)
    return Allowance(limits.body, limits.body_time, limits.body_time)


class Intake:
    """Wraps a request's `receive`; raises Refusal where the body is too large or too slow."""

    def __init__(self, scope: Scope, receive: Receive, allowed: Allowance) -> None:
        self._receive = receive
        self._allowed = allowed
        self._size = 0
        self._deadline: float | None = None
        self._alarm = _Alarm()
        self.complete = not _has_body(scope)

    async def __call__(self) -> Message:
        """The next message of the body."""
        if self.complete:
            return await self._receive()
        try:
            message = await self._alarm.wait(self._receive(), self._until())
        except TimeoutError:
            detail = "the body stopped arriving"
            hint = "Send it again over a faster or steadier connection."
            raise Refusal(408, "body_too_slow", detail, hint) from None
        self._note(message)
        return message

    async def drain(self) -> bool:
        """Take the rest of the body, if it is short and quick; whether it has ended.

        A client that is still sending would not see an answer sent right before the connection
        is closed.
        """
        taken = 0
        try:
            async with asyncio.timeout(LINGER_SECONDS):
                while not self.complete and taken < LINGER_BYTES:
                    message = await self._receive()
                    taken += len(message.get("body", b""))
                    self.complete = not message.get("more_body", False)
        except TimeoutError:
            return False
        return self.complete

    def _until(self) -> float:
        """When the next piece has to be here, in the loop's time; never earlier than before."""
        now = asyncio.get_running_loop().time()
        if self._allowed.whole is None:
            return now + self._allowed.idle
        if self._deadline is None:
            self._deadline = now + self._allowed.whole
        return self._deadline

    def _note(self, message: Message) -> None:
        if message["type"] != "http.request":
            self.complete = True
            return
        self._size += len(message.get("body", b""))
        self.complete = not message.get("more_body", False)
        if self._allowed.size is not None and self._size > self._allowed.size:
            detail = f"the body is larger than {self._allowed.size} bytes"
            hint = "Send less, or upload files to /api/v1/files."
            raise Refusal(413, "body_too_large", detail, hint)


class _Alarm:
    """Ends waits at deadlines that only ever move on, with one timer for all of them.

    asyncio.timeout makes and drops a timer for each wait; in an upload that is half of what
    handing on a piece costs (measured: 36 µs of 70).
    """

    def __init__(self) -> None:
        self._ends: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._waiting: asyncio.Task[Any] | None = None
        self._rang = False

    async def wait(self, what: Awaitable[Message], until: float) -> Message:
        """Waits for it in the current task; TimeoutError at the loop's time `until`."""
        task = self._waiting = asyncio.current_task()
        assert task is not None  # noqa: S101 (a coroutine runs in a task)
        cancelled_before = task.cancelling()
        self._ends, self._rang = until, False
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_at(until, self._ring)
        try:
            return await what
        except asyncio.CancelledError:
            if self._rang and task.uncancel() <= cancelled_before:
                raise TimeoutError from None
            raise
        finally:
            self._ends = self._waiting = None

    def _ring(self) -> None:
        self._timer = None
        if self._ends is None or self._waiting is None:
            return  # nobody waits; the next wait sets a timer again
        loop = asyncio.get_running_loop()
        if loop.time() < self._ends:
            self._timer = loop.call_at(self._ends, self._ring)
        else:
            self._rang = True
            self._waiting.cancel()


def _has_body(scope: Scope) -> bool:
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value.strip() != b"0")
        for name, value in scope["headers"]
    )
