"""The octoprint.log of a simulated host."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Logbook:
    """Lines in the real one's form, stamped by the host's own clock; survives kills."""

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        self.path = path
        self._clock = clock
        self._file = path.open("a", encoding="utf-8", buffering=1)

    def note(self, logger: str, text: str) -> None:
        """Write a line."""
        stamp = datetime.fromtimestamp(self._clock(), UTC).strftime("%Y-%m-%d %H:%M:%S,%f")[:-3]
        self._file.write(f"{stamp} - {logger} - INFO - {text}\n")

    def close(self) -> None:
        """Write no more."""
        self._file.close()
