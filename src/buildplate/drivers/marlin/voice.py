"""What a line tells the event loop: the newest levels, some console lines, and that things change.

The streaming thread speaks, the loop listens. Nothing here grows without bound, however slowly the
loop listens, and the thread never waits for it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from contextlib import suppress

from buildplate.drivers.sdk import (
    ConsoleLine,
    DriverError,
    Levels,
    Push,
    PushKind,
    Speaker,
    Temperature,
)

KEPT_LINES = 200
LONGEST_LINE = 300


class Voice:
    """From one thread to one listener in the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._spoken = asyncio.Event()
        self._waking = False
        self._temperatures: dict[str, Temperature] = {}
        self._lines: deque[ConsoleLine] = deque(maxlen=KEPT_LINES)
        self._levels: Levels | None = None
        self._progress: float | None = None
        self._left: float | None = None
        self._text = ""
        self._changed = False
        self._error: DriverError | None = None

    # --- the thread's side

    def temperatures(self, found: Mapping[str, Temperature]) -> None:
        """New readings."""
        self._temperatures = {**self._temperatures, **found}
        self._wake()

    def levels(self, levels: Levels) -> None:
        """New levels."""
        self._levels = levels
        self._wake()

    def progress(self, share: float, left_s: float | None) -> None:
        """How far the print is, and how long it takes from here by the slicer's word."""
        self._progress, self._left = share, left_s

    def line(self, text: str, *, sent: bool = False, error: bool = False) -> None:
        """One line that passed."""
        speaker = Speaker.SENT if sent else Speaker.PRINTER
        self._lines.append(ConsoleLine(text[:LONGEST_LINE], speaker, error))
        self._wake()

    def changed(self, text: str = "") -> None:
        """Something happened that a fresh read tells of."""
        self._changed = True
        self._text = text or self._text
        self._wake()

    def ended(self, error: DriverError) -> None:
        """The link is over."""
        self._error = error
        self._wake()

    def _wake(self) -> None:
        if not self._waking:
            self._waking = True
            with suppress(RuntimeError):  # the loop is closed: nobody listens any more
                self._loop.call_soon_threadsafe(self._spoken.set)

    # --- the loop's side

    async def push(self) -> Push:
        """What was told since the last push; the line's DriverError once it has ended."""
        await self._spoken.wait()
        self._spoken.clear()
        self._waking = False
        lines = []
        while self._lines:
            lines.append(self._lines.popleft())
        changed, self._changed = self._changed, False
        levels, self._levels = self._levels, None
        if self._error is not None and not (changed or lines or self._told):
            self._spoken.set()
            raise self._error
        if self._error is not None:
            self._spoken.set()
        told, self._temperatures = self._temperatures, {}
        text, self._text = self._text, ""
        return Push(
            kind=PushKind.CHANGED if changed else PushKind.TELEMETRY,
            temperatures=told,
            progress=self._progress,
            time_left_s=self._left,
            text=text,
            levels=levels,
            console=tuple(lines),
        )

    @property
    def _told(self) -> bool:
        return bool(self._temperatures)
