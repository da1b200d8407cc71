"""`next_action`: the one place that decides what happens next to the active print of a printer.

It is called after every observation and at start-up alike; there is no separate recovery. It asks
for one effect at a time, so that a crash between any two of them leaves a state it can read again.
"""

from __future__ import annotations

from dataclasses import dataclass

from buildplate.core.actions import (
    AbandonExit,
    Action,
    BeginExit,
    DropOrder,
    Intend,
    Move,
    NameUpload,
    RefuseAsk,
    SendOrder,
    SendStart,
    StoreOrder,
    Transfer,
    Verdict,
    Wait,
)
from buildplate.core.deeds import Deeds, Order, Start, Upload
from buildplate.core.evidence import Ending, Evidence, Reading, Run
from buildplate.core.leaving import go_on_leaving
from buildplate.core.print_table import Event, PrintState
from buildplate.core.printers import Activity, Bed, Link

UNDECIDED = frozenset({Link.CONNECTING, Link.SYNCING, Link.DEGRADED})
NOT_OURS = frozenset({Activity.IDLE, Activity.HALTED, Activity.FOREIGN})
MAY_START = frozenset({Start.ACCEPTED, Start.UNKNOWN})
ACTS_ON = {"pause": PrintState.PRINTING, "resume": PrintState.PAUSED}
NO_EVIDENCE = Evidence()


@dataclass(frozen=True, slots=True)
class Timings:
    """Durations in seconds, already scaled.

    `settle`: TRUTH.md's settle time. `patience`: how long a start may stay without any sign before
    a person is asked. `resend`: how long after an answered cancel that had no effect the next one
    may be sent. `upload_tries`: transfers under one claim before the printer is given back.
    `fresh`: how old a reading may be that something physical is sent on; a process that was
    stopped and continued looks again first.
    """

    settle: float = 5.0
    patience: float = 60.0
    resend: float = 20.0
    upload_pause: float = 2.0
    upload_tries: int = 3
    fresh: float = 30.0


@dataclass(frozen=True, slots=True)
class ExitWish:
    """The verdict that a print wants, stored with it, and on whose word."""

    verdict: PrintState
    by: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Word:
    """A person's answer to needs_attention; `override` skips a printer that can't be reached."""

    outcome: PrintState
    bed: Bed
    override: bool = False


@dataclass(frozen=True, slots=True)
class Ask:
    """A person's pause or resume that waits for its turn."""

    command_id: str
    kind: str


@dataclass(frozen=True, slots=True)
class PrintFacts:
    """The stored half of a print that decisions need."""

    state: PrintState
    attempt: int = 0
    exit: ExitWish | None = None


