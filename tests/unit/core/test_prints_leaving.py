"""The one way out: settle, delete, settle again, a second read, and only then a verdict."""

from __future__ import annotations

from dataclasses import replace

import pytest

from buildplate.core.actions import (
    AbandonExit,
    Barrier,
    BeginExit,
    DropOrder,
    Move,
    Revoke,
    Verdict,
    Wait,
)
from buildplate.core.deeds import Deeds, ExitStep, Order, Start
from buildplate.core.evidence import Reading
from buildplate.core.print_table import Event, PrintState
from buildplate.core.printers import Activity, Bed, Link
from buildplate.core.prints import ExitWish, Word
from tests.unit.core.moments import (
    DONE,
    DOUBTFUL,
    DOUBTFUL_FAILURE,
    FAILED,
    FOREIGN,
    HALTED,
    IDLE,
    NOW,
    PAUSED,
    RUNS,
    SILENT,
    Moment,
    reading,
)

COMPLETED = ExitWish(PrintState.COMPLETED, "observation")
FAILURE = ExitWish(PrintState.FAILED, "observation")
CANCELLED = ExitWish(PrintState.CANCELLED, "observation")
NOT_STARTED = ExitWish(PrintState.NOT_STARTED, "observation")
SAID_NOT_STARTED = ExitWish(PrintState.NOT_STARTED, "person")
SAID_FAILED = ExitWish(PrintState.FAILED, "person")
WISHES = [COMPLETED, FAILURE, CANCELLED, NOT_STARTED, SAID_NOT_STARTED, SAID_FAILED]


def leaving(wish: ExitWish, step: ExitStep, at: float = NOW - 5) -> Moment:
    state = PrintState.NEEDS_ATTENTION if wish.by == "person" else PrintState.STARTING
    return Moment(state, exit=wish, deeds=Deeds().leaving(step, at))


@pytest.mark.parametrize("wish", WISHES)
def test_every_exit_takes_every_step(wish: ExitWish) -> None:
    moment = leaving(wish, ExitStep.STORED)
    decision = moment.decide()
    assert decision.action == Wait(NOW + 5)
    assert decision.deeds.exit is ExitStep.SETTLING
    assert leaving(wish, ExitStep.SETTLING).action == Revoke()
    assert leaving(wish, ExitStep.REVOKING).action == Wait()
    decision = leaving(wish, ExitStep.REVOKED).decide()
    assert decision.action == Wait(NOW + 5)
    assert decision.deeds.exit is ExitStep.SETTLING_AGAIN
    action = leaving(wish, ExitStep.SETTLING_AGAIN).action
    assert isinstance(action, Verdict)
    assert (action.verdict, action.by) == (wish.verdict, wish.by)


@pytest.mark.parametrize("wish", WISHES)
@pytest.mark.parametrize("step", [ExitStep.SETTLING, ExitStep.SETTLING_AGAIN])
def test_a_settle_time_counts_until_a_reading_begun_after_it(
    wish: ExitWish, step: ExitStep
) -> None:
    assert leaving(wish, step, at=NOW - 4).action == Wait(NOW + 1)
    late = replace(leaving(wish, step, at=NOW - 4), now=NOW + 3)
    assert late.action == Wait(NOW + 3)


@pytest.mark.parametrize("wish", WISHES)
def test_a_settle_time_begins_with_an_answered_read(wish: ExitWish) -> None:
    asked_later = replace(leaving(wish, ExitStep.REVOKED, at=NOW + 1), now=NOW + 1)
    assert asked_later.action == Wait(NOW + 1)
    assert asked_later.decide().deeds.exit is ExitStep.REVOKED


@pytest.mark.parametrize(
    ("step", "during"),
    [(ExitStep.STORED, ExitStep.BARRIER), (ExitStep.REVOKED, ExitStep.BARRIER_AGAIN)],
)
def test_a_host_with_a_queue_is_asked_for_its_barrier_before_and_after(
    step: ExitStep, during: ExitStep
) -> None:
    decision = replace(leaving(FAILURE, step), barrier=True).decide()
    assert decision.action == Barrier()
    assert decision.deeds.exit is during
    assert replace(leaving(FAILURE, during), barrier=True).action == Wait()


@pytest.mark.parametrize("wish", [COMPLETED, FAILURE, CANCELLED, NOT_STARTED, SAID_FAILED])
@pytest.mark.parametrize("step", list(ExitStep))
def test_a_lost_link_begins_it_from_the_top(wish: ExitWish, step: ExitStep) -> None:
    away = replace(leaving(wish, step), link=Link.OFFLINE, look=None).decide()
    assert away.action == Wait()
    assert away.deeds.exit is ExitStep.NONE
    back = replace(leaving(wish, step), deeds=away.deeds).decide()
    assert back.action == Wait(NOW + 5)
    assert back.deeds.exit is ExitStep.SETTLING


