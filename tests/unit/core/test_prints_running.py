"""While a print runs, is paused, or waits for a person: only positive evidence moves it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from buildplate.core.actions import (
    BeginExit,
    DropOrder,
    Move,
    RefuseAsk,
    SendOrder,
    StoreOrder,
    Verdict,
    Wait,
)
from buildplate.core.deeds import Deeds, Order
from buildplate.core.evidence import Ending, Reading
from buildplate.core.print_table import Event, PrintState
from buildplate.core.printers import Activity, Bed, Link
from buildplate.core.prints import Ask, ExitWish, Word
from tests.unit.core.moments import (
    DONE,
    DOUBTFUL,
    DOUBTFUL_FAILURE,
    FAILED,
    FOREIGN,
    HALTED,
    IDLE,
    LEFTOVER_RUNS,
    NOW,
    PAUSED,
    RUNS,
    STOPPING,
    Moment,
    reading,
)

PRINTING = Moment(PrintState.PRINTING, look=RUNS)
ATTENTION = Moment(PrintState.NEEDS_ATTENTION, look=IDLE, deeds=Deeds(watching=True))
PAUSE = Ask("c1", "pause")
RESUME = Ask("c2", "resume")
STORED = Deeds().ordering(Order.STORED, "pause", NOW - 1)


def event_of(moment: Moment) -> Event:
    action = moment.action
    assert isinstance(action, Move)
    return action.event


def verdict_of(moment: Moment) -> tuple[PrintState, str]:
    action = moment.action
    assert isinstance(action, BeginExit)
    return action.verdict, action.by


@pytest.mark.parametrize("link", [Link.OFFLINE, Link.CONNECTING, Link.AUTH_REQUIRED])
@pytest.mark.parametrize("state", [PrintState.PRINTING, PrintState.PAUSED])
def test_offline_while_printing_stays_printing(state: PrintState, link: Link) -> None:
    assert Moment(state, look=None, link=link).action == Wait()


@pytest.mark.parametrize("look", [RUNS, STOPPING])
def test_a_running_print_stays(look: Reading | None) -> None:
    assert replace(PRINTING, look=look).action == Wait()


def test_pause_and_resume_at_the_printer_are_followed() -> None:
    assert event_of(replace(PRINTING, look=PAUSED)) is Event.OUR_RUN_PAUSED
    assert event_of(Moment(PrintState.PAUSED, look=RUNS)) is Event.OUR_RUN


@pytest.mark.parametrize(
    ("look", "verdict"), [(DONE, PrintState.COMPLETED), (FAILED, PrintState.FAILED)]
)
@pytest.mark.parametrize(
    "state", [PrintState.PRINTING, PrintState.PAUSED, PrintState.NEEDS_ATTENTION]
)
def test_ended_evidence_begins_the_exit(
    state: PrintState, look: Reading | None, verdict: PrintState
) -> None:
    moment = replace(Moment(state), look=look)
    assert verdict_of(moment) == (verdict, "observation")


def test_an_ending_from_before_the_intent_is_none() -> None:
    old = reading(ending=Ending.COMPLETED, began_since=False)
    assert isinstance(replace(ATTENTION, look=old).action, Wait)


@pytest.mark.parametrize("look", [IDLE, FOREIGN, HALTED, DOUBTFUL, DOUBTFUL_FAILURE])
def test_idle_without_evidence_needs_a_person_once_it_has_lasted(look: Reading | None) -> None:
    first = replace(PRINTING, look=look).decide()
    assert first.action == Wait(NOW + 5.0)
    later = replace(PRINTING, look=look, deeds=first.deeds, now=NOW + 5.0)
    assert event_of(later) is Event.NO_EVIDENCE


@pytest.mark.parametrize("activity", [Activity.BUSY, Activity.UNKNOWN])
def test_a_printer_that_does_not_say_is_no_contradiction(activity: Activity) -> None:
    assert replace(PRINTING, look=reading(activity)).action == Wait()


@pytest.mark.parametrize(
    "between",
    [
        replace(PRINTING, look=None, link=Link.OFFLINE),
        replace(PRINTING, look=reading(Activity.BUSY)),
        PRINTING,
    ],
)
def test_a_contradiction_that_vanished_begins_its_time_anew(between: Moment) -> None:
    puzzled = replace(PRINTING, look=IDLE).decide().deeds
    kept = replace(between, deeds=puzzled, now=NOW + 2).decide().deeds
    again = replace(PRINTING, look=IDLE, deeds=kept, now=NOW + 50)
    assert again.action == Wait(NOW + 55.0)


@pytest.mark.parametrize("state", [PrintState.PRINTING, PrintState.PAUSED])
@pytest.mark.parametrize("link", [Link.ONLINE, Link.OFFLINE])
def test_a_cancel_is_written_down_even_offline(state: PrintState, link: Link) -> None:
    assert event_of(Moment(state, look=RUNS, cancel=True, link=link)) is Event.CANCEL


# --- a person's pause and resume -----------------------------------------------------------------


def test_a_pause_is_stored_then_sent_on_a_later_reading() -> None:
    assert replace(PRINTING, ask=PAUSE).action == StoreOrder("pause", "c1")
    assert replace(PRINTING, deeds=STORED).action == SendOrder("pause")


def test_an_order_waits_for_a_reading_begun_after_it_was_stored() -> None:
    stored = Deeds().ordering(Order.STORED, "pause", NOW + 1)
    assert replace(PRINTING, deeds=stored, now=NOW + 1).action == Wait(NOW + 1)


def test_an_order_is_dropped_when_our_file_no_longer_runs() -> None:
    assert isinstance(replace(PRINTING, look=FOREIGN, deeds=STORED).action, DropOrder)


def test_an_order_is_dropped_when_somebody_has_done_it_at_the_printer() -> None:
    paused = Moment(PrintState.PAUSED, look=PAUSED, deeds=STORED)
    assert isinstance(paused.action, DropOrder)


def test_an_order_waits_while_a_command_is_unsettled() -> None:
    assert replace(PRINTING, ask=PAUSE, unsettled=True).action == Wait()


@pytest.mark.parametrize(
    "moment",
    [replace(PRINTING, ask=RESUME), Moment(PrintState.PAUSED, look=PAUSED, ask=PAUSE)],
)
def test_an_order_with_nothing_to_act_on_is_refused(moment: Moment) -> None:
    assert isinstance(moment.action, RefuseAsk)


# --- needs_attention -----------------------------------------------------------------------------


def test_needs_attention_ends_by_itself_when_our_file_is_seen_running() -> None:
    assert event_of(replace(ATTENTION, look=RUNS)) is Event.OUR_RUN
    assert event_of(replace(ATTENTION, look=PAUSED)) is Event.OUR_RUN_PAUSED


def test_a_cancel_leads_out_of_needs_attention() -> None:
    assert event_of(replace(ATTENTION, cancel=True)) is Event.CANCEL


OUTCOMES = [PrintState.COMPLETED, PrintState.FAILED, PrintState.NOT_STARTED]


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_a_persons_word_begins_the_exit(outcome: PrintState) -> None:
    said = replace(ATTENTION, word=Word(outcome, Bed.CLEAR))
    assert verdict_of(said) == (outcome, "person")


def test_evidence_counts_before_a_persons_word() -> None:
    said = replace(ATTENTION, look=DONE, word=Word(PrintState.FAILED, Bed.CLEAR))
    assert verdict_of(said) == (PrintState.COMPLETED, "observation")


def test_a_persons_word_waits_while_a_file_of_ours_runs() -> None:
    said = replace(ATTENTION, look=LEFTOVER_RUNS, word=Word(PrintState.FAILED, Bed.OCCUPIED))
    assert said.action == Wait()


@pytest.mark.parametrize("state", [PrintState.PRINTING, PrintState.NEEDS_ATTENTION])
def test_an_unreachable_printer_ignores_a_word_without_override(state: PrintState) -> None:
    away = Moment(state, look=None, link=Link.OFFLINE)
    assert replace(away, word=Word(PrintState.FAILED, Bed.UNKNOWN)).action == Wait()


@pytest.mark.parametrize(
    "state",
    [
        PrintState.PRINTING,
        PrintState.PAUSED,
        PrintState.CANCELLING,
        PrintState.NEEDS_ATTENTION,
    ],
)
def test_an_override_of_an_unreachable_printer_ends_the_print_and_is_recorded(
    state: PrintState,
) -> None:
    word = Word(PrintState.FAILED, Bed.UNKNOWN, override=True)
    away = Moment(state, look=None, link=Link.OFFLINE, word=word)
    assert verdict_of(away) == (PrintState.FAILED, "override")
    leaving = replace(away, exit=ExitWish(PrintState.FAILED, "override"))
    action = leaving.action
    assert isinstance(action, Verdict)
    assert action.by == "override"


def test_an_override_waits_while_a_link_is_being_made() -> None:
    word = Word(PrintState.FAILED, Bed.UNKNOWN, override=True)
    assert replace(ATTENTION, look=None, link=Link.CONNECTING, word=word).action == Wait()
