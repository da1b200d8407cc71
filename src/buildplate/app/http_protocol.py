"""The HTTP protocol of the server: a request's head has a size and a time, as its body has.

uvicorn with httptools bounds neither: a client could keep a connection for ever, or fill the
memory, with a head that never ends. Bodies are bounded in api/intake.py.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from buildplate.app.body_protocol import LargeBodyProtocol

HEAD_BYTES = 64 * 1024
HEAD_S = 20.0
LAST_ANSWER = "HTTP/1.1 {}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
TOO_LARGE = LAST_ANSWER.format("431 Request Header Fields Too Large").encode()
TOO_SLOW = LAST_ANSWER.format("408 Request Timeout").encode()


class ServerProtocol(LargeBodyProtocol):
    """For `uvicorn.Config(http=ServerProtocol)`."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Takes a new connection; its first request has to come soon."""
        super().connection_made(transport)
        self._head = 0
        self._in_head = True
        self._begun_midway = False
        self._timer: asyncio.TimerHandle | None = self.loop.call_later(HEAD_S, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        """Lets go of a connection."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Takes what arrived."""
        super().data_received(data)
        if not self._in_head and self._is_idle() and not bytes(data).strip(b"\r\n"):
            # Blank lines before a request (RFC 9112, 2.2) begin none, and end uvicorn's own timer.
            self._in_head, self._head = True, 0
        if self._in_head and not self.transport.is_closing():
            self._head += 0 if self._begun_midway else len(data)
            self._begun_midway = False
            if self._head > HEAD_BYTES:
                self._refuse(TOO_LARGE)
            elif self._timer is None:  # only here: most heads come in one piece, and need none
                self._timer = self.loop.call_later(HEAD_S, self._too_slow)

    def on_message_begin(self) -> None:
        """Takes the first byte of a request."""
        super().on_message_begin()
        self._in_head = True
        self._head = 0
        self._begun_midway = self.cycle is not None  # what came before it is no part of its head

    def on_headers_complete(self) -> None:
        """Takes the end of a request's head."""
        self._in_head = False
        self._stop_timer()
        super().on_headers_complete()

    def _is_idle(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle  # uvicorn's own type forgets the None
        return cycle is None or cycle.response_complete

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self._timer = None
        self._refuse(TOO_SLOW)

    def _refuse(self, answer: bytes) -> None:
        """Answer by hand: there is no request yet that the application could answer.

        While the answer to an earlier request is under way, nothing is written between its parts.
        """
        if not self.transport.is_closing():
            if self._is_idle():
                self.transport.write(answer)
            self.transport.close()