@pytest.mark.parametrize("step", [ExitStep.SETTLING_AGAIN, ExitStep.REVOKED])
def test_a_broken_connection_begins_it_from_the_top_though_nothing_was_decided_meanwhile(
    step: ExitStep,
) -> None:
    kept = leaving(FAILURE, step).deeds.unwatched()
    assert replace(leaving(FAILURE, step), deeds=kept).action == Wait(NOW + 5)


@pytest.mark.parametrize("look", [RUNS, PAUSED])
@pytest.mark.parametrize("step", list(ExitStep))
def test_a_proven_completion_is_kept_while_somebody_prints_the_file_again(
    look: Reading | None, step: ExitStep
) -> None:
    decision = replace(leaving(COMPLETED, step), look=look).decide()
    assert decision.action == Wait()
    assert decision.deeds.exit is ExitStep.NONE


@pytest.mark.parametrize("wish", [w for w in WISHES if w is not COMPLETED])
@pytest.mark.parametrize("look", [RUNS, PAUSED])
def test_a_run_contradicts_every_other_verdict(wish: ExitWish, look: Reading | None) -> None:
    decision = replace(leaving(wish, ExitStep.SETTLING_AGAIN), look=look).decide()
    assert isinstance(decision.action, AbandonExit)
    assert decision.deeds.exit is ExitStep.NONE


@pytest.mark.parametrize("wish", [FAILURE, CANCELLED, NOT_STARTED, SAID_NOT_STARTED, SAID_FAILED])
def test_a_completion_outweighs_every_other_verdict(wish: ExitWish) -> None:
    action = replace(leaving(wish, ExitStep.SETTLING_AGAIN), look=DONE).action
    assert isinstance(action, BeginExit)
    assert (action.verdict, action.by) == (PrintState.COMPLETED, "observation")


@pytest.mark.parametrize("wish", [NOT_STARTED, SAID_NOT_STARTED])
def test_a_failure_outweighs_not_started(wish: ExitWish) -> None:
    action = replace(leaving(wish, ExitStep.SETTLING_AGAIN), look=FAILED).action
    assert isinstance(action, BeginExit)
    assert action.verdict is PrintState.FAILED


@pytest.mark.parametrize("wish", [COMPLETED, FAILURE, CANCELLED, SAID_FAILED])
def test_history_that_died_with_the_file_need_not_reappear(wish: ExitWish) -> None:
    moment = replace(leaving(wish, ExitStep.SETTLING_AGAIN), look=IDLE)
    assert isinstance(moment.action, Verdict)


def test_not_started_needs_the_proof_until_the_end() -> None:
    action = replace(leaving(NOT_STARTED, ExitStep.SETTLING_AGAIN), look=IDLE).action
    assert isinstance(action, Move)
    assert action.event is Event.PROOF_INCOMPLETE


def test_a_start_that_we_withheld_is_proof_enough() -> None:
    moment = leaving(NOT_STARTED, ExitStep.SETTLING_AGAIN)
    withheld = moment.deeds.starting(Start.WITHHELD, NOW - 20)
    assert isinstance(replace(moment, look=IDLE, deeds=withheld).action, Verdict)


@pytest.mark.parametrize("activity", [Activity.HALTED, Activity.FOREIGN])
def test_not_started_is_not_said_of_a_printer_that_is_not_idle(activity: Activity) -> None:
    look = reading(activity, silent=True)
    action = replace(leaving(NOT_STARTED, ExitStep.SETTLING_AGAIN), look=look).action
    assert isinstance(action, Move)


@pytest.mark.parametrize("wish", [NOT_STARTED, FAILURE])
@pytest.mark.parametrize("look", [DOUBTFUL, DOUBTFUL_FAILURE])
def test_a_doubt_drops_an_observed_verdict_that_prints_anew(
    wish: ExitWish, look: Reading | None
) -> None:
    doubted = replace(leaving(wish, ExitStep.SETTLING_AGAIN), look=look)
    assert isinstance(doubted.action, AbandonExit)


@pytest.mark.parametrize("wish", [COMPLETED, CANCELLED, SAID_FAILED])
@pytest.mark.parametrize("look", [DOUBTFUL, DOUBTFUL_FAILURE])
def test_other_verdicts_stand_against_a_doubt(wish: ExitWish, look: Reading | None) -> None:
    moment = replace(leaving(wish, ExitStep.SETTLING_AGAIN), look=look)
    assert isinstance(moment.action, Verdict)


