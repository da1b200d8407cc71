"""Which printers' pages are open, so that their panels are kept up to date, and no others."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from buildplate.api.controls import line_view
from buildplate.api.live_board import Topic, Wish
from buildplate.api.live_panels import Panels
from buildplate.api.printer_views import panel_view
from buildplate.api.rooms import Rooms

PANEL_EVERY_S = 1.0
"""Where a head is changes all the time; so often it is told."""

OF_A_PAGE = frozenset({Topic.PANEL, Topic.CONSOLE})


class OpenPages:
    """Counts who has a printer's page open, and puts its panel on the board."""

    def __init__(self, rooms: Rooms, panels: Panels) -> None:
        self._rooms = rooms
        self._panels = panels
        self._open: Counter[str] = Counter()
        self._moved: set[str] = set()
        self._spoken: set[str] = set()
        self._due = 0.0

    @property
    def waits(self) -> bool:
        """Whether something is to be told at a next tick."""
        return bool(self._moved or self._spoken)

    @contextmanager
    def following(self, wish: Wish) -> Iterator[None]:
        """Keep the panel that is wished up to date while the block runs, and now."""
        printer_id = wish.printer
        if printer_id is None or not OF_A_PAGE & wish.topics:
            yield
            return
        self._open[printer_id] += 1
        try:
            self._show(printer_id)
            self._listen(printer_id)
            yield
        finally:
            self._open[printer_id] -= 1
            if not self._open[printer_id]:
                del self._open[printer_id]
                self._moved.discard(printer_id)
                self._spoken.discard(printer_id)
                self._panels.drop(printer_id)

    def said(self, printer_id: str) -> bool:
        """A console has spoken; whether anybody listens."""
        if printer_id not in self._open:
            return False
        self._spoken.add(printer_id)
        return True

    def take(self, told: Iterable[str]) -> None:
        """Put on the board what open pages show: levels once a second, lines at every tick."""
        self._moved.update(self._open.keys() & set(told))
        now = asyncio.get_running_loop().time()
        if self._moved and now >= self._due:
            moved, self._moved = self._moved, set()
            self._due = now + PANEL_EVERY_S
            for printer_id in moved:
                self._show(printer_id)
        spoken, self._spoken = self._spoken, set()
        for printer_id in spoken:
            self._listen(printer_id)

    def _show(self, printer_id: str) -> None:
        session = self._rooms.fleet.sessions.get(printer_id)
        if session is not None:
            self._panels.put(printer_id, panel_view(session))

    def _listen(self, printer_id: str) -> None:
        session = self._rooms.fleet.sessions.get(printer_id)
        if session is not None:
            new = session.console.since(self._panels.last_line(printer_id))
            self._panels.say(printer_id, [line_view(one) for one in new])
