"""What the use cases of dispatch work with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from buildplate.core.print_table import ACTIVE
from buildplate.dispatch.model import PrintRecord
from buildplate.dispatch.planner import Planner
from buildplate.dispatch.steward import Steward
from buildplate.dispatch.transitions import Stamp
from buildplate.fleet.commands import CommandService
from buildplate.fleet.ports import Clock
from buildplate.fleet.service import FleetService
from buildplate.storage import Storage


@dataclass(frozen=True, slots=True)
class DispatchParts:
    """What dispatch works with."""

    storage: Storage
    fleet: FleetService
    commands: CommandService
    steward: Steward
    planner: Planner
    clock: Clock
    new_id: Callable[[], str]
    log: Any

    def stamp(self, ids: int = 1) -> Stamp:
        """The time and as many fresh ids as a script needs."""
        return Stamp(self.clock.now(), tuple(self.new_id() for _ in range(ids)))

    def tell(self, print_: PrintRecord) -> None:
        """Have the printer's session read the changed print again."""
        self.planner.wake()
        session = self.fleet.sessions.get(print_.printer_id or "")
        if session is not None and print_.state in ACTIVE:
            self.steward.changed(session.id)
            session.nudge()
