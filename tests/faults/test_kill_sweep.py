"""Killed at every durable and every physical step, the farm loses nothing and doubles nothing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from buildplate.core.print_table import TABLE, Event
from buildplate.fleet.hands import PhysicalStep
from tests.faults.kill_points import (
    DAY_OF,
    MOVE_OF,
    NOT_REACHED,
    PHYSICAL_DAY_OF,
    KillPoint,
    kill_points,
    program_scripts,
)
from tests.faults.lanes import Outcome, lanes
from tests.faults.points import trial_of
from tests.faults.scenarios import DAYS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

POINTS = kill_points()
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "proofs.md"


def test_every_durable_and_every_physical_step_of_the_program_has_a_kill_point() -> None:
    steps = {point.kill.step for point in POINTS}
    for name in program_scripts():
        assert {f"before:{name}", f"committed:{name}"} <= steps, f"{name} is never killed"
    assert sorted(DAY_OF) == program_scripts(), "a day is named for a script that is gone"
    for step in PhysicalStep:
        assert step in NOT_REACHED or {f"before:{step}", f"answered:{step}"} <= steps
    assert not set(NOT_REACHED) & set(PHYSICAL_DAY_OF)


def test_every_event_of_the_table_of_states_is_killed_right_after_it() -> None:
    assert set(MOVE_OF) == set(Event), "an event has no kill point, or one is gone"
    for event, (_, move, *_) in MOVE_OF.items():
        before, _, after = move.partition(">")
        rows = {(row.state.value, row.next.value) for row in TABLE if row.event is event}
        assert (before, after) in rows, f"{event} does not move a print from {before} to {after}"


def test_the_page_of_proofs_counts_the_kill_points_and_days_as_they_are() -> None:
    page = PAGE.read_text()
    for what, number in (("kill points", len(POINTS)), ("days", len(DAYS))):
        said = re.findall(rf"^\| {what} \| (\d+) \|$", page, re.MULTILINE)
        assert said == [str(number)], f"{PAGE.name} says {said} {what}, there are {number}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def outcomes(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, Outcome]]:
    async with lanes(tmp_path_factory.mktemp("sweep"), count=5, subnet=20) as found:
        yield await found.run([trial_of(point) for point in POINTS])


@pytest.mark.timeout(600)
@pytest.mark.parametrize("point", POINTS, ids=lambda point: point.name)
@pytest.mark.asyncio(loop_scope="module")
async def test_a_kill_there_neither_loses_nor_doubles_a_print(
    outcomes: dict[str, Outcome], point: KillPoint
) -> None:
    outcome = outcomes[point.name]
    assert not outcome.problems, "\n".join(outcome.problems)
    assert outcome.reached, f"{outcome.tries} such days did not come by this step"
