"""The one way out of a print whose start may have been sent (TRUTH.md, rule 7).

Evidence stored, barrier and settle, delete, barrier and settle again, a second read that
contradicts nothing: only then a verdict. A lost link or a crash begins it again from the top.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildplate.core.actions import (
    AbandonExit,
    Action,
    Barrier,
    BeginExit,
    Move,
    Revoke,
    Verdict,
    Wait,
)
from buildplate.core.deeds import Deeds, ExitStep, Start
from buildplate.core.evidence import Ending, Run
from buildplate.core.print_table import Event, PrintState
from buildplate.core.printers import Activity

if TYPE_CHECKING:
    from buildplate.core.prints import ExitWish, Seen, Wants

_STOPPED = frozenset({Activity.IDLE, Activity.HALTED, Activity.FOREIGN})
_FIRST = {ExitStep.NONE, ExitStep.STORED}


def go_on_leaving(
    wish: ExitWish, wants: Wants, seen: Seen, deeds: Deeds, now: float
) -> tuple[Action, Deeds]:
    """One step towards the verdict `wish`, or away from it when the printer contradicts it."""
    if not seen.online:
        return Wait(), deeds.leaving(ExitStep.NONE, now)
    contradiction = _contradiction(wish, seen)
    if contradiction is not None:
        return contradiction, deeds.leaving(ExitStep.NONE, now)
    step = ExitStep.STORED if deeds.exit is ExitStep.NONE else deeds.exit
    if step is ExitStep.STORED:
        return _settle(deeds, seen, ExitStep.BARRIER, wants)
    if step is ExitStep.REVOKED:
        return _settle(deeds, seen, ExitStep.BARRIER_AGAIN, wants)
    if step in (ExitStep.BARRIER, ExitStep.BARRIER_AGAIN, ExitStep.REVOKING):
        return Wait(), deeds
    due = deeds.exit_at + wants.timings.settle
    if not seen.read_since(due):
        return Wait(max(due, now)), deeds
    if _busy(seen):
        return Wait(), deeds
    if step is ExitStep.SETTLING:
        return Revoke(), deeds
    return _second_read(wish, seen, deeds), deeds


def _settle(deeds: Deeds, seen: Seen, barrier: ExitStep, wants: Wants) -> tuple[Action, Deeds]:
    """Begin a settle time, counted from an answered read (or from the barrier's answer)."""
    if wants.barrier:
        return Barrier(), deeds.leaving(barrier, deeds.exit_at)
    if not seen.read_since(deeds.exit_at) or seen.reading is None:
        return Wait(deeds.exit_at), deeds
    alive_at = seen.reading.alive_at
    settling = ExitStep.SETTLING if barrier is ExitStep.BARRIER else ExitStep.SETTLING_AGAIN
    return Wait(alive_at + wants.timings.settle), deeds.leaving(settling, alive_at)


def _busy(seen: Seen) -> bool:
    return seen.reading is None or seen.reading.activity not in _STOPPED


def _is_proven(wish: ExitWish) -> bool:
    """Whether the copy is made for certain: then another run of its file is somebody else's.

    Its end is waited for. What it leaves must not be taken for the end of our print, whose own
    evidence may have gone with the file.
    """
    return wish.verdict is PrintState.COMPLETED and wish.by == "observation"


def _contradiction(wish: ExitWish, seen: Seen) -> Action | None:
    """What the printer says against the wanted verdict, as the action that follows from it."""
    evidence = seen.evidence
    if evidence.run is not Run.NONE:
        if _is_proven(wish):
            return Wait()
        return AbandonExit("the file runs")
    if evidence.ended is Ending.COMPLETED and wish.verdict is not PrintState.COMPLETED:
        return BeginExit(PrintState.COMPLETED, "observation", evidence.reason)
    if evidence.ended is Ending.FAILED and wish.verdict is PrintState.NOT_STARTED:
        return BeginExit(PrintState.FAILED, "observation", evidence.reason)
    if evidence.doubt and _is_doubtful(wish, seen):
        return AbandonExit(evidence.doubt)
    return None


def _is_doubtful(wish: ExitWish, seen: Seen) -> bool:
    """Whether a doubt takes the ground from under the wish: a new print would follow from it.

    A person's word stands against a doubt, but not "never started" against an ending.
    """
    if wish.by == "observation":
        return wish.verdict in (PrintState.NOT_STARTED, PrintState.FAILED)
    return wish.verdict is PrintState.NOT_STARTED and seen.evidence.ending is not None


def _second_read(wish: ExitWish, seen: Seen, deeds: Deeds) -> Action:
    if wish.verdict is not PrintState.NOT_STARTED or wish.by != "observation":
        return Verdict(wish.verdict, wish.by, wish.reason)
    idle = seen.reading is not None and seen.reading.activity is Activity.IDLE
    never = seen.evidence.silent or deeds.start is Start.WITHHELD
    if idle and never:
        return Verdict(wish.verdict, wish.by, wish.reason)
    return Move(Event.PROOF_INCOMPLETE, "nobody can prove that it never started")
