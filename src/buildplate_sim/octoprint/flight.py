"""A start on its way from the request to the printer."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildplate_sim.gcode import Program
    from buildplate_sim.octoprint.shelf import Stored
    from buildplate_sim.pulse import Timer
    from buildplate_sim.rules import Rule


@dataclass(slots=True, eq=False)
class Flight:
    """A start that was accepted and has not reached the printer yet.

    `told` is the file that is announced in place of the one that runs.
    """

    stored: Stored
    program: Program
    user: str
    foreign: bool
    answer: Callable[[int], None]
    rule: Rule | None = None
    timer: Timer | None = None
    unlinked: bool = False
    instead: str = ""
    answered: bool = False
    told: Stored | None = None

    def accept(self) -> None:
        """Answer 204, unless the request was answered otherwise."""
        self.settle(HTTPStatus.NO_CONTENT)

    def settle(self, status: int) -> None:
        """Answer the request, once."""
        if not self.answered:
            self.answered = True
            self.answer(status)
