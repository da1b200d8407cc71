"""What the ledger of physical commands answers, on every engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from buildplate.fleet import ledger
from buildplate.fleet.model import CommandState
from buildplate.storage import Storage, Tx, script
from tests.contract.storage_engines import ENGINES, add, add_farm, opened

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture(params=ENGINES)
async def storage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Storage]:
    async with opened(request.param, tmp_path) as storage:
        await storage.write(add_farm, 0)
        yield storage


@script
async def add_every_command(tx: Tx) -> None:
    """Of a printer one command in each state, the latest first; one in flight is all there may be.

    Another printer has one that is in flight too.
    """
    states = [state.value for state in CommandState if state is not CommandState.UNKNOWN]
    for at, state in enumerate(states):
        await add(tx, "commands", id=state, printer_id="printer", state=state, asked_at=9 - at)
    await add(tx, "printers", id="other", number=2, name="other")
    await add(tx, "commands", id="unknown", printer_id="other", state="unknown")


async def test_only_commands_that_are_neither_answered_nor_settled_are_open(
    storage: Storage,
) -> None:
    await storage.write(add_every_command)
    found = await storage.read(ledger.open_commands, "printer")
    assert [(order.id, order.state.value) for order in found] == [
        ("sent", "sent"),
        ("asked", "asked"),
    ]
    (lost,) = await storage.read(ledger.open_commands, "other")
    assert lost.state is CommandState.UNKNOWN
