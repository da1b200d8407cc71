"""What a restore makes of the prints that a backup holds, on every engine."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from buildplate.core.print_table import AFTER_INTENT, PrintState
from buildplate.dispatch.forgotten import Restored, end_doubt, settle_prints
from buildplate.storage import Storage, Tx, from_json, script, tables, to_micros
from tests.contract.storage_engines import ENGINES, NOW, add, all_rows, opened

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

EVENT_ID = "00000000-0000-7000-8000-000000000001"


@pytest.fixture
async def storage(engine: str, tmp_path: Path) -> AsyncIterator[Storage]:
    async with opened(engine, tmp_path) as found:
        yield found


@script
async def settle(tx: Tx) -> None:
    await settle_prints(tx, Restored(NOW, NOW - timedelta(hours=1), "restored", EVENT_ID))


@script
async def ended(tx: Tx, print_id: str) -> bool:
    return await end_doubt(tx, print_id)


async def job_of(storage: Storage, number: int, state: PrintState, **more: Any) -> None:
    """A job with one print in this state, on a printer of its own."""
    cancelled = more.pop("cancelled", False)
    await storage.write(
        add, "jobs", id=f"job{number}", number=number, file_id="file", cancelled=cancelled
    )
    where = {}
    if state is not PrintState.QUEUED:
        name = f"printer{number}"
        await storage.write(add, "printers", id=name, number=number, name=name)
        where = {"printer_id": name, "fence": 1}
    values = {"id": f"p{number}", "number": number, "job_id": f"job{number}", **where}
    await storage.write(add, "prints", state=state.value, **values, **more)


async def prints(storage: Storage) -> dict[str, Any]:
    return {row["id"]: row for row in await storage.read(all_rows, tables.prints)}


async def told(storage: Storage) -> dict[str, Any]:
    return {row["print_id"]: row for row in await storage.read(all_rows, tables.events)}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("state", [PrintState.CLAIMED, PrintState.TRANSFERRING])
@pytest.mark.parametrize("wish", [{"wants_cancel": True}, {"cancelled": True}])
async def test_a_print_that_was_to_be_cancelled_does_not_wait_for_ever(
    storage: Storage, state: PrintState, wish: dict[str, bool]
) -> None:
    await storage.write(add, "print_files", id="file", sha256="0")
    await job_of(storage, 1, state, attempt=1, **wish)
    await storage.write(settle)
    print_ = (await prints(storage))["p1"]
    assert (print_["state"], print_["ended_at"]) == ("cancelled", to_micros(NOW))
    event = (await told(storage))["p1"]
    assert (event["kind"], event["printer_id"]) == ("print.cancelled", "printer1")
    assert event["job_id"] == "job1"


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_print_on_its_way_waits_again_and_its_event_says_so(storage: Storage) -> None:
    await storage.write(add, "print_files", id="file", sha256="0")
    await job_of(storage, 1, PrintState.TRANSFERRING, attempt=3)
    await job_of(storage, 2, PrintState.CLAIMED)
    await job_of(storage, 3, PrintState.QUEUED, reason="as it was")
    await storage.write(settle)
    found, said = await prints(storage), await told(storage)
    assert {row["state"] for row in found.values()} == {"queued"}
    assert found["p3"]["reason"] == "as it was"
    assert said.keys() == {None, "p1", "p2"}, "the third one has not changed its state"
    assert said["p1"]["kind"] == said["p2"]["kind"] == "print.queued"
    assert said["p1"]["printer_id"] == "printer1", "where it was, as when it is given back"
    assert from_json(said["p1"]["data"])["reason"] == found["p1"]["reason"]
    waiting = [row["event_id"] for row in await storage.read(all_rows, tables.outbox)]
    assert sorted(waiting) == sorted(row["id"] for row in said.values())


@pytest.mark.parametrize("engine", ENGINES)
async def test_prints_past_their_intent_are_doubted_until_they_end(storage: Storage) -> None:
    await storage.write(add, "print_files", id="file", sha256="0")
    states = sorted(AFTER_INTENT)
    for number, state in enumerate(states, start=1):
        await job_of(storage, number, state, intent_at=1)
    await job_of(storage, 90, PrintState.QUEUED)
    before = await prints(storage)
    await storage.write(settle)
    assert await prints(storage) | {"p90": before["p90"]} == before, "they are looked for"
    for number in range(1, len(states) + 1):
        assert await storage.write(ended, f"p{number}") is True
        assert await storage.write(ended, f"p{number}") is False
    assert await storage.write(ended, "p90") is False
