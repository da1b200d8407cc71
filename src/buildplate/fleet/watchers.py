"""Who is told that something about a printer may have changed, for as long as they ask."""

from __future__ import annotations

from collections.abc import Callable

Watcher = Callable[[str], None]


class Watchers:
    """Tells every watcher the id of a printer; they must not block, and look for themselves.

    A printer at work tells its levels (temperatures, progress) all the time and its state rarely,
    so a watcher may name what it does where nothing but levels can have changed.
    """

    def __init__(self) -> None:
        self._watchers: tuple[tuple[Watcher, Watcher], ...] = ()
        self._listeners: tuple[Watcher, ...] = ()

    def add(self, watcher: Watcher, levels: Watcher | None = None) -> None:
        """Tell this one from now on; of levels `levels` is told, where there is one, instead."""
        self._watchers = (*self._watchers, (watcher, levels or watcher))

    def discard(self, watcher: Watcher) -> None:
        """Tell this one no more."""
        self._watchers = tuple(both for both in self._watchers if both[0] != watcher)

    def tell(self, printer_id: str) -> None:
        """Anything about this printer may have changed."""
        for watcher, _ in self._watchers:
            watcher(printer_id)

    def tell_levels(self, printer_id: str) -> None:
        """The levels of this printer may have changed, and nothing else has."""
        for _, watcher in self._watchers:
            watcher(printer_id)

    def listen(self, listener: Watcher) -> None:
        """Tell this one of lines of printers' consoles from now on."""
        self._listeners = (*self._listeners, listener)

    def ignore(self, listener: Watcher) -> None:
        """Tell this one of no more lines."""
        self._listeners = tuple(one for one in self._listeners if one != listener)

    def tell_console(self, printer_id: str) -> None:
        """This printer's console has said something."""
        for listener in self._listeners:
            listener(printer_id)
