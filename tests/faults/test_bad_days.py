"""Bad days of a printer's host, of the network and of the server: each ends as it is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.faults import bad_days, server_days
from tests.faults.lanes import Outcome, lanes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TRIALS = [*bad_days.trials(), *server_days.trials()]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def outcomes(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, Outcome]]:
    async with lanes(tmp_path_factory.mktemp("days"), count=4, subnet=32) as found:
        yield await found.run(TRIALS)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", [trial.name for trial in TRIALS])
@pytest.mark.asyncio(loop_scope="module")
async def test_a_bad_day_ends_as_it_is_written(outcomes: dict[str, Outcome], name: str) -> None:
    assert not outcomes[name].problems, "\n".join(outcomes[name].problems)
