"""What a printer's host answered to one request: three honest words, never a boolean."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Accepted:
    """The host took the request."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The host positively said that it did not and will not do it. `code` is the driver's own."""

    code: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody knows: time-out, 5xx, a lost connection. It may still happen, even much later."""

    detail: str = ""


Answer = Accepted | Refused | Unknown


class Deleted(StrEnum):
    """What came of deleting a file on the printer. Success is never evidence on a print."""

    GONE = "gone"
    IN_USE = "in_use"
    UNKNOWN = "unknown"
