"""Hands the application large bodies in large pieces, without copying them on the way.

uvicorn wakes the application for whatever the network delivered, after two copies into fresh
memory. An upload of hundreds of megabytes arrives in tens of thousands of such deliveries, and
what happens for each of them, up through every layer, costs more processor time than storing the
file (measured; bench/results.md, U1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    import asyncio

    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

ENOUGH = 1 << 19
"""Bytes that wake the application at once, and pause reading until it has taken them."""
PATIENCE_S = 0.005
"""Seconds after which it is woken with less: far less than a person or a disk would notice."""


class LargeBodyProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol for `uvicorn.Config(http=LargeBodyProtocol)`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._arrived: list[bytes] = []
        self._arrived_size = 0
        self._waking: asyncio.TimerHandle | None = None

    def on_body(self, body: bytes) -> None:
        """Takes a piece of a body."""
        if self.cycle.response_complete:
            return
        self._arrived.append(body)
        self._arrived_size += len(body)
        if self._arrived_size >= ENOUGH:
            self.flow.pause_reading()
            self._hand_over(self.cycle)
        elif self._waking is None:
            self._waking = self.loop.call_later(PATIENCE_S, self._hand_over, self.cycle)

    def on_message_complete(self) -> None:
        """Takes the end of a body."""
        self._hand_over(self.cycle)
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Takes the end of the connection."""
        if self._waking is not None:
            self._waking.cancel()
        super().connection_lost(exc)

    def _hand_over(self, cycle: RequestResponseCycle) -> None:
        """Gives the application what arrived since it last came for it."""
        if self._waking is not None:
            self._waking.cancel()
            self._waking = None
        arrived, self._arrived, self._arrived_size = self._arrived, [], 0
        if arrived:
            if cycle.body:
                arrived.insert(0, bytes(cycle.body))
            # bytes where uvicorn keeps a bytearray: all it does next is bytes(body), free for bytes.
            cycle.body = arrived[0] if len(arrived) == 1 else b"".join(arrived)  # type: ignore[assignment]
            cycle.message_event.set()
