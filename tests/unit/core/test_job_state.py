"""What a job is follows from its prints, in every small world."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import combinations_with_replacement

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildplate.core.job_state import (
    Attempt,
    CopyChange,
    JobState,
    TooFewCopies,
    change_copies,
    is_overdue,
    job_state,
    retries_left,
    retry_pause,
    wants_replacement,
)
from buildplate.core.print_table import ACTIVE, PrintState

NOW = datetime(2030, 6, 1, tzinfo=UTC)
P = PrintState
SPENT = {P.FAILED, P.NOT_STARTED}


def attempts(*states: PrintState) -> list[Attempt]:
    return [Attempt(f"p{n}", n, state) for n, state in enumerate(states, 1)]


def every_small_job() -> list[tuple[bool, int, list[Attempt]]]:
    """Every mixture of up to three prints, for one to three copies, cancelled or not."""
    return [
        (cancelled, copies, attempts(*states))
        for cancelled in (False, True)
        for copies in (1, 2, 3)
        for count in (1, 2, 3)
        for states in combinations_with_replacement(P, count)
    ]


def test_the_state_of_every_small_job_is_the_one_truth_md_gives_it() -> None:
    for cancelled, copies, prints in every_small_job():
        states = {p.state for p in prints}
        done = sum(p.state is P.COMPLETED for p in prints)
        found = job_state(hold=False, cancelled=cancelled, copies=copies, prints=prints)
        says = {
            JobState.ACTIVE: bool(states & ACTIVE),
            JobState.COMPLETED: not states & ACTIVE and done >= copies,
            JobState.CANCELLED: not states & ACTIVE and done < copies and cancelled,
            JobState.QUEUED: (
                not states & ACTIVE and done < copies and not cancelled and P.QUEUED in states
            ),
            JobState.FAILED: (
                not states & (ACTIVE | {P.QUEUED}) and done < copies and not cancelled
            ),
        }
        assert [state for state, holds in says.items() if holds] == [found], prints


def test_hold_never_changes_a_job_s_state() -> None:
    for cancelled, copies, prints in every_small_job():
        held, free = (
            job_state(hold=hold, cancelled=cancelled, copies=copies, prints=prints)
            for hold in (True, False)
        )
        assert held is free


def test_a_completed_print_of_a_copy_counts_once_however_many_attempts_it_took() -> None:
    prints = [Attempt("a", 1, P.FAILED), Attempt("b", 1, P.COMPLETED), Attempt("c", 2, P.FAILED)]
    assert job_state(hold=False, cancelled=False, copies=2, prints=prints) is JobState.FAILED
    prints.append(Attempt("d", 2, P.COMPLETED))
    assert job_state(hold=False, cancelled=False, copies=2, prints=prints) is JobState.COMPLETED


@pytest.mark.parametrize("state", JobState)
def test_only_a_job_with_work_left_is_overdue(state: JobState) -> None:
    due = NOW - timedelta(seconds=1)
    assert is_overdue(due, state, NOW) is (state in {JobState.QUEUED, JobState.ACTIVE})
    assert not is_overdue(None, state, NOW)
    assert not is_overdue(NOW, state, NOW)


def test_retries_count_per_copy_and_a_print_that_never_started_costs_one() -> None:
    prints = [Attempt("a", 1, P.FAILED), Attempt("b", 1, P.NOT_STARTED), Attempt("c", 2, P.FAILED)]
    assert [retries_left(2, copy, prints) for copy in (1, 2, 3)] == [1, 2, 3]
    assert retries_left(0, 1, prints) == 0


@given(retries=st.integers(0, 4), ends=st.lists(st.sampled_from(sorted(SPENT)), max_size=12))
def test_a_copy_is_tried_once_and_then_at_most_as_often_as_retries_allow(
    retries: int, ends: list[PrintState]
) -> None:
    prints: list[Attempt] = []
    for end in ends:
        prints.append(Attempt(f"p{len(prints)}", 1, end))
        if not wants_replacement(cancelled=False, copies=1, retries=retries, copy=1, prints=prints):
            break
    assert len(prints) <= retries + 1
    if len(ends) > retries:
        assert len(prints) == retries + 1


def test_only_the_copy_that_failed_is_tried_again() -> None:
    prints = attempts(P.COMPLETED, P.FAILED, P.PRINTING)
    wanted = [
        copy
        for copy in (1, 2, 3)
        if wants_replacement(cancelled=False, copies=3, retries=1, copy=copy, prints=prints)
    ]
    assert wanted == [2]


def test_no_replacement_for_a_cancelled_job_or_copies_no_longer_wanted() -> None:
    prints = attempts(P.FAILED, P.COMPLETED)
    wanted = [
        wants_replacement(cancelled=cancelled, copies=copies, retries=3, copy=1, prints=prints)
        for cancelled, copies in ((True, 2), (False, 1), (False, 2))
    ]
    assert wanted == [False, False, True]


def test_the_pause_before_a_retry_doubles_up_to_fifteen_minutes() -> None:
    pauses = [retry_pause(n).total_seconds() for n in (1, 2, 3, 6, 100)]
    assert pauses == [30, 60, 120, 900, 900]


def test_raising_copies_adds_prints_for_new_copies() -> None:
    assert change_copies(2, 4, attempts(P.FAILED, P.QUEUED)) == CopyChange(add=(3, 4))


def test_lowering_copies_removes_the_last_queued_prints_only() -> None:
    prints = attempts(P.COMPLETED, P.QUEUED, P.PRINTING, P.QUEUED)
    assert change_copies(4, 3, prints) == CopyChange(remove=("p4",))
    assert change_copies(4, 2, prints) == CopyChange(remove=("p2", "p4"))


def test_a_copy_that_failed_for_good_makes_room_when_copies_are_lowered() -> None:
    assert change_copies(3, 2, attempts(P.FAILED, P.QUEUED, P.QUEUED)) == CopyChange()


@given(
    old=st.integers(1, 6),
    new=st.integers(0, 6),
    states=st.lists(st.sampled_from(P), max_size=6),
)
def test_changing_copies_never_leaves_more_alive_than_wanted(
    old: int, new: int, states: list[PrintState]
) -> None:
    prints = attempts(*states[:old])
    working = sum(p.state in ACTIVE or p.state is P.COMPLETED for p in prints)
    if new < max(1, working):
        with pytest.raises(TooFewCopies) as refused:
            change_copies(old, new, prints)
        assert refused.value.least == max(1, working)
        return
    change = change_copies(old, new, prints)
    kept = [p for p in prints if p.print_id not in change.remove]
    alive = [p for p in kept if p.state not in SPENT | {P.CANCELLED}]
    assert len(alive) + len(change.add) <= new
    assert {p.state for p in prints if p.print_id in change.remove} <= {P.QUEUED}
    assert not set(change.add) & {p.copy for p in prints}
