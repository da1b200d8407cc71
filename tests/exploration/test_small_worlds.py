"""In every small world, explored to exhaustion, the promises hold and an end can be reached."""

from __future__ import annotations

from functools import cache
from typing import get_args

import pytest

from buildplate.core.actions import Action, Intend, Move, NameUpload, Verdict
from buildplate.core.print_table import AFTER_INTENT, EXIT_EVENT, NEXT, Event, PrintState
from tests.exploration.explorer import Outcome, explore
from tests.exploration.report import told
from tests.exploration.world import Scene
from tests.exploration.worlds import SMALL

MOST = 50_000

S = PrintState
# Not decided by next_action: the planner claims, a person cancels what is queued.
ELSEWHERE = {(S.QUEUED, Event.READY_PRINTER), (S.QUEUED, Event.CANCEL)}

# The table lets every print after its intent take every exit; next_action goes by another state.
UNUSED = {
    *[(state, Event.EXIT_CANCELLED) for state in AFTER_INTENT if state is not S.CANCELLING],
    *[(state, Event.EXIT_NOT_STARTED) for state in (S.PRINTING, S.PAUSED, S.CANCELLING)],
    (S.CANCELLING, Event.EXIT_FAILED),
    (S.NEEDS_ATTENTION, Event.PROOF_INCOMPLETE),
}


@cache
def outcome_of(scene: Scene) -> Outcome:
    return explore(scene, MOST)


@pytest.mark.parametrize("scene", SMALL, ids=lambda scene: scene.name)
def test_every_promise_holds_and_an_end_can_be_reached(scene: Scene) -> None:
    outcome = outcome_of(scene)
    assert outcome.holds, told(outcome)


def decided() -> set[tuple[PrintState, Action]]:
    return set().union(*(outcome_of(scene).decided for scene in SMALL))


def event_of(action: Action) -> Event | None:
    match action:
        case NameUpload():
            return Event.NEW_UPLOAD
        case Intend():
            return Event.UPLOAD_VERIFIED
        case Move():
            return action.event
        case Verdict():
            return EXIT_EVENT[action.verdict]
        case _:
            return None


def test_the_small_worlds_use_every_action() -> None:
    assert {type(action) for _, action in decided()} == set(get_args(Action))


def test_the_small_worlds_use_every_row_of_the_table() -> None:
    rows = {(state, event_of(action)) for state, action in decided()}
    assert set(NEXT) - rows - ELSEWHERE - UNUSED == set()
