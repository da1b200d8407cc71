"""One line of the table of measurements."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """A figure with its unit, and the goal it is held against; `met` is None for a mere fact."""

    what: str
    value: float
    unit: str
    goal: str = ""
    met: bool | None = None

    @property
    def verdict(self) -> str:
        """The word in the table's last column."""
        return {True: "met", False: "MISSED", None: ""}[self.met]