def test_a_person_cannot_say_never_started_of_a_print_that_ended() -> None:
    moment = replace(leaving(SAID_NOT_STARTED, ExitStep.SETTLING_AGAIN), look=DOUBTFUL_FAILURE)
    assert isinstance(moment.action, AbandonExit)


def test_a_person_may_say_not_started_where_the_proof_is_missing() -> None:
    moment = replace(leaving(SAID_NOT_STARTED, ExitStep.SETTLING_AGAIN), look=DOUBTFUL)
    assert isinstance(moment.action, Verdict)


@pytest.mark.parametrize("exit_begun", [False, True])
@pytest.mark.parametrize("outcome", [PrintState.NOT_STARTED, PrintState.FAILED])
def test_a_persons_word_that_prints_anew_does_not_outlive_a_gap_in_the_watch(
    outcome: PrintState, exit_begun: bool
) -> None:
    """The late start may have run unseen meanwhile, from a file that is deleted by now."""
    wish = ExitWish(outcome, "person") if exit_begun else None
    word = Word(outcome, Bed.CLEAR)
    said = Moment(PrintState.NEEDS_ATTENTION, look=IDLE, exit=wish, word=word)
    assert isinstance(said.action, AbandonExit)


def test_a_persons_completed_outlives_a_gap_in_the_watch() -> None:
    word = Word(PrintState.COMPLETED, Bed.OCCUPIED)
    said = Moment(PrintState.NEEDS_ATTENTION, look=IDLE, word=word)
    assert isinstance(said.action, BeginExit)


@pytest.mark.parametrize("outcome", [PrintState.NOT_STARTED, PrintState.FAILED])
def test_a_persons_word_counts_on_an_unbroken_watch(outcome: PrintState) -> None:
    watched = Moment(PrintState.NEEDS_ATTENTION, look=IDLE).decide().deeds
    word = Word(outcome, Bed.CLEAR)
    said = Moment(PrintState.NEEDS_ATTENTION, look=IDLE, word=word, deeds=watched)
    assert isinstance(said.action, BeginExit)
    broken = replace(said, deeds=watched.unwatched())
    assert isinstance(broken.action, AbandonExit)


def test_a_newer_word_replaces_an_older_one() -> None:
    newer = Word(PrintState.COMPLETED, Bed.OCCUPIED)
    action = replace(leaving(SAID_FAILED, ExitStep.SETTLING), word=newer).action
    assert isinstance(action, BeginExit)
    assert (action.verdict, action.by) == (PrintState.COMPLETED, "person")


@pytest.mark.parametrize("activity", [Activity.BUSY, Activity.UNKNOWN, Activity.PAUSED])
def test_a_busy_printer_is_waited_for_without_reading_it_in_a_loop(activity: Activity) -> None:
    look = reading(activity)
    assert replace(leaving(FAILURE, ExitStep.SETTLING), look=look).action == Wait()


@pytest.mark.parametrize("look", [SILENT, HALTED, FOREIGN])
def test_a_stopped_printer_lets_the_file_be_deleted(look: Reading | None) -> None:
    assert replace(leaving(FAILURE, ExitStep.SETTLING), look=look).action == Revoke()


def test_a_stored_order_is_dropped_before_the_print_leaves() -> None:
    stored = Deeds().ordering(Order.STORED, "pause", NOW - 9)
    assert isinstance(replace(leaving(FAILURE, ExitStep.STORED), deeds=stored).action, DropOrder)


def test_an_override_ends_an_exit_that_cannot_go_on() -> None:
    word = Word(PrintState.NOT_STARTED, Bed.UNKNOWN, override=True)
    away = replace(leaving(FAILURE, ExitStep.SETTLING), look=None, link=Link.OFFLINE, word=word)
    action = away.action
    assert isinstance(action, Verdict)
    assert (action.verdict, action.by) == (PrintState.NOT_STARTED, "override")


@pytest.mark.parametrize("step", ExitStep)
def test_an_override_ends_no_exit_of_a_printer_in_sight(step: ExitStep) -> None:
    word = Word(PrintState.NOT_STARTED, Bed.UNKNOWN, override=True)
    seen = leaving(FAILURE, step)
    action = replace(seen, word=word, deeds=seen.deeds.watched()).action
    assert action == replace(seen, deeds=seen.deeds.watched()).action


@pytest.mark.parametrize("link", [Link.CONNECTING, Link.SYNCING, Link.DEGRADED])
def test_an_override_ends_no_exit_while_the_connection_is_being_made(link: Link) -> None:
    word = Word(PrintState.NOT_STARTED, Bed.UNKNOWN, override=True)
    trying = replace(leaving(FAILURE, ExitStep.SETTLING), look=None, link=link, word=word)
    assert trying.action == Wait()
