"""In every small world, explored to exhaustion, the promises hold and an end can be reached."""

from __future__ import annotations

import pytest

from tests.exploration.explorer import explore
from tests.exploration.report import told
from tests.exploration.world import Scene
from tests.exploration.worlds import SMALL

MOST = 50_000


@pytest.mark.parametrize("scene", SMALL, ids=lambda scene: scene.name)
def test_every_promise_holds_and_an_end_can_be_reached(scene: Scene) -> None:
    outcome = explore(scene, MOST)
    assert outcome.holds, told(outcome)
