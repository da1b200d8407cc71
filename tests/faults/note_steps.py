"""The steps of a serial print's note, and its lines, told as they are taken: to die there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from buildplate.drivers.marlin.notes import Notes

STEPS = ("begin", "finishing", "tail", "ended")


def tell_of_notes(tell: Callable[[str], None]) -> None:
    """Tell `before:note.<step>` and `after:note.<step>` of each, and `line:<n>`, in this process.

    On whatever thread takes the step.
    """
    for step in STEPS:
        _wrap(step, tell)
    plain = Notes.accepted

    def accepted(self: Notes, run: int, line: int) -> None:
        plain(self, run, line)
        for number in range(told.get(run, 0) + 1, line + 1):
            tell(f"line:{number}")
        told[run] = line

    told: dict[int, int] = {}
    Notes.accepted = accepted  # type: ignore[method-assign]


def _wrap(step: str, tell: Callable[[str], None]) -> None:
    plain: Callable[..., Any] = getattr(Notes, step)

    def wrapped(*args: Any, **named: Any) -> Any:
        tell(f"before:note.{step}")
        found = plain(*args, **named)
        tell(f"after:note.{step}")
        return found

    setattr(Notes, step, wrapped)
