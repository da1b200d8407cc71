"""Who is told that something about a printer may have changed, for as long as they ask."""

from __future__ import annotations

from collections.abc import Callable

Watcher = Callable[[str], None]


class Watchers:
    """Tells every watcher the id of a printer; they must not block, and look for themselves."""

    def __init__(self) -> None:
        self._watchers: tuple[Watcher, ...] = ()

    def add(self, watcher: Watcher) -> None:
        """Tell this one from now on."""
        self._watchers = (*self._watchers, watcher)

    def discard(self, watcher: Watcher) -> None:
        """Tell this one no more."""
        self._watchers = tuple(one for one in self._watchers if one != watcher)

    def tell(self, printer_id: str) -> None:
        """Something about this printer may have changed."""
        for watcher in self._watchers:
            watcher(printer_id)
