"""Slows the reading of a host that floods, so that it costs the others nothing."""

from __future__ import annotations

import asyncio

BURST_MESSAGES, BURST_BYTES = 400, 16 << 20
MESSAGES_PER_WINDOW, BYTES_PER_WINDOW = 1000, 8 << 20
"""What a host may send within one window before it is read more slowly."""


class Pace:
    """Lets so much pass in `window` seconds; whoever reads more is made to wait."""

    def __init__(self, window: float) -> None:
        self._window = window
        self._messages = float(BURST_MESSAGES)
        self._bytes = float(BURST_BYTES)
        self._at: float | None = None

    async def keep(self, size: int) -> None:
        """Wait as long as a message of so many bytes has to."""
        now = asyncio.get_running_loop().time()
        past = 0.0 if self._at is None else (now - self._at) / self._window
        self._at = now
        self._messages = min(BURST_MESSAGES, self._messages + past * MESSAGES_PER_WINDOW) - 1
        self._bytes = min(BURST_BYTES, self._bytes + past * BYTES_PER_WINDOW) - size
        debt = max(-self._messages / MESSAGES_PER_WINDOW, -self._bytes / BYTES_PER_WINDOW)
        if debt > 0:
            await asyncio.sleep(debt * self._window)
