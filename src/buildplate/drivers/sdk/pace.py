"""Slows the reading of a host that floods, so that it costs the others nothing."""

from __future__ import annotations

import asyncio

BURST_MESSAGES, BURST_BYTES = 400, 16 << 20
MESSAGES_PER_WINDOW, BYTES_PER_WINDOW = 1000, 8 << 20
"""What a host may send within one window before it is read more slowly."""


class Pace:
    """Lets so much pass in `window` seconds; whoever reads more is made to wait."""

    __slots__ = ("_at", "_bytes", "_messages", "_window")

    def __init__(self, window: float) -> None:
        self._window = window
        self._messages = float(BURST_MESSAGES)
        self._bytes = float(BURST_BYTES)
        self._at: float | None = None

    def owed(self, size: int, now: float) -> float:
        """A message of so many bytes is read at `now` (loop time): the seconds to wait after it."""
        past = 0.0 if self._at is None else (now - self._at) / self._window
        self._at = now
        messages = self._messages + past * MESSAGES_PER_WINDOW
        left = self._bytes + past * BYTES_PER_WINDOW
        self._messages = messages = (min(BURST_MESSAGES, messages)) - 1
        self._bytes = left = (min(BURST_BYTES, left)) - size
        if messages >= 0 and left >= 0:
            return 0.0
        return max(-messages / MESSAGES_PER_WINDOW, -left / BYTES_PER_WINDOW) * self._window

    async def keep(self, size: int) -> None:
        """Wait as long as a message of so many bytes has to."""
        seconds = self.owed(size, asyncio.get_running_loop().time())
        if seconds > 0:
            await asyncio.sleep(seconds)