@dataclass(frozen=True, slots=True)
class Wants:
    """What people want of the print, and how patient the farm is."""

    cancel: bool = False
    word: Word | None = None
    ask: Ask | None = None
    timings: Timings = Timings()
    barrier: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of the printer now.

    `reading` is the last answered read of the present connection, None before the first.
    `may_intend` repeats the claim's own conditions on fresh values: enabled, not in maintenance,
    lease alive, farm released. `unsettled`: a physical command is sent and neither answered nor
    settled.
    """

    link: Link
    reading: Reading | None = None
    bed: Bed = Bed.UNKNOWN
    unsettled: bool = False
    may_intend: bool = True

    @property
    def online(self) -> bool:
        """The printer answers, and has answered a read on this connection."""
        return self.link is Link.ONLINE and self.reading is not None

    @property
    def evidence(self) -> Evidence:
        """The evidence on our file in the last reading; empty where there is none."""
        if self.reading is None or self.reading.evidence is None:
            return NO_EVIDENCE
        return self.reading.evidence

    @property
    def running(self) -> bool:
        """Our file runs (or stands paused) in a run that began at or after the intent."""
        return self.evidence.run is not Run.NONE and self.evidence.began_since

    def read_since(self, moment: float) -> bool:
        """Whether the last reading began at or after `moment`."""
        return self.reading is not None and self.reading.begun >= moment

    @property
    def free(self) -> bool:
        """The printer is idle, nothing runs, and no other file was seen running."""
        reading = self.reading
        return (
            self.online
            and reading is not None
            and reading.activity is Activity.IDLE
            and self.evidence.run is Run.NONE
            and not reading.foreign_ran
        )


@dataclass(frozen=True, slots=True)
class Decision:
    """One effect to carry out, and the memory to carry on with."""

    action: Action
    deeds: Deeds


def next_action(print_: PrintFacts, wants: Wants, seen: Seen, deeds: Deeds, now: float) -> Decision:
    """Decide the one next effect for the active print of a printer.

    `now` is boot-time clock seconds. Raises ValueError for a print that is queued or ended: those
    have no printer, so nothing is to be decided here.
    """
    if print_.state in (PrintState.CLAIMED, PrintState.TRANSFERRING):
        return _transfer(wants, seen, deeds, now)
    if seen.online and not deeds.watching:
        if _said_unwatched(wants):
            why = "the watch broke since a person said what happened: look again"
            return Decision(AbandonExit(why), deeds)
        deeds = deeds.watched()
    if print_.exit is not None:
        return _leave(print_.exit, wants, seen, deeds, now)
    match print_.state:
        case PrintState.STARTING:
            return _starting(wants, seen, deeds, now)
        case PrintState.PRINTING | PrintState.PAUSED:
            return _running(print_.state, wants, seen, deeds, now)
        case PrintState.CANCELLING:
            return _cancelling(wants, seen, deeds, now)
        case PrintState.NEEDS_ATTENTION:
            return _attention(wants, seen, deeds)
        case _:
            message = f"a print in state {print_.state} has no printer to decide for"
            raise ValueError(message)


def _said_unwatched(wants: Wants) -> bool:
    """Whether a word was said before this watch that only an unbroken one can bear.

    A person saw that nothing had been printed, or nothing whole. A start that came later may have
    run unseen since, from a file whose history went with the delete: only a person can look again.
    """
    return wants.word is not None and wants.word.outcome is not PrintState.COMPLETED


def _leave(wish: ExitWish, wants: Wants, seen: Seen, deeds: Deeds, now: float) -> Decision:
    word = wants.word
    unreachable = not seen.online and seen.link not in UNDECIDED
    if word is not None and word.override and unreachable:
        return Decision(Verdict(word.outcome, "override", "a person's override"), deeds)
    if deeds.order is Order.STORED:
        return Decision(DropOrder(deeds.order_kind, "the print is ending"), deeds)
    if wish.by == "person" and word is not None and word.outcome is not wish.verdict:
        return Decision(BeginExit(word.outcome, "person", "a person's newer word"), deeds)
    action, deeds = go_on_leaving(wish, wants, seen, deeds, now)
    return Decision(action, deeds)


def _transfer(wants: Wants, seen: Seen, deeds: Deeds, now: float) -> Decision:
    if wants.cancel:
        return Decision(Move(Event.CANCEL, "cancelled before the start"), deeds)
    if seen.link in UNDECIDED:
        return Decision(Wait(), deeds)
    if not seen.online and deeds.upload is not Upload.UNDERWAY:
        return Decision(Move(Event.GIVEN_BACK, "offline"), deeds)
    match deeds.upload:
        case Upload.NONE:
            return Decision(NameUpload(), deeds)
        case Upload.NAMED:
            return Decision(Transfer(), deeds)
        case Upload.UNDERWAY:
            return Decision(Wait(), deeds)
        case Upload.UNKNOWN:
            return _try_upload_again(wants, deeds, now)
        case Upload.NO_ROOM:
            return Decision(Move(Event.GIVEN_BACK, _not_transferred(deeds)), deeds)
        case Upload.VERIFIED:
            return _intend(wants, seen, deeds, now)


def _try_upload_again(wants: Wants, deeds: Deeds, now: float) -> Decision:
    if deeds.uploads >= wants.timings.upload_tries:
        return Decision(Move(Event.GIVEN_BACK, _not_transferred(deeds)), deeds)
    due = deeds.upload_at + wants.timings.upload_pause * deeds.uploads
    return Decision(NameUpload() if now >= due else Wait(due), deeds)


def _not_transferred(deeds: Deeds) -> str:
    said = f": {deeds.upload_why}" if deeds.upload_why else ""
    return f"the print file could not be transferred{said}"


def _intend(wants: Wants, seen: Seen, deeds: Deeds, now: float) -> Decision:
    reading = seen.reading
    since = max(deeds.upload_at, now - wants.timings.fresh)
    if reading is None or not seen.read_since(since):
        return Decision(Wait(since), deeds)
    fit = (
        seen.may_intend
        and seen.bed is Bed.CLEAR
        and seen.free
        and reading.channel
        and not seen.unsettled
    )
    if fit:
        return Decision(Intend(), deeds)
    return Decision(Move(Event.GIVEN_BACK, "the printer is not ready any more"), deeds)


def _starting(wants: Wants, seen: Seen, deeds: Deeds, now: float) -> Decision:
    if wants.cancel:
        unsent = deeds.start is Start.DUE
        kept = deeds.starting(Start.WITHHELD, now) if unsent else deeds
        return Decision(Move(Event.CANCEL), kept)
    if deeds.start is Start.DUE:
        if seen.free and seen.read_since(now - wants.timings.fresh):
            return Decision(SendStart(), deeds)
        deeds = deeds.starting(Start.WITHHELD, now)
    if seen.online and seen.running and seen.evidence.doubt is None:
        return Decision(Move(_run_event(seen)), deeds.puzzled(None))
    if deeds.start is Start.UNDERWAY or seen.link in UNDECIDED:
        return Decision(Wait(), deeds)
    if not seen.online and deeds.start is Start.WITHHELD:
        return _unreachable(wants, seen, deeds)
    if not seen.online:
        return Decision(
            Move(Event.GAP, "the printer was lost from sight before its start was seen"), deeds
        )
    if not seen.read_since(deeds.start_at):
        return Decision(Wait(deeds.start_at), deeds)
    return _unseen_start(wants, seen, deeds, now)


def _unseen_start(wants: Wants, seen: Seen, deeds: Deeds, now: float) -> Decision:
    evidence = seen.evidence
    if evidence.ended is not None:
        return Decision(_ended(evidence), deeds)
    activity = seen.reading.activity if seen.reading else Activity.UNKNOWN
    idle = activity is Activity.IDLE and evidence.run is Run.NONE
    never = evidence.silent or deeds.start is Start.WITHHELD
    if idle and never and evidence.doubt is None:
        due = deeds.start_at + wants.timings.settle
        if deeds.start in MAY_START and not seen.read_since(due):
            return Decision(Wait(due), deeds.puzzled(None))
        return Decision(BeginExit(PrintState.NOT_STARTED, "observation", "it never started"), deeds)
    limit = wants.timings.settle if idle or evidence.doubt else wants.timings.patience
    why = evidence.doubt or (
        "the watch was interrupted, so nobody can tell whether it ran"
        if idle
        else f"no sign of the start, the printer is {activity}"
    )
    return _puzzle(Event.GAP, why, limit, deeds, now)


def _puzzle(event: Event, why: str, limit: float, deeds: Deeds, now: float) -> Decision:
    """Ask a person only when the contradiction has lasted `limit` seconds."""
    since = deeds.puzzled_at if deeds.puzzled_at is not None else now
    if now >= since + limit:
        return Decision(Move(event, why), deeds.puzzled(None))
    return Decision(Wait(since + limit), deeds.puzzled(since))


def _ended(evidence: Evidence) -> BeginExit:
    done = evidence.ended is Ending.COMPLETED
    verdict = PrintState.COMPLETED if done else PrintState.FAILED
    return BeginExit(verdict, "observation", evidence.reason)


def _run_event(seen: Seen) -> Event:
    return Event.OUR_RUN_PAUSED if seen.evidence.run is Run.PAUSED else Event.OUR_RUN


def _unreachable(wants: Wants, seen: Seen, deeds: Deeds) -> Decision:
    """Out of sight nothing ends, but by a person's recorded override."""
    word = wants.word
    if word is not None and word.override and seen.link not in UNDECIDED:
        return Decision(BeginExit(word.outcome, "override", "a person's override"), deeds)
    return Decision(Wait(), deeds)


