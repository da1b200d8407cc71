"""What a bad moment must not make the farm do, tried on the program as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests import postgres
from tests.faults.lanes import Outcome, lanes
from tests.faults.promises import PROMISES, trials

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def outcomes(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, Outcome]]:
    async with lanes(tmp_path_factory.mktemp("promises"), count=4, subnet=28) as found:
        yield await found.run(trials())


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", PROMISES)
@pytest.mark.asyncio(loop_scope="module")
async def test_a_promise_is_kept(outcomes: dict[str, Outcome], name: str) -> None:
    if name not in outcomes:
        pytest.skip(postgres.MISSING)
    assert not outcomes[name].problems, "\n".join(outcomes[name].problems)
    assert outcomes[name].reached, "the moment never came"
