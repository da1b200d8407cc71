"""What an answered read of a printer says: all that verdicts on prints are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from buildplate.core.printers import Activity


class Run(StrEnum):
    """What our own file is doing on the printer, positively read."""

    NONE = "none"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPING = "stopping"


class Ending(StrEnum):
    """How a run of our file ended, proven by the printer's own record."""

    COMPLETED = "completed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the printer says about one of our files since the intent to start it.

    `began_since` tells whether the run (or ending) began at or after the intent. `silent` is the
    proof that our file never ran: the evidence channel was unbroken from before the intent until
    this read and carried nothing of it. `others_ran` is true unless it is known that no other file
    ran since the intent. `current`: the host's current file is still ours, so no other was printed
    after it. `doubt` names a contradiction that only a person can settle.
    """

    run: Run = Run.NONE
    began_since: bool = True
    ending: Ending | None = None
    reason: str = ""
    doubt: str | None = None
    silent: bool = False
    others_ran: bool = True
    current: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ended(self) -> Ending | None:
        """How our print ended, if that is beyond doubt.

        A doubt weakens a failure: it may say that the file was also completed, and then a new print
        would be one too many. A completion is a completion.
        """
        if not self.began_since or (self.ending is Ending.FAILED and self.doubt is not None):
            return None
        return self.ending


@dataclass(frozen=True, slots=True)
class Reading:
    """One answered read of a printer.

    `begun` is the boot-time clock (s) before the first request of the read was sent, `answered`
    that after its last answer (0: as `begun`). `path` is the
    file the host runs now (None when it runs nothing or does not say). `channel` tells whether the
    evidence channel works now; `baseline` is what an intent made on this reading stores.
    `foreign_ran` is true when another file than ours was seen running since the former reading.
    `fingerprint` (only on a deep read) digests everything the host keeps across a restart.
    `powered` is False where it is known that the machine's power is switched off.
    """

    begun: float
    activity: Activity
    path: str | None = None
    process: str = ""
    channel: bool = False
    baseline: Mapping[str, Any] = field(default_factory=dict)
    foreign_ran: bool = False
    fingerprint: str | None = None
    detail: str = ""
    progress: float | None = None
    time_left_s: float | None = None
    evidence: Evidence | None = None
    answered: float = 0.0
    powered: bool = True

    @property
    def alive_at(self) -> float:
        """When the host was last known to answer (boot-time s): from there a settle time counts."""
        return max(self.begun, self.answered)
