"""The kill sweep on PostgreSQL: the steps of claims, intents, exits and take-overs, one kill each.

All the kill points of test_kill_sweep.py run there by hand: `python -m tests.faults.points`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests import postgres
from tests.faults.lanes import Outcome, lanes
from tests.faults.points import chosen, trial_of
from tests.faults.worlds import POSTGRESQL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.faults.kill_points import KillPoint


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def outcomes(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, Outcome]]:
    postgres.server()
    folder = tmp_path_factory.mktemp("sweep")
    async with lanes(folder, count=4, subnet=24, database=POSTGRESQL) as found:
        yield await found.run([trial_of(point) for point in chosen()])


@pytest.mark.timeout(600)
@pytest.mark.parametrize("point", chosen(), ids=lambda point: point.name)
@pytest.mark.asyncio(loop_scope="module")
async def test_a_kill_there_neither_loses_nor_doubles_a_print(
    outcomes: dict[str, Outcome], point: KillPoint
) -> None:
    outcome = outcomes[point.name]
    assert not outcome.problems, "\n".join(outcome.problems)
    assert outcome.reached, f"{outcome.tries} such days did not come by this step"