def _running(state: PrintState, wants: Wants, seen: Seen, deeds: Deeds, now: float) -> Decision:
    if wants.cancel:
        return Decision(Move(Event.CANCEL), deeds)
    if not seen.online:
        return _unreachable(wants, seen, deeds.puzzled(None))
    evidence = seen.evidence
    if seen.running and evidence.doubt is None:
        deeds = deeds.puzzled(None)
        paused = evidence.run is Run.PAUSED
        if paused is not (state is PrintState.PAUSED):
            return Decision(Move(_run_event(seen)), deeds)
        return _obey(state, wants, seen, deeds, now)
    if evidence.ended is not None:
        return Decision(_ended(evidence), deeds)
    if deeds.order is Order.STORED:
        return Decision(DropOrder(deeds.order_kind, "the file no longer runs"), deeds)
    activity = seen.reading.activity if seen.reading else Activity.UNKNOWN
    if evidence.doubt is not None or activity in NOT_OURS:
        why = evidence.doubt or f"it no longer runs, and the printer ({activity}) does not say why"
        return _puzzle(Event.NO_EVIDENCE, why, wants.timings.settle, deeds, now)
    return Decision(Wait(), deeds.puzzled(None))


def _obey(state: PrintState, wants: Wants, seen: Seen, deeds: Deeds, now: float) -> Decision:
    """Carry out a person's pause or resume on the running file."""
    if seen.evidence.run is Run.STOPPING:
        if deeds.order is Order.STORED:
            return Decision(DropOrder(deeds.order_kind, "it is being cancelled already"), deeds)
        return Decision(Wait(), deeds)
    if deeds.order is Order.STORED and ACTS_ON.get(deeds.order_kind) is not state:
        return Decision(DropOrder(deeds.order_kind, f"the print is {state} already"), deeds)
    if deeds.order is Order.STORED:
        return _send_order(wants, seen, deeds, now)
    ask = wants.ask
    if ask is None or deeds.order is Order.UNDERWAY or seen.unsettled:
        return Decision(Wait(), deeds)
    if ACTS_ON.get(ask.kind) is not state:
        reason = f"the print is {state}, so there is nothing to {ask.kind}"
        return Decision(RefuseAsk(ask.command_id, reason), deeds)
    return Decision(StoreOrder(ask.kind, ask.command_id), deeds)


