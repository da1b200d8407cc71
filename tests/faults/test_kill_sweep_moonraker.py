"""Killed around the barrier that only Klipper has, the farm loses nothing and doubles nothing.

`python -m tests.faults.points --driver moonraker` kills at every step of the days that it can have.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from buildplate.fleet.hands import PhysicalStep
from tests.faults.kill_points import NOT_REACHED
from tests.faults.lanes import lanes
from tests.faults.points import barriers, trial_of
from tests.faults.worlds import MOONRAKER


@pytest.mark.timeout(300)
async def test_a_kill_around_the_barrier_neither_loses_nor_doubles_a_print(tmp_path: Path) -> None:
    trials = [trial_of(point) for point in barriers()]
    async with lanes(tmp_path, count=2, subnet=32, driver=MOONRAKER) as found:
        outcomes = await found.run(trials)
    assert {name: one.problems for name, one in outcomes.items() if not one.kept} == {}
    assert len(outcomes) == 2


def test_what_no_other_sweep_comes_by_is_killed_here() -> None:
    assert set(NOT_REACHED) == {PhysicalStep.BARRIER}
