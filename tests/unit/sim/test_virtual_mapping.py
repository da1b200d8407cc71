"""What a virtual printer's status proves about our file, and what it does not."""

from __future__ import annotations

from typing import Any

import pytest

from buildplate.drivers.sdk import Activity, Ending, Run, Watch
from buildplate_sim.virtual_driver.mapping import (
    activity,
    evidence,
    fingerprint,
    own_runs,
    push,
    time_left,
)

PATH = "bp-1-1.gcode"


def status(**changes: Any) -> dict[str, Any]:
    idle: dict[str, Any] = {
        "store": "s",
        "process": "p",
        "mode": "idle",
        "run": None,
        "path": None,
        "last_run": 5,
        "last_outcome": "completed",
        "history": [],
        "others_ran": False,
    }
    return {**idle, **changes}


def run(number: int, outcome: str | None = None) -> dict[str, Any]:
    return {"run": number, "path": PATH, "outcome": outcome, "seconds": 1.0, "reason": ""}


WATCH = Watch(PATH, {"store": "s", "last_run": 5})


def test_an_unchanged_history_proves_that_nothing_began() -> None:
    assert evidence(status(), WATCH).silent
    assert evidence(status(last_run=6, others_ran=True), WATCH).silent


def test_without_an_intent_nothing_is_proven() -> None:
    seen = evidence(status(), Watch(PATH))
    assert (seen.silent, seen.ending, seen.others_ran) == (False, None, True)


def test_a_printer_with_another_memory_proves_nothing() -> None:
    seen = evidence(status(store="new", last_run=6, history=[run(6, "completed")]), WATCH)
    assert (seen.silent, seen.ending, seen.others_ran) == (False, None, True)
    assert seen.doubt is not None


def test_a_run_from_before_the_intent_is_not_ours() -> None:
    old = status(mode="printing", run=5, path=PATH, history=[run(5)])
    assert (evidence(old, WATCH).run, evidence(old, WATCH).began_since) == (Run.RUNNING, False)
    assert evidence(status(history=[run(5, "completed")]), WATCH).ending is None


def test_an_end_counts_only_when_nothing_of_ours_runs_any_more() -> None:
    done = status(last_run=6, history=[run(6, "completed")])
    assert evidence(done, WATCH).ending is Ending.COMPLETED
    again = status(
        last_run=7, mode="printing", run=7, path=PATH, history=[run(6, "completed"), run(7)]
    )
    assert (evidence(again, WATCH).ending, evidence(again, WATCH).run) == (None, Run.RUNNING)


def test_the_fingerprint_changes_with_every_run() -> None:
    prints = {
        fingerprint(status()),
        fingerprint(status(last_run=6)),
        fingerprint(status(store="n")),
    }
    assert len(prints) == 3


@pytest.mark.parametrize(
    ("watch", "number", "seen"),
    [
        (WATCH, 6, Activity.OURS),
        (WATCH, 5, Activity.FOREIGN),
        (Watch(PATH), 6, Activity.FOREIGN),
        (Watch("other.gcode", WATCH.baseline), 6, Activity.FOREIGN),
        (None, 6, Activity.FOREIGN),
        (Watch(PATH, {"store": "lost", "last_run": 90}), 6, Activity.OURS),
    ],
)
def test_only_a_run_after_an_intent_is_ours(
    watch: Watch | None, number: int, seen: Activity
) -> None:
    printing = status(mode="printing", run=number, path=PATH, history=[run(number)])
    assert activity(printing, watch) is seen


def test_a_run_without_an_intent_or_from_before_it_is_somebody_else_s() -> None:
    ran = status(last_run=7, history=[run(5, "completed"), run(7, "completed")])
    assert own_runs(ran, WATCH, 4) == 1
    assert own_runs(ran, WATCH, 7) == 0
    assert own_runs(ran, Watch(PATH), 4) == 0
    assert own_runs(ran, None, 4) == 0


@pytest.mark.parametrize(
    ("said", "taken"),
    [
        (0, 0.0),
        (12.5, 12.5),
        (365 * 86400, 31536000.0),
        (365 * 86400 + 1, None),
        (-0.001, None),
        (float("inf"), None),
        (float("nan"), None),
        (10**400, None),
        (True, None),
        ("12", None),
        (None, None),
    ],
)
def test_a_time_left_that_makes_no_sense_is_none(said: object, taken: float | None) -> None:
    assert time_left(said) == taken
    assert push({"push": "status", "time_left_s": said}).time_left_s == taken