def _send_order(wants: Wants, seen: Seen, deeds: Deeds, now: float) -> Decision:
    """Send the stored command on a fresh read that was made after the storing."""
    since = max(deeds.order_at, now - wants.timings.fresh)
    if seen.read_since(since):
        return Decision(SendOrder(deeds.order_kind), deeds)
    return Decision(Wait(since), deeds)


def _cancelling(wants: Wants, seen: Seen, deeds: Deeds, now: float) -> Decision:
    if deeds.start is Start.UNDERWAY:
        return Decision(Wait(), deeds)
    if not seen.online:
        return _unreachable(wants, seen, deeds)
    evidence = seen.evidence
    if not seen.read_since(deeds.start_at):
        return Decision(Wait(deeds.start_at), deeds)
    if seen.running:
        return _cancel_run(wants, seen, deeds, now)
    if deeds.order is Order.STORED:
        return Decision(DropOrder(deeds.order_kind, "the file no longer runs"), deeds)
    if seen.unsettled or deeds.order is Order.UNDERWAY:
        return Decision(Wait(), deeds)
    if evidence.ended is Ending.COMPLETED:
        return Decision(_ended(evidence), deeds)
    activity = seen.reading.activity if seen.reading else Activity.UNKNOWN
    if activity in NOT_OURS and evidence.run is Run.NONE:
        return Decision(BeginExit(PrintState.CANCELLED, "observation", "cancelled"), deeds)
    return Decision(Wait(), deeds)


def _cancel_run(wants: Wants, seen: Seen, deeds: Deeds, now: float) -> Decision:
    """Send one stored cancel, only while a read after the storing still shows our file."""
    if deeds.order is Order.STORED:
        if deeds.order_kind != "cancel":
            return Decision(DropOrder(deeds.order_kind, "a cancel came first"), deeds)
        if seen.evidence.run is Run.STOPPING:
            return Decision(DropOrder(deeds.order_kind, "it is being cancelled already"), deeds)
        return _send_order(wants, seen, deeds, now)
    if deeds.order is Order.UNDERWAY or seen.unsettled or seen.evidence.run is Run.STOPPING:
        return Decision(Wait(), deeds)
    if deeds.order is Order.ANSWERED and deeds.order_kind == "cancel":
        due = deeds.order_at + wants.timings.resend
        if now < due:
            return Decision(Wait(due), deeds)
    return Decision(StoreOrder("cancel"), deeds)


def _attention(wants: Wants, seen: Seen, deeds: Deeds) -> Decision:
    if wants.cancel:
        return Decision(Move(Event.CANCEL), deeds)
    if not seen.online:
        return _unreachable(wants, seen, deeds)
    if seen.running and seen.evidence.doubt is None:
        return Decision(Move(_run_event(seen)), deeds.puzzled(None))
    if seen.evidence.ended is not None:
        return Decision(_ended(seen.evidence), deeds)
    if wants.word is not None and seen.evidence.run is Run.NONE:
        return Decision(BeginExit(wants.word.outcome, "person", "a person's word"), deeds)
    return Decision(Wait(), deeds)
