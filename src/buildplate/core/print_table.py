"""The states of a print and every change between them: one table, from which the docs are drawn."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class PrintState(StrEnum):
    """Where one physical attempt at one copy stands."""

    QUEUED = "queued"
    CLAIMED = "claimed"
    TRANSFERRING = "transferring"
    STARTING = "starting"
    PRINTING = "printing"
    PAUSED = "paused"
    CANCELLING = "cancelling"
    NEEDS_ATTENTION = "needs_attention"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    NOT_STARTED = "not_started"


S = PrintState

ACTIVE = frozenset(
    {S.CLAIMED, S.TRANSFERRING, S.STARTING, S.PRINTING, S.PAUSED, S.CANCELLING, S.NEEDS_ATTENTION}
)
BEFORE_INTENT = frozenset({S.QUEUED, S.CLAIMED, S.TRANSFERRING})
AFTER_INTENT = ACTIVE - BEFORE_INTENT
TERMINAL = frozenset({S.COMPLETED, S.FAILED, S.CANCELLED, S.NOT_STARTED})


class Event(StrEnum):
    """What happened to a print, in the words of TRUTH.md's table."""

    READY_PRINTER = "ready printer"
    NEW_UPLOAD = "upload begins under a new name"
    UPLOAD_VERIFIED = "upload verified: intent"
    GIVEN_BACK = "upload unknown, printer lost or the intent's check failed"
    CANCEL = "cancel"
    OUR_RUN = "our run, begun at or after the intent"
    OUR_RUN_PAUSED = "our run, paused"
    GAP = "gap in the channel, unreachable or contradiction"
    NO_EVIDENCE = "idle without evidence"
    PROOF_INCOMPLETE = "the proof that it never started is incomplete"
    EXIT_COMPLETED = "exit passed: completed"
    EXIT_FAILED = "exit passed: failed"
    EXIT_CANCELLED = "exit passed: cancelled"
    EXIT_NOT_STARTED = "exit passed: not started"


E = Event


class UnlistedChange(Exception):
    """A change of a print's state that the table does not list: a bug, never a retry."""

    code = "unlisted_change"

    def __init__(self, state: PrintState, event: Event) -> None:
        super().__init__(f"a print in state {state} has no answer to: {event}")
        self.state = state
        self.event = event


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    state: PrintState
    event: Event
    next: PrintState


def _rows(states: frozenset[PrintState], event: Event, to: PrintState) -> tuple[Row, ...]:
    return tuple(Row(state, event, to) for state in PrintState if state in states)


_TRANSFER = frozenset({S.CLAIMED, S.TRANSFERRING})
_RUNNING = frozenset({S.PRINTING, S.PAUSED})

TABLE: tuple[Row, ...] = (
    Row(S.QUEUED, E.READY_PRINTER, S.CLAIMED),
    Row(S.QUEUED, E.CANCEL, S.CANCELLED),
    *_rows(_TRANSFER, E.NEW_UPLOAD, S.TRANSFERRING),
    *_rows(_TRANSFER, E.GIVEN_BACK, S.QUEUED),
    *_rows(_TRANSFER, E.CANCEL, S.CANCELLED),
    Row(S.TRANSFERRING, E.UPLOAD_VERIFIED, S.STARTING),
    *_rows(frozenset({S.STARTING, S.PAUSED, S.NEEDS_ATTENTION}), E.OUR_RUN, S.PRINTING),
    *_rows(frozenset({S.STARTING, S.PRINTING, S.NEEDS_ATTENTION}), E.OUR_RUN_PAUSED, S.PAUSED),
    Row(S.STARTING, E.GAP, S.NEEDS_ATTENTION),
    *_rows(_RUNNING, E.NO_EVIDENCE, S.NEEDS_ATTENTION),
    *_rows(frozenset({S.STARTING, S.NEEDS_ATTENTION}), E.PROOF_INCOMPLETE, S.NEEDS_ATTENTION),
    *_rows(AFTER_INTENT - {S.CANCELLING}, E.CANCEL, S.CANCELLING),
    *_rows(AFTER_INTENT, E.EXIT_COMPLETED, S.COMPLETED),
    *_rows(AFTER_INTENT, E.EXIT_FAILED, S.FAILED),
    *_rows(AFTER_INTENT, E.EXIT_CANCELLED, S.CANCELLED),
    *_rows(AFTER_INTENT, E.EXIT_NOT_STARTED, S.NOT_STARTED),
)

NEXT: dict[tuple[PrintState, Event], PrintState] = {(r.state, r.event): r.next for r in TABLE}

EXIT_EVENT: dict[PrintState, Event] = {
    S.COMPLETED: E.EXIT_COMPLETED,
    S.FAILED: E.EXIT_FAILED,
    S.CANCELLED: E.EXIT_CANCELLED,
    S.NOT_STARTED: E.EXIT_NOT_STARTED,
}


def after(state: PrintState, event: Event) -> PrintState:
    """The state after `state` when `event` happens; raises UnlistedChange where none is listed."""
    try:
        return NEXT[state, event]
    except KeyError:
        raise UnlistedChange(state, event) from None
