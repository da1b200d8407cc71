"""A start on its way from the request to the printer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from buildplate_sim.gcode import Program
    from buildplate_sim.octoprint.shelf import Stored
    from buildplate_sim.pulse import Timer
    from buildplate_sim.rules import Rule


@dataclass(slots=True, eq=False)
class Flight:
    """A start that was accepted and has not reached the printer yet."""

    stored: Stored
    program: Program
    user: str
    foreign: bool
    rule: Rule | None = None
    timer: Timer | None = None
    unlinked: bool = False
    instead: str = ""
