"""Killed where a streamed print is begun, ends or is in doubt, the farm loses and doubles nothing.

`python -m tests.faults.points --driver marlin` kills at every step of the days that it can have.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.lanes import lanes
from tests.faults.points import NEVER_SERIAL, trials_of
from tests.faults.worlds import MARLIN

SLICE = (
    "plain-committed:dispatch.transitions.intend-1",
    "plain-moved:starting>not_started-1",
    "plain-moved:printing>failed-1",
    "cancelled-moved:printing>cancelling-1",
    "alone-line:30",
    "alone-after:note.tail",
    "alone-after:note.ended",
)
"""A start that was meant and not sent; ends known, unknown and told; a cancel under way."""


@pytest.mark.timeout(300)
async def test_a_farm_killed_while_it_streams_neither_loses_nor_doubles_a_print(
    tmp_path: Path,
) -> None:
    trials = [one for one in trials_of(MARLIN) if one.name in SLICE]
    assert len(trials) == len(SLICE), "a kill point of the slice is gone"
    async with lanes(tmp_path, count=3, subnet=36, driver=MARLIN) as found:
        outcomes = await found.run(trials)
    assert {name: one.problems for name, one in outcomes.items() if not one.kept} == {}


def test_what_is_left_out_for_streamed_prints_is_a_kill_point_of_others() -> None:
    steps = {kill.step for one in trials_of("octoprint") for kill in one.kills if kill}
    assert set(NEVER_SERIAL) <= steps
