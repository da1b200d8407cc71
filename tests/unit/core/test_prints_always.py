"""What holds for `next_action` in any moment whatsoever, reachable or not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations, product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buildplate.core.actions import (
    AbandonExit,
    Barrier,
    Intend,
    Move,
    NameUpload,
    Revoke,
    SendOrder,
    SendStart,
    StoreOrder,
    Transfer,
    Verdict,
    Wait,
)
from buildplate.core.deeds import Deeds, ExitStep, Order, Start, Upload
from buildplate.core.evidence import Ending, Run
from buildplate.core.print_table import (
    ACTIVE,
    AFTER_INTENT,
    BEFORE_INTENT,
    EXIT_EVENT,
    NEXT,
    TERMINAL,
    PrintState,
)
from buildplate.core.printers import Activity, Bed, Link
from buildplate.core.prints import Ask, ExitWish, Word
from tests.unit.core.moments import NOW, TIMINGS, Moment, reading

MOMENTS = st.sampled_from([NOW - 100, NOW - 3, NOW, NOW + 3])
LOOKS = st.builds(
    reading,
    st.sampled_from(Activity),
    begun=MOMENTS,
    channel=st.booleans(),
    foreign_ran=st.booleans(),
    run=st.sampled_from(Run),
    began_since=st.booleans(),
    ending=st.sampled_from([None, *Ending]),
    doubt=st.sampled_from([None, "a doubt"]),
    silent=st.booleans(),
    others_ran=st.booleans(),
)
DEEDS = st.builds(
    Deeds,
    upload=st.sampled_from(Upload),
    upload_at=MOMENTS,
    uploads=st.integers(0, 3),
    start=st.sampled_from(Start),
    start_at=MOMENTS,
    exit=st.sampled_from(ExitStep),
    exit_at=MOMENTS,
    order=st.sampled_from(Order),
    order_kind=st.sampled_from(["cancel", "pause", "resume"]),
    order_at=MOMENTS,
    puzzled_at=st.one_of(st.none(), MOMENTS),
    watching=st.booleans(),
)
WISHES = st.builds(
    ExitWish,
    st.sampled_from(sorted(TERMINAL)),
    st.sampled_from(["observation", "person", "override"]),
)
WORDS = st.builds(
    Word,
    st.sampled_from([PrintState.COMPLETED, PrintState.FAILED, PrintState.NOT_STARTED]),
    st.sampled_from(Bed),
    st.booleans(),
)
ASKS = st.sampled_from([Ask("c1", "pause"), Ask("c2", "resume")])
ANY = st.builds(
    Moment,
    state=st.sampled_from(sorted(ACTIVE)),
    look=st.one_of(st.none(), LOOKS),
    exit=st.one_of(st.none(), WISHES),
    cancel=st.booleans(),
    word=st.one_of(st.none(), WORDS),
    ask=st.one_of(st.none(), ASKS),
    barrier=st.booleans(),
    link=st.sampled_from(Link),
    bed=st.sampled_from(Bed),
    unsettled=st.booleans(),
    may_intend=st.booleans(),
    deeds=DEEDS,
)
always = settings(max_examples=400, deadline=None)

STALE = NOW - TIMINGS.fresh - 1
OF_LOOK = {"activity", "begun", "foreign_ran", "run", "began_since"}
OF_DEEDS = {"start", "order", "order_kind", "order_at"}
STARTED = {
    "state": (PrintState.STARTING, *sorted(ACTIVE)),
    "look": ("read", None),
    "cancel": (False, True),
    "link": (Link.ONLINE, *Link),
    "activity": (Activity.IDLE, *Activity),
    "begun": (NOW, STALE),
    "foreign_ran": (False, True),
    "run": (Run.NONE, *Run),
    "start": (Start.DUE, *Start),
}
"""Of a moment in which a start is sent each part as it has to be, and all else that it can be."""
ORDERED = {
    "look": ("read", None),
    "cancel": (False, True),
    "link": (Link.ONLINE, *Link),
    "begun": (NOW, NOW - 10, STALE),
    "began_since": (True, False),
    "order": (Order.STORED, *Order),
    "order_at": (NOW - 3, STALE - 1),
}
"""The same of a moment in which a command is sent, but for what hangs on which command it is."""


def nearly(parts: Mapping[str, Sequence[Any]]) -> Iterator[Moment]:
    """Every moment that is as it has to be, which is said first, in all parts but two at most.

    Where everything is anything, nearly always so much is wrong that one rule more or less changes
    nothing.
    """
    usual = {part: values[0] for part, values in parts.items()}
    for one, other in combinations(parts, 2):
        for values in product(parts[one], parts[other]):
            yield _moment(**{**usual, one: values[0], other: values[1]})


def _moment(look: object, **parts: Any) -> Moment:
    read = reading(**{part: parts.pop(part) for part in OF_LOOK & parts.keys()})
    deeds = Deeds(watching=True, **{part: parts.pop(part) for part in OF_DEEDS & parts.keys()})
    return Moment(look=read if look else None, deeds=deeds, **parts)


@always
@given(ANY)
def test_only_listed_changes_are_asked_for(moment: Moment) -> None:
    match moment.action:
        case Move(event):
            assert (moment.state, event) in NEXT
        case Verdict(verdict):
            assert (moment.state, EXIT_EVENT[verdict]) in NEXT


@always
@given(ANY)
def test_uploads_and_intents_come_before_the_intent_and_all_else_after_it(moment: Moment) -> None:
    match moment.action:
        case NameUpload() | Transfer() | Intend():
            assert moment.state in BEFORE_INTENT
        case SendStart() | Revoke() | Barrier() | SendOrder() | StoreOrder() | Verdict():
            assert moment.state in AFTER_INTENT


@always
@given(ANY)
def test_only_a_due_start_is_sent_and_only_to_a_printer_seen_free(moment: Moment) -> None:
    starting = replace(moment, state=PrintState.STARTING, exit=None, link=Link.ONLINE)
    for step in (moment.deeds.start, Start.DUE):
        may_be_sent(replace(starting, deeds=moment.deeds.starting(step, NOW - 3)))


def test_a_start_is_not_sent_in_a_moment_that_is_nearly_right() -> None:
    assert sum(map(may_be_sent, nearly(STARTED)))


def may_be_sent(moment: Moment) -> bool:
    """Whether the start is sent; fails where it must not be."""
    if not isinstance(moment.action, SendStart):
        return False
    assert moment.state is PrintState.STARTING
    assert moment.deeds.start is Start.DUE
    assert moment.link is Link.ONLINE
    assert moment.look is not None
    assert moment.look.activity is Activity.IDLE
    assert moment.look.begun >= moment.now - TIMINGS.fresh
    assert not moment.look.foreign_ran
    assert moment.look.evidence is not None
    assert moment.look.evidence.run is Run.NONE
    assert not moment.cancel
    return True


@always
@given(ANY)
def test_only_a_stored_command_is_sent_and_only_to_our_running_file(moment: Moment) -> None:
    running = replace(moment, exit=None, link=Link.ONLINE)
    for state in (PrintState.PRINTING, PrintState.PAUSED, PrintState.CANCELLING):
        stored = moment.deeds.ordering(Order.STORED, moment.deeds.order_kind, moment.deeds.order_at)
        may_be_ordered(replace(running, state=state, deeds=stored))


@pytest.mark.parametrize(
    ("state", "run", "kind"),
    [
        (PrintState.PRINTING, Run.RUNNING, "pause"),
        (PrintState.PAUSED, Run.PAUSED, "resume"),
        (PrintState.CANCELLING, Run.RUNNING, "cancel"),
    ],
)
def test_a_command_is_not_sent_in_a_moment_that_is_nearly_right(
    state: PrintState, run: Run, kind: str
) -> None:
    usual = {"state": (state, *sorted(ACTIVE)), "run": (run, *Run), "order_kind": (kind,)}
    assert sum(map(may_be_ordered, nearly(ORDERED | usual)))


def may_be_ordered(moment: Moment) -> bool:
    """Whether the stored command is sent; fails where it must not be."""
    if not isinstance(moment.action, SendOrder):
        return False
    assert moment.state in {PrintState.PRINTING, PrintState.PAUSED, PrintState.CANCELLING}
    assert moment.deeds.order is Order.STORED
    assert moment.link is Link.ONLINE
    assert moment.look is not None
    assert moment.look.begun >= max(moment.deeds.order_at, moment.now - TIMINGS.fresh)
    assert moment.look.evidence is not None
    assert moment.look.evidence.run is not Run.NONE
    assert moment.look.evidence.began_since
    return True


@always
@given(ANY)
def test_no_verdict_without_the_whole_exit_but_by_a_recorded_override(moment: Moment) -> None:
    action = moment.action
    if not isinstance(action, Verdict):
        return
    assert moment.exit is not None
    in_sight = moment.link is Link.ONLINE and moment.look is not None
    if moment.deeds.exit is ExitStep.SETTLING_AGAIN and in_sight:
        assert (action.verdict, action.by) == (moment.exit.verdict, moment.exit.by)
        assert moment.look is not None
        assert moment.look.begun >= moment.deeds.exit_at + 5.0
    else:
        assert not in_sight
        assert action.by == "override"
        assert moment.word is not None
        assert moment.word.override


@always
@given(ANY)
def test_out_of_sight_nothing_is_done_to_a_printer(moment: Moment) -> None:
    away = replace(moment, link=Link.OFFLINE, look=None)
    sent = (Transfer, SendStart, Revoke, Barrier, SendOrder, Intend)
    assert not isinstance(away.action, sent)


@always
@given(ANY)
def test_a_wait_never_asks_for_a_read_that_was_just_made(moment: Moment) -> None:
    """Otherwise a printer would be read in a loop, as fast as it answers."""
    if moment.look is None:
        return
    just_read = replace(moment.look, begun=NOW + 3)
    seen = replace(moment, look=just_read, link=Link.ONLINE, now=NOW + 3)
    wish = moment.exit or ExitWish(PrintState.FAILED, "observation")
    for state in AFTER_INTENT:
        for one in (replace(seen, state=state), replace(seen, state=state, exit=wish)):
            action = one.action
            if isinstance(action, Wait) and action.until is not None:
                assert action.until > one.now


@always
@given(ANY)
def test_a_dropped_verdict_is_never_a_proven_completion(moment: Moment) -> None:
    proven = ExitWish(PrintState.COMPLETED, "observation")
    leaving = replace(moment, exit=proven, word=None)
    assert not isinstance(leaving.action, AbandonExit)
