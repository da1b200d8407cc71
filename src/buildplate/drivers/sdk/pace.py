"""Slows the reading of a host that floods, so that it costs the others nothing."""

from __future__ import annotations

import asyncio

BURST_MESSAGES, BURST_BYTES = 400, 16 << 20
MESSAGES_PER_WINDOW, BYTES_PER_WINDOW = 1000, 8 << 20
"""What a host may send within one window before it is read more slowly."""


class Pace:
    """Lets so much pass in `window` seconds; whoever reads more is made to wait.

    What may pass is counted up only when it is used up: one burst may follow another at once.
    """

    __slots__ = ("_at", "_bytes", "_messages", "_window")

    def __init__(self, window: float) -> None:
        self._window = window
        self._messages = self._bytes = 0.0
        self._at = float("-inf")

    def owed(self, size: int, now: float) -> float:
        """A message of so many bytes is read at `now` (loop time): the seconds to wait after it."""
        messages = self._messages = self._messages - 1
        left = self._bytes = self._bytes - size
        if messages >= 0 and left >= 0:
            return 0.0
        past, self._at = (now - self._at) / self._window, now
        messages = min(BURST_MESSAGES, messages + 1 + past * MESSAGES_PER_WINDOW) - 1
        left = min(BURST_BYTES, left + size + past * BYTES_PER_WINDOW) - size
        self._messages, self._bytes = messages, left
        if messages >= 0 and left >= 0:
            return 0.0
        return max(-messages / MESSAGES_PER_WINDOW, -left / BYTES_PER_WINDOW) * self._window

    async def keep(self, size: int) -> None:
        """Wait as long as a message of so many bytes has to."""
        seconds = self.owed(size, asyncio.get_running_loop().time())
        if seconds > 0:
            await asyncio.sleep(seconds)
