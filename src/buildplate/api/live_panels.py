"""What live clients see of one printer's panel: where its head is, and what its console says.

Only of printers whose page somebody has open: nobody looks at all of them at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from buildplate.fleet.console import KEPT_LINES

if TYPE_CHECKING:
    from buildplate.api.live_board import Board, Wish

PANEL, CONSOLE = "panel", "console"


class _Panel:
    """The panel of one printer, and in which turn each part of it changed."""

    __slots__ = ("last", "lines", "turn", "view")

    def __init__(self) -> None:
        self.view: Mapping[str, Any] = {}
        self.turn = 0
        self.lines: deque[tuple[int, Mapping[str, Any]]] = deque(maxlen=KEPT_LINES)
        self.last = 0


class Panels:
    """The panels on a board."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._panels: dict[str, _Panel] = {}

    def last_line(self, printer_id: str) -> int:
        """The number of the newest line that is known of a console."""
        panel = self._panels.get(printer_id)
        return 0 if panel is None else panel.last

    def put(self, printer_id: str, view: Mapping[str, Any]) -> None:
        """A printer's panel as it is now."""
        panel = self._panels.setdefault(printer_id, _Panel())
        if panel.view != view:
            panel.view, panel.turn = view, self._board.seq + 1
            self._board.dirty = True

    def say(self, printer_id: str, lines: Sequence[Mapping[str, Any]]) -> None:
        """New lines of a printer's console, each with a number above the last one's."""
        panel = self._panels.setdefault(printer_id, _Panel())
        for line in lines:
            panel.lines.append((self._board.seq + 1, line))
            panel.last = line["seq"]
        self._board.dirty = self._board.dirty or bool(lines)

    def drop(self, printer_id: str) -> None:
        """Nobody has this printer's page open any more."""
        self._panels.pop(printer_id, None)

    def since(self, wish: Wish, after: int | None) -> dict[str, Any]:
        """What a client that has seen turn `after` (None: nothing) lacks of its panel."""
        panel = self._panels.get(wish.printer or "")
        if panel is None:
            return {}
        seen = -1 if after is None else after
        found: dict[str, Any] = {}
        if PANEL in wish.topics and panel.turn > seen:
            found[PANEL] = panel.view
        if CONSOLE in wish.topics:
            lines = [line for turn, line in panel.lines if seen < turn <= self._board.seq]
            if lines or after is None:
                found[CONSOLE] = lines
        return found
