"""Three minutes in scaled time: links come and go, and nothing grows or is left behind."""

import pytest
import uvloop

from tests.faults.soak import END_S, QUIET_S, WARM_UP_JOBS, soak

JOBS = 240
EVERY_S = 0.4
MOST_GROWTH_MB = 40.0


@pytest.mark.timeout(END_S * 2 + QUIET_S * 4)
def test_flapping_links_leave_nothing_behind_and_lose_nothing() -> None:
    done = uvloop.run(soak(JOBS, EVERY_S))
    print(f"memory {done.memory[0][1]:.0f} MB, grown by {done.grown_mb:.1f} MB")
    print(f"tasks online, descriptors and tasks off: {done.before}, then {done.after}")
    assert done.after == done.before
    assert done.grown_mb < MOST_GROWTH_MB
    assert done.completed == JOBS + WARM_UP_JOBS
    assert not done.collisions
