"""From the intent to the first sight of the print: one start, and nothing believed unseen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from buildplate.core.actions import BeginExit, Move, SendStart, Wait
from buildplate.core.deeds import Deeds, Start
from buildplate.core.evidence import Reading
from buildplate.core.print_table import Event, PrintState
from buildplate.core.printers import Activity, Link
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
    SILENT,
    Moment,
    reading,
)

LONG_AGO = NOW - 100.0


def started(step: Start, at: float = LONG_AGO) -> Moment:
    return Moment(PrintState.STARTING, deeds=Deeds().starting(step, at))


ANSWERS = [Start.NONE, Start.ACCEPTED, Start.REFUSED, Start.UNKNOWN]


def event_of(moment: Moment) -> Event:
    action = moment.action
    assert isinstance(action, Move)
    return action.event


def test_the_process_that_committed_the_intent_sends_the_start() -> None:
    assert started(Start.DUE).action == SendStart()


@pytest.mark.parametrize("look", [FOREIGN, HALTED, LEFTOVER_RUNS, reading(foreign_ran=True), None])
def test_a_start_is_withheld_when_the_printer_is_seen_taken_after_the_intent(
    look: Reading | None,
) -> None:
    decision = replace(started(Start.DUE), look=look).decide()
    assert decision.action != SendStart()
    assert decision.deeds.start is Start.WITHHELD


def test_a_process_that_stood_still_between_intent_and_start_does_not_send_it() -> None:
    later = replace(started(Start.DUE), now=NOW + 30.5)
    assert later.action == Wait(NOW + 30.5)
    assert later.decide().deeds.start is Start.WITHHELD


@pytest.mark.parametrize("step", [s for s in Start if s is not Start.DUE])
@pytest.mark.parametrize("look", [SILENT, IDLE, RUNS, DONE, FOREIGN, None])
def test_nobody_else_ever_sends_it_again(step: Start, look: Reading | None) -> None:
    moment = replace(started(step), look=look)
    assert moment.action != SendStart()


def test_a_start_under_way_is_waited_for() -> None:
    assert started(Start.UNDERWAY).action == Wait()


@pytest.mark.parametrize("step", [*ANSWERS, Start.UNDERWAY])
def test_a_run_of_our_file_makes_it_printing_whatever_was_answered(step: Start) -> None:
    assert event_of(replace(started(step), look=RUNS)) is Event.OUR_RUN
    assert event_of(replace(started(step), look=PAUSED)) is Event.OUR_RUN_PAUSED


@pytest.mark.parametrize("step", ANSWERS)
def test_a_run_begun_before_the_intent_is_not_ours(step: Start) -> None:
    decision = replace(started(step), look=LEFTOVER_RUNS).decide()
    assert isinstance(decision.action, Wait)


@pytest.mark.parametrize("step", ANSWERS)
@pytest.mark.parametrize(
    ("look", "verdict"), [(DONE, PrintState.COMPLETED), (FAILED, PrintState.FAILED)]
)
def test_ended_evidence_begins_the_exit(
    step: Start, look: Reading | None, verdict: PrintState
) -> None:
    action = replace(started(step), look=look).action
    assert isinstance(action, BeginExit)
    assert (action.verdict, action.by) == (verdict, "observation")


@pytest.mark.parametrize("step", ANSWERS)
def test_an_unbroken_silence_begins_the_exit_to_not_started(step: Start) -> None:
    action = started(step).action
    assert isinstance(action, BeginExit)
    assert action.verdict is PrintState.NOT_STARTED


@pytest.mark.parametrize("step", [Start.ACCEPTED, Start.UNKNOWN])
def test_a_start_that_may_be_executing_gets_the_settle_time_to_show(step: Start) -> None:
    assert started(step, at=NOW).action == Wait(NOW + 5.0)


def test_a_refused_start_is_believed_only_with_a_reading_after_the_refusal() -> None:
    assert isinstance(started(Start.REFUSED, at=NOW).action, BeginExit)
    older = replace(started(Start.REFUSED, at=NOW + 1), now=NOW + 1)
    assert older.action == Wait(NOW + 1)


def test_a_refusal_does_not_hide_that_our_file_runs() -> None:
    assert event_of(replace(started(Start.REFUSED), look=RUNS)) is Event.OUR_RUN


@pytest.mark.parametrize("look", [IDLE, DOUBTFUL, DOUBTFUL_FAILURE])
def test_a_gap_or_a_contradiction_that_lasts_the_settle_time_needs_a_person(
    look: Reading | None,
) -> None:
    first = replace(started(Start.NONE), look=look).decide()
    assert first.action == Wait(NOW + 5.0)
    later = replace(started(Start.NONE), look=look, deeds=first.deeds, now=NOW + 5.0)
    assert event_of(later) is Event.GAP


@pytest.mark.parametrize("activity", [Activity.BUSY, Activity.UNKNOWN, Activity.HALTED])
def test_a_printer_without_a_sign_gets_more_patience(activity: Activity) -> None:
    first = replace(started(Start.ACCEPTED), look=reading(activity, silent=True)).decide()
    assert first.action == Wait(NOW + 60.0)


@pytest.mark.parametrize("step", ANSWERS)
def test_an_unreachable_printer_after_the_start_needs_a_person(step: Start) -> None:
    assert event_of(replace(started(step), look=None, link=Link.OFFLINE)) is Event.GAP


@pytest.mark.parametrize("link", [Link.CONNECTING, Link.SYNCING, Link.DEGRADED])
def test_a_link_being_made_decides_nothing(link: Link) -> None:
    assert replace(started(Start.NONE), look=None, link=link).action == Wait()


@pytest.mark.parametrize("step", list(Start))
def test_a_cancel_makes_it_cancelling(step: Start) -> None:
    assert event_of(replace(started(step), cancel=True)) is Event.CANCEL


def test_a_cancel_before_the_start_was_sent_keeps_it_from_being_sent() -> None:
    decision = replace(started(Start.DUE), cancel=True).decide()
    assert decision.deeds.start is Start.WITHHELD


@pytest.mark.parametrize("happens", [Deeds.unwatched, Deeds.disturbed])
def test_a_start_not_sent_when_the_link_broke_or_others_printed_is_not_sent_any_more(
    happens: Callable[[Deeds], Deeds],
) -> None:
    kept = happens(started(Start.DUE).deeds)
    assert kept.start is Start.WITHHELD
    assert replace(started(Start.DUE), deeds=kept).action != SendStart()


@pytest.mark.parametrize("step", [s for s in Start if s is not Start.DUE])
def test_somebody_elses_print_changes_nothing_about_a_start_that_was_sent(step: Start) -> None:
    assert started(step).deeds.disturbed() == started(step).deeds


def test_a_withheld_start_waits_for_a_lost_printer_without_asking_anybody() -> None:
    away = replace(started(Start.WITHHELD), look=None, link=Link.OFFLINE)
    assert away.action == Wait()


def test_a_withheld_start_proves_that_it_never_started_even_without_the_channel() -> None:
    action = replace(started(Start.WITHHELD), look=IDLE).action
    assert isinstance(action, BeginExit)
    assert action.verdict is PrintState.NOT_STARTED
