"""From what this side streamed to the SDK's words: what our own record proves, and what not."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from buildplate.drivers.marlin.hearing import Facts
from buildplate.drivers.marlin.notes import Notes, Outcome, RunNote
from buildplate.drivers.marlin.printing import Phase, Printing
from buildplate.drivers.sdk import (
    Activity,
    Ending,
    Evidence,
    Reading,
    Run,
    Watch,
)

ENDS_WITH_A_STOP = (
    "it ends once somebody has answered the printer at its display, "
    "or with an emergency stop at once"
)
ENDS_WITHOUT_POWER = (
    "it ends once somebody has answered the printer at its display, or switched it off: "
    "until then it may hear no emergency stop"
)
LOST_NOTES = "the record of what was streamed to this printer is gone"
_RUNS = {
    Phase.RUNNING: Run.RUNNING,
    Phase.FINISHING: Run.RUNNING,
    Phase.RESUMING: Run.PAUSED,
    Phase.PAUSED: Run.PAUSED,
    Phase.PAUSING: Run.RUNNING,
    Phase.CANCELLING: Run.STOPPING,
}


@dataclass(frozen=True, slots=True)
class Sight:
    """One look: the print under way, the firmware's facts, whether it is at work beside that."""

    printing: Printing | None
    facts: Facts
    busy: bool


def _is_ours(sight: Sight, notes: Notes, watch: Watch | None) -> bool:
    printing = sight.printing
    if printing is None or watch is None or watch.baseline is None:
        return False
    same = watch.baseline.get("store") == notes.store
    return printing.path == watch.path and same and printing.run > _last_run(watch.baseline)


def _last_run(baseline: Any) -> int:
    found = baseline.get("last_run", 0)
    return found if isinstance(found, int) else 0


def activity(sight: Sight, notes: Notes, watch: Watch | None) -> Activity:
    """What the machine is doing, seen from us."""
    printing, facts = sight.printing, sight.facts
    if facts.halted:
        return Activity.HALTED
    if printing is not None:
        if not _is_ours(sight, notes, watch):
            return Activity.FOREIGN
        if not printing.begun:
            return Activity.BUSY
        paused = printing.phase in {Phase.PAUSED, Phase.RESUMING} or _waits_to_cancel(printing)
        return Activity.PAUSED if paused else Activity.OURS
    if facts.card is not None and facts.card.printing:
        return Activity.FOREIGN
    return Activity.BUSY if sight.busy or facts.card_open else Activity.IDLE


def _waits_to_cancel(printing: Printing) -> bool:
    """Whether the cancel script stands behind a wait for a person: nothing moves until then."""
    return printing.phase is Phase.CANCELLING and printing.blocked


def what_ends_it(facts: Facts) -> str:
    """What ends a cancelled print that waits for a person, as one sentence for people.

    Without an emergency parser M112 is a line as any other, and where the board has read as many
    lines ahead as it can hold, it is not read.
    """
    return ENDS_WITH_A_STOP if facts.abilities.get("EMERGENCY_PARSER") else ENDS_WITHOUT_POWER


def baseline(notes: Notes) -> dict[str, Any]:
    """What an intent stores: which record this is, and its last run."""
    return {"store": notes.store, "last_run": notes.last_run}


def fingerprint(notes: Notes) -> str:
    """A digest of everything that is kept over a restart and that a print would change."""
    last = notes.runs.get(notes.last_run)
    kept = f"{notes.store} {notes.last_run} {last.outcome if last else ''}"
    return hashlib.sha256(kept.encode()).hexdigest()


def evidence(sight: Sight, notes: Notes, watch: Watch) -> Evidence:
    """What our own record proves on the file.

    No line of a run is written before its note is durable, so a run without a note never began.
    Only another record (`store`) breaks that proof.
    """
    base = watch.baseline
    known = base is not None and base.get("store") == notes.store
    since = _last_run(base) if known else notes.last_run
    printing = sight.printing
    run, began = Run.NONE, True
    if printing is not None and printing.path == watch.path:
        run = _RUNS.get(printing.phase, Run.NONE) if printing.begun else Run.NONE
        began = known and printing.run > since
    entries = notes.of(watch.path, since) if known else []
    ended = entries[-1] if entries and printing is None else None
    return Evidence(
        run=run,
        began_since=began,
        ending=_ending(ended),
        reason="" if ended is None else ended.reason,
        doubt=_doubt(ended, lost=base is not None and not known),
        silent=known and not entries,
        others_ran=not known or notes.others(watch.path, since),
        facts={"store": notes.store, "last_run": notes.last_run, "runs": _shown(entries)},
    )


def _ending(note: RunNote | None) -> Ending | None:
    if note is None or note.outcome is None:
        return None
    return Ending.COMPLETED if note.outcome is Outcome.COMPLETED else Ending.FAILED


def _doubt(note: RunNote | None, *, lost: bool) -> str | None:
    if lost:
        return LOST_NOTES
    if note is not None and note.outcome is Outcome.DOUBT:
        return f"it may have been printed to its end: {note.reason}"
    return None


def _shown(notes: list[RunNote]) -> list[dict[str, Any]]:
    return [{"run": n.run, "outcome": n.outcome, "line": n.line, "step": n.step} for n in notes]


def detail(sight: Sight) -> str:
    """A few words on what goes on, for people."""
    printing = sight.printing
    if sight.facts.halted:
        return sight.facts.halted
    if printing is None:
        if sight.facts.card_open:
            return "a file on the printer's own card was opened"
        return "busy" if sight.busy else "idle"
    said = f"{printing.phase}, line {printing.line}"
    if printing.withheld:
        said += "; held back: this node may not command the printer at the moment"
    if _waits_to_cancel(printing):
        said += f"; {what_ends_it(sight.facts)}"
    return f"{said}; {printing.why}" if printing.why else said


def foreign_ran(notes: Notes, since: int, watch: Watch | None) -> bool:
    """Whether a run that is not the watched intent's was added after run number `since`."""
    base = watch.baseline if watch is not None else None
    if watch is None or base is None or base.get("store") != notes.store:
        return notes.last_run > since
    after = max(since, _last_run(base))
    return notes.others(watch.path, after) or any(
        note.run > since and note.run <= after for note in notes.runs.values()
    )


def reading(
    sight: Sight, notes: Notes, watch: Watch | None, *, begun: float, deep: bool, since: int
) -> Reading:
    """The whole look in the SDK's words."""
    printing, card = sight.printing, sight.facts.card
    path = printing.path if printing is not None else None
    if path is None and card is not None and card.printing:
        path = card.path or None
    return Reading(
        begun=begun,
        activity=activity(sight, notes, watch),
        path=path,
        process=f"{notes.store}-{sight.facts.boots}",
        channel=not sight.facts.halted,
        baseline=baseline(notes),
        foreign_ran=foreign_ran(notes, since, watch),
        fingerprint=fingerprint(notes) if deep else None,
        detail=detail(sight),
        progress=None if printing is None else printing.progress,
        time_left_s=None if printing is None else printing.source.time_left_s,
        evidence=None if watch is None else evidence(sight, notes, watch),
    )
