"""Describe what a printer has loaded and what a print needs, and tell when two names are one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class LoadedMaterial:
    """What one tool of a printer holds; `remaining_g` is grams, None where nobody counts."""

    tool: int
    type: str
    color: str | None = None
    variant: str | None = None
    remaining_g: float | None = None


@dataclass(frozen=True, slots=True)
class MaterialNeed:
    """What one tool must hold for a print; a field left None accepts anything.

    `grams` is what the print will use; None means the file's own figure counts.
    """

    tool: int
    type: str
    color: str | None = None
    variant: str | None = None
    grams: float | None = None


@lru_cache(maxsize=4096)  # planning compares the same few names a hundred thousand times
def normalised(name: str | None) -> str:
    """Make two spellings of one name equal: case, spaces and a colour's # do not count."""
    if name is None:
        return ""
    return name.strip().removeprefix("#").casefold()
