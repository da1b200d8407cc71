"""Builds the situations that `next_action` is asked about, each naming only what matters in it."""

from __future__ import annotations

from dataclasses import dataclass, field

from buildplate.core.actions import Action
from buildplate.core.deeds import Deeds
from buildplate.core.evidence import Ending, Evidence, Reading, Run
from buildplate.core.print_table import PrintState
from buildplate.core.printers import Activity, Bed, Link
from buildplate.core.prints import (
    Ask,
    Decision,
    ExitWish,
    PrintFacts,
    Seen,
    Timings,
    Wants,
    Word,
    next_action,
)

NOW = 1000.0
TIMINGS = Timings(settle=5.0, patience=60.0, resend=20.0, upload_pause=2.0, upload_tries=3)


def reading(
    activity: Activity = Activity.IDLE,
    *,
    begun: float = NOW,
    channel: bool = True,
    foreign_ran: bool = False,
    **evidence: object,
) -> Reading:
    """An answered read; the other arguments are the Evidence on our file."""
    return Reading(
        begun=begun,
        activity=activity,
        channel=channel,
        foreign_ran=foreign_ran,
        evidence=Evidence(**evidence),  # type: ignore[arg-type]
    )


IDLE = reading()
SILENT = reading(silent=True, others_ran=False)
RUNS = reading(Activity.OURS, run=Run.RUNNING)
PAUSED = reading(Activity.OURS, run=Run.PAUSED)
STOPPING = reading(Activity.OURS, run=Run.STOPPING)
LEFTOVER_RUNS = reading(Activity.OURS, run=Run.RUNNING, began_since=False)
FOREIGN = reading(Activity.FOREIGN)
HALTED = reading(Activity.HALTED)
DONE = reading(ending=Ending.COMPLETED)
FAILED = reading(ending=Ending.FAILED)
DOUBTFUL_FAILURE = reading(ending=Ending.FAILED, doubt="it may have been completed before")
DOUBTFUL = reading(doubt="a completion without a print time")


@dataclass(frozen=True, slots=True)
class Moment:
    """One call of `next_action`; by default the printer is online, idle and silent."""

    state: PrintState
    look: Reading | None = SILENT
    exit: ExitWish | None = None
    cancel: bool = False
    word: Word | None = None
    ask: Ask | None = None
    barrier: bool = False
    link: Link = Link.ONLINE
    bed: Bed = Bed.CLEAR
    unsettled: bool = False
    may_intend: bool = True
    deeds: Deeds = field(default_factory=Deeds)
    now: float = NOW

    def decide(self) -> Decision:
        """What the real function answers."""
        wants = Wants(self.cancel, self.word, self.ask, TIMINGS, self.barrier)
        seen = Seen(self.link, self.look, self.bed, self.unsettled, self.may_intend)
        return next_action(PrintFacts(self.state, 1, self.exit), wants, seen, self.deeds, self.now)

    @property
    def action(self) -> Action:
        """Only the effect."""
        return self.decide().action
