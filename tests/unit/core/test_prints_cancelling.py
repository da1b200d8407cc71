"""Cancelling: one stored command, sent only while a fresh read shows our file."""

from __future__ import annotations

from dataclasses import replace

import pytest

from buildplate.core.actions import BeginExit, DropOrder, SendOrder, StoreOrder, Wait
from buildplate.core.deeds import Deeds, Order, Start
from buildplate.core.evidence import Reading
from buildplate.core.print_table import PrintState
from buildplate.core.printers import Activity, Link
from tests.unit.core.moments import (
    DONE,
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

CANCELLING = Moment(PrintState.CANCELLING, look=RUNS)


def ordered(step: Order, at: float = NOW - 1, kind: str = "cancel") -> Deeds:
    return Deeds().ordering(step, kind, at)


def verdict_of(moment: Moment) -> PrintState:
    action = moment.action
    assert isinstance(action, BeginExit)
    return action.verdict


@pytest.mark.parametrize("look", [RUNS, PAUSED])
def test_our_run_gets_a_stored_cancel(look: Reading | None) -> None:
    assert replace(CANCELLING, look=look).action == StoreOrder("cancel")


def test_the_cancel_is_sent_on_a_reading_begun_after_it_was_stored() -> None:
    assert replace(CANCELLING, deeds=ordered(Order.STORED)).action == SendOrder("cancel")
    early = replace(CANCELLING, deeds=ordered(Order.STORED, NOW + 1), now=NOW + 1)
    assert early.action == Wait(NOW + 1)


@pytest.mark.parametrize("look", [IDLE, FOREIGN, HALTED, DONE, LEFTOVER_RUNS])
def test_the_cancel_is_never_sent_when_our_file_does_not_run(look: Reading | None) -> None:
    assert isinstance(replace(CANCELLING, look=look, deeds=ordered(Order.STORED)).action, DropOrder)


def test_a_stored_pause_makes_way_for_the_cancel() -> None:
    stored = ordered(Order.STORED, kind="pause")
    assert isinstance(replace(CANCELLING, deeds=stored).action, DropOrder)


@pytest.mark.parametrize("look", [RUNS, IDLE])
def test_an_unsettled_command_is_waited_for(look: Reading | None) -> None:
    assert replace(CANCELLING, look=look, unsettled=True).action == Wait()


def test_a_printer_that_is_stopping_gets_no_second_cancel() -> None:
    assert replace(CANCELLING, look=STOPPING).action == Wait()


def test_an_answered_cancel_without_effect_is_repeated_after_a_pause() -> None:
    answered = ordered(Order.ANSWERED, NOW)
    assert replace(CANCELLING, deeds=answered).action == Wait(NOW + 20.0)
    later = replace(CANCELLING, deeds=answered, now=NOW + 20.0)
    assert later.action == StoreOrder("cancel")


def test_a_print_that_completed_meanwhile_is_completed() -> None:
    assert verdict_of(replace(CANCELLING, look=DONE)) is PrintState.COMPLETED


@pytest.mark.parametrize("look", [IDLE, FOREIGN, HALTED, FAILED])
def test_a_print_that_does_not_run_leaves_as_cancelled(look: Reading | None) -> None:
    assert verdict_of(replace(CANCELLING, look=look)) is PrintState.CANCELLED


@pytest.mark.parametrize("activity", [Activity.BUSY, Activity.UNKNOWN])
def test_a_printer_that_does_not_say_is_waited_for(activity: Activity) -> None:
    assert replace(CANCELLING, look=reading(activity)).action == Wait()


def test_a_start_under_way_is_waited_for_first() -> None:
    sent = Deeds().starting(Start.UNDERWAY, NOW - 1)
    assert replace(CANCELLING, look=IDLE, deeds=sent).action == Wait()


def test_a_start_is_looked_for_on_a_reading_after_its_answer() -> None:
    answered = Deeds().starting(Start.UNKNOWN, NOW + 1)
    assert replace(CANCELLING, look=IDLE, deeds=answered, now=NOW + 1).action == Wait(NOW + 1)


@pytest.mark.parametrize("link", [Link.OFFLINE, Link.CONNECTING])
def test_out_of_sight_nothing_ends(link: Link) -> None:
    assert replace(CANCELLING, look=None, link=link).action == Wait()
