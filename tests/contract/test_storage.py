"""What every engine promises to those who run transactions on it."""

from __future__ import annotations

import asyncio
import random
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import bindparam, insert, select, update

from buildplate.storage import (
    ConstraintViolated,
    EventRecord,
    ScriptError,
    Storage,
    StorageClosed,
    StorageError,
    Tx,
    from_json,
    from_micros,
    one_statement,
    script,
    tables,
    to_micros,
)
from tests.contract.storage_engines import (
    ENGINES,
    NOW,
    ONE_WRITER,
    Gate,
    add,
    add_farm,
    all_rows,
    count,
    make_storage,
    opened,
    transition,
    transitions,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def storage(engine: str, tmp_path: Path) -> AsyncIterator[Storage]:
    async with opened(engine, tmp_path) as storage:
        yield storage


@pytest.fixture
async def one_writer(engine: str, tmp_path: Path) -> AsyncIterator[Storage]:
    async with opened(engine, tmp_path, **ONE_WRITER[engine]) as storage:
        yield storage


@script
async def pass_gate(tx: Tx, gate: Gate, key: str) -> None:
    await add(tx, "farm", key=key)
    await gate.hold(tx)


@script
async def fail_after_writing(tx: Tx, key: str) -> None:
    await add(tx, "farm", key=key)
    raise LookupError(key)


async def test_what_was_written_is_read_back_and_survives_a_restart(
    engine: str, tmp_path: Path
) -> None:
    async with opened(engine, tmp_path) as storage:
        await storage.write(add_farm, 2)
    async with opened(engine, tmp_path) as storage:
        rows = await storage.read(all_rows, tables.prints)
    assert [(row["id"], row["state"], row["version"]) for row in rows] == [
        ("p1", "queued", 1),
        ("p2", "queued", 1),
    ]
    assert [bool(row["wants_cancel"]) for row in rows] == [False, False]


async def test_an_error_of_one_script_undoes_that_one_alone(engine: str, storage: Storage) -> None:
    gate = Gate(engine)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(storage.write(pass_gate, gate, "gate"))
        await gate.until_entered()
        calls = [
            storage.write(fail_after_writing, f"bad{n}")
            if n % 3 == 0
            else storage.write(add, "farm", key=f"good{n}")
            for n in range(30)
        ]
        together = asyncio.gather(*calls, return_exceptions=True)
        await asyncio.sleep(0)
        gate.go_on.set()
        outcomes = await together
    assert [isinstance(outcome, LookupError) for outcome in outcomes] == [
        n % 3 == 0 for n in range(30)
    ]
    keys = {row["key"] for row in await storage.read(all_rows, tables.farm)}
    assert keys == {"gate"} | {f"good{n}" for n in range(30) if n % 3}


async def test_an_error_of_a_lonely_script_undoes_it(storage: Storage) -> None:
    with pytest.raises(LookupError, match="bad"):
        await storage.write(fail_after_writing, "bad")
    assert await storage.read(count, "farm") == 0


async def test_an_unregistered_script_may_not_write(storage: Storage) -> None:
    async def unregistered(tx: Tx) -> None:
        await add(tx, "farm", key="x")

    with pytest.raises(ScriptError, match="not a registered"):
        await storage.write(unregistered)
    assert await storage.read(count, "farm") == 0


@script
async def wait_for_something_else(tx: Tx) -> None:
    await add(tx, "farm", key="x")
    await asyncio.sleep(0)


async def test_a_script_that_awaits_something_else_is_refused_and_undone(
    storage: Storage,
) -> None:
    with pytest.raises(ScriptError, match="wait_for_something_else"):
        await storage.write(wait_for_something_else)
    assert await storage.read(count, "farm") == 0


@script
async def hide_a_failure(tx: Tx) -> None:
    await add(tx, "farm", key="same")
    try:
        await add(tx, "farm", key="same")
    except ConstraintViolated:
        return


@script
async def go_on_after_a_failure(tx: Tx) -> None:
    try:
        await add(tx, "farm", key=None)
    except ConstraintViolated:
        await add(tx, "farm", key="x")


@pytest.mark.parametrize("bad", [hide_a_failure, go_on_after_a_failure])
async def test_a_failed_statement_ends_its_transaction_on_every_engine(
    storage: Storage, bad: Any
) -> None:
    with pytest.raises(ConstraintViolated):
        await storage.write(bad)
    assert await storage.read(count, "farm") == 0


@script
async def two_rooms_at_once(tx: Tx) -> None:
    await add(tx, "farm", key="one room")
    await fail_after_writing(tx, "the other room")


async def test_a_joined_script_is_of_the_same_transaction(storage: Storage) -> None:
    with pytest.raises(LookupError):
        await storage.write(two_rooms_at_once)
    assert await storage.read(count, "farm") == 0


async def test_of_many_that_saw_the_same_version_one_wins(storage: Storage) -> None:
    await storage.write(add_farm, 1)
    outcomes = await asyncio.gather(
        *(storage.write(transition, "p1", 1, f"e{n}") for n in range(50))
    )
    assert outcomes.count(True) == 1
    assert await storage.read(transitions) == 1


@script
async def number_then_fail(tx: Tx) -> None:
    await tx.next_number("job")
    raise LookupError


@script
async def take_number(tx: Tx, name: str) -> int:
    return await tx.next_number(name)


async def test_numbers_begin_at_one_and_have_no_holes(storage: Storage) -> None:
    assert await storage.write(take_number, "job") == 1
    with pytest.raises(LookupError):
        await storage.write(number_then_fail)
    numbers = await asyncio.gather(*(storage.write(take_number, "job") for _ in range(20)))
    assert sorted(numbers) == list(range(2, 22))
    assert await storage.write(take_number, "print") == 1


async def test_an_unknown_counter_is_a_bug(storage: Storage) -> None:
    with pytest.raises(ScriptError, match="printr"):
        await storage.write(take_number, "printr")


@script
async def record_one(tx: Tx, event: EventRecord) -> None:
    await tx.record(event)


async def test_an_event_is_stored_whole_and_waits_in_the_outbox(storage: Storage) -> None:
    event = EventRecord("e1", NOW, "bed.cleared", "printer", "job", "p1", {"by": "Ada", "n": 1})
    await storage.write(record_one, event)
    (row,) = await storage.read(all_rows, tables.events)
    assert row["seq"] is None
    assert EventRecord(
        row["id"],
        from_micros(row["at"]),
        row["kind"],
        row["printer_id"],
        row["job_id"],
        row["print_id"],
        from_json(row["data"]),
    ) == (event)
    assert [row["event_id"] for row in await storage.read(all_rows, tables.outbox)] == ["e1"]


async def test_the_bell_rings_only_when_events_were_recorded(storage: Storage) -> None:
    rung = []
    storage.on_recorded = lambda: rung.append(1)
    await storage.write(add, "farm", key="x")
    assert rung == []
    await storage.write(record_one, EventRecord("e1", NOW, "bed.cleared"))
    assert rung == [1]


async def test_a_caller_cancelled_before_its_turn_never_ran(
    engine: str, one_writer: Storage
) -> None:
    gate = Gate(engine)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(one_writer.write(pass_gate, gate, "gate"))
        await gate.until_entered()
        waiting = tasks.create_task(one_writer.write(add, "farm", key="cancelled"))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        gate.go_on.set()
    await one_writer.write(add, "farm", key="after")
    keys = {row["key"] for row in await one_writer.read(all_rows, tables.farm)}
    assert keys == {"gate", "after"}


async def test_a_caller_cancelled_in_mid_transaction_harms_nobody(
    engine: str, one_writer: Storage
) -> None:
    gate = Gate(engine)
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(one_writer.write(pass_gate, gate, "gate"))
        await gate.until_entered()
        first.cancel()
        await asyncio.wait([first])
        gate.go_on.set()
    await one_writer.write(add, "farm", key="after")
    keys = {row["key"] for row in await one_writer.read(all_rows, tables.farm)}
    assert keys == {"gate", "after"}


async def test_a_reader_neither_waits_for_a_writer_nor_sees_its_half(
    engine: str, storage: Storage
) -> None:
    await storage.write(add, "farm", key="before")
    gate = Gate(engine)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(storage.write(pass_gate, gate, "gate"))
        await gate.until_entered()
        async with asyncio.timeout(5):
            assert await storage.read(count, "farm") == 1
        gate.go_on.set()
    assert await storage.read(count, "farm") == 2


async def read_twice(tx: Tx, gate: Gate) -> tuple[int, int]:
    first = await count(tx, "farm")
    await gate.hold(tx)
    return first, await count(tx, "farm")


async def test_a_reader_sees_one_moment(engine: str, storage: Storage) -> None:
    gate = Gate(engine)
    async with asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(storage.read(read_twice, gate))
        await gate.until_entered()
        await storage.write(add, "farm", key="meanwhile")
        gate.go_on.set()
    assert reading.result() == (0, 0)


async def test_a_reader_can_not_write(storage: Storage) -> None:
    with pytest.raises(StorageError):
        await storage.read(add, "farm", key="x")
    assert await storage.read(count, "farm") == 0


async def test_a_full_queue_makes_writers_wait(engine: str, tmp_path: Path) -> None:
    gate = Gate(engine)
    bounds = {"queue_limit": 2} if engine == "sqlite" else ONE_WRITER[engine]
    async with opened(engine, tmp_path, **bounds) as storage, asyncio.TaskGroup() as tasks:
        tasks.create_task(storage.write(pass_gate, gate, "gate"))
        await gate.until_entered()
        calls = [tasks.create_task(storage.write(add, "farm", key=f"{n}")) for n in range(9)]
        await asyncio.sleep(0.05)
        calls[4].cancel()
        gate.go_on.set()
        await asyncio.wait(calls)
        keys = {row["key"] for row in await storage.read(all_rows, tables.farm)}
    # The fifth waited outside the queue: it was cancelled there and never came in.
    assert keys == {"gate"} | {f"{n}" for n in range(9) if n != 4}


async def test_closing_finishes_what_is_queued_and_refuses_the_rest(
    engine: str, tmp_path: Path
) -> None:
    storage = make_storage(engine, tmp_path)
    await storage.open()
    async with asyncio.TaskGroup() as tasks:
        for n in range(20):
            tasks.create_task(storage.write(add, "farm", key=f"{n}"))
        await asyncio.sleep(0)
        await storage.close()
    await storage.close()
    with pytest.raises(StorageClosed):
        await storage.write(add, "farm", key="late")
    with pytest.raises(StorageClosed):
        await storage.read(count, "farm")
    async with opened(engine, tmp_path) as again:
        assert await again.read(count, "farm") == 20


async def test_the_observer_is_told_before_and_after_each_commit(storage: Storage) -> None:
    told: list[str] = []
    storage.on_step = told.append
    await storage.write(add, "farm", key="x")
    with pytest.raises(LookupError):
        await storage.write(fail_after_writing, "y")
    storage.on_step = None
    await storage.write(add, "farm", key="z")
    name = "tests.contract.storage_engines.add"
    assert told == [f"before:{name}", f"committed:{name}"]


@script
async def insert_one(tx: Tx, statement: Any, params: dict[str, Any] | None) -> int:
    return await tx.change(statement, params)


async def test_statements_take_their_parameters_by_name(storage: Storage) -> None:
    await storage.write(add_farm, 5)
    farm, prints = tables.farm, tables.prints
    one = insert(farm).values(key=bindparam("name"), value="1")
    assert await storage.write(insert_one, one, {"name": "a"}) == 1
    assert await storage.write(insert_one, insert(farm).values(key="b", value="2"), None) == 1
    some = update(prints).where(prints.c.id.in_(bindparam("ids", expanding=True)))
    some = some.values(reason="seen")
    assert await storage.write(insert_one, some, {"ids": ["p1", "p3", "p9"]}) == 2
    assert await storage.write(insert_one, some, {"ids": ["p1", "p2", "p3", "p4"]}) == 4
    assert await storage.write(insert_one, some, {"ids": []}) == 0

    async def seen(tx: Tx, last: str) -> list[str]:
        query = select(prints.c.id).where(prints.c.reason == "seen", prints.c.id <= last)
        return [row["id"] for row in await tx.rows(query.order_by(prints.c.id))]

    assert await storage.read(seen, "p9") == ["p1", "p2", "p3", "p4"]
    assert await storage.read(seen, "p2") == ["p1", "p2"]


async def test_a_missing_parameter_is_named(storage: Storage) -> None:
    with pytest.raises(ScriptError, match="value"):
        await storage.write(
            insert_one,
            insert(tables.farm).values(key=bindparam("key"), value=bindparam("value")),
            {"key": "a"},
        )


async def test_a_parameter_the_statement_lacks_is_named(storage: Storage) -> None:
    await storage.write(add_farm, 1)
    statement = update(tables.prints).where(tables.prints.c.id == "p1").values(reason="x")
    with pytest.raises(ScriptError, match="seen"):
        await storage.write(insert_one, statement, {"seen": 1})


@pytest.mark.parametrize("wrong", [{"size": "big"}, {"name": 1.5, "size": b"x"}, {"size": 1.5}])
async def test_a_value_of_the_wrong_type_is_refused(
    storage: Storage, wrong: dict[str, Any]
) -> None:
    with pytest.raises(ScriptError):
        await storage.write(add, "print_files", id="f", sha256="0", **wrong)


async def test_a_value_no_driver_can_store_is_refused(storage: Storage) -> None:
    with pytest.raises(ScriptError):
        await storage.write(add, "farm", key=object())


async def test_an_observer_that_fails_is_heard_and_stops_nobody_else(storage: Storage) -> None:
    def fail(_: str) -> None:
        raise LookupError

    storage.on_step = fail
    with pytest.raises(LookupError):
        await storage.write(add, "farm", key="x")
    storage.on_step = None
    assert await storage.read(count, "farm") == 0
    await storage.write(add, "farm", key="y")
    assert await storage.read(count, "farm") == 1


@pytest.mark.parametrize("group_limit", [1, 3, 16])
async def test_whatever_else_runs_each_caller_gets_its_own_outcome(
    engine: str, tmp_path: Path, seed: int, group_limit: int
) -> None:
    luck = random.Random(seed)
    expected: dict[str, object] = {}
    bounds = {"group_limit": group_limit, "queue_limit": 20}
    if engine == "postgresql":
        bounds = {"writers": group_limit}
    async with opened(engine, tmp_path, **bounds) as storage:
        await storage.write(add, "farm", key="taken")
        async with asyncio.TaskGroup() as tasks:
            for n in range(300):
                kind = luck.choice(("good", "good", "bad", "taken", "cancelled"))
                tasks.create_task(_one_caller(storage, f"{n}", kind, expected))
                if luck.random() < 0.2:
                    await asyncio.sleep(luck.random() / 200)
        keys = {row["key"] for row in await storage.read(all_rows, tables.farm)}
    surely = {key for key, outcome in expected.items() if outcome == "written"}
    maybe = {key for key, outcome in expected.items() if outcome == "unknown"}
    assert surely <= keys - {"taken"} <= surely | maybe


async def _one_caller(storage: Storage, key: str, kind: str, outcomes: dict[str, object]) -> None:
    if kind == "bad":
        with pytest.raises(LookupError, match=f"^'?{key}'?$"):
            await storage.write(fail_after_writing, key)
    elif kind == "taken":
        with pytest.raises(ConstraintViolated):
            await storage.write(add, "farm", key="taken")
    elif kind == "cancelled":
        outcomes[key] = "unknown"
        with suppress(TimeoutError):
            async with asyncio.timeout(0.001):
                await storage.write(add, "farm", key=key)
                outcomes[key] = "written"
    else:
        await storage.write(add, "farm", key=key)
        outcomes[key] = "written"


def _open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_opening_and_closing_leaves_nothing_behind(engine: str, tmp_path: Path) -> None:
    async with opened(engine, tmp_path):
        pass
    descriptors = _open_descriptors()
    for _ in range(10):
        async with opened(engine, tmp_path) as storage:
            await storage.read(count, "farm")
    assert not [t.name for t in threading.enumerate() if t.name.startswith("storage-")]
    assert _open_descriptors() == descriptors


_SET = (
    update(tables.prints)
    .where(tables.prints.c.id == bindparam("print_id"))
    .where(tables.prints.c.version == bindparam("seen"))
    .values(version=tables.prints.c.version + 1)
    .returning(tables.prints)
)


@one_statement
@script
async def set_at_once(tx: Tx, print_id: str, seen: int, event: EventRecord | None) -> int | None:
    row = await tx.compare_and_set(_SET, {"print_id": print_id, "seen": seen}, event)
    return None if row is None else int(row["version"])


async def test_a_compare_and_set_records_its_event_only_where_it_took_place(
    storage: Storage,
) -> None:
    await storage.write(add_farm, 1)
    rung: list[int] = []
    storage.on_recorded = lambda: rung.append(1)
    event = EventRecord("e1", NOW, "print.changed", print_id="p1", data={"n": 1})
    assert await storage.write(set_at_once, "p1", 1, event) == 2
    assert await storage.write(set_at_once, "p1", 1, replace(event, id="e2")) is None
    assert await storage.write(set_at_once, "none", 1, replace(event, id="e3")) is None
    assert rung == [1]
    assert await storage.write(set_at_once, "p1", 2, None) == 3
    (row,) = await storage.read(all_rows, tables.events)
    assert (row["id"], row["at"], row["data"]) == ("e1", to_micros(NOW), '{"n":1}')
    assert [row["event_id"] for row in await storage.read(all_rows, tables.outbox)] == ["e1"]


async def test_a_compare_and_set_whose_event_is_refused_changes_nothing(storage: Storage) -> None:
    await storage.write(add_farm, 1)
    event = EventRecord("e1", NOW, "print.changed", print_id="p1")
    await storage.write(set_at_once, "p1", 1, event)
    with pytest.raises(ConstraintViolated):
        await storage.write(set_at_once, "p1", 2, event)
    assert await storage.write(set_at_once, "p1", 2, None) == 3


async def test_of_many_compare_and_sets_at_once_one_wins(storage: Storage) -> None:
    await storage.write(add_farm, 1)
    events = [EventRecord(f"e{n}", NOW, "print.changed", print_id="p1") for n in range(30)]
    outcomes = await asyncio.gather(
        *(storage.write(set_at_once, "p1", 1, event) for event in events)
    )
    assert sorted(outcomes, key=str) == [2, *[None] * 29]
    assert await storage.read(transitions) == 1


async def test_the_observer_of_a_single_statement_can_stop_it(storage: Storage) -> None:
    def fail(step: str) -> None:
        assert step == "before:tests.contract.test_storage.set_at_once"
        raise LookupError

    await storage.write(add_farm, 1)
    storage.on_step = fail
    with pytest.raises(LookupError):
        await storage.write(set_at_once, "p1", 1, None)
    told: list[str] = []
    storage.on_step = told.append
    assert await storage.write(set_at_once, "p1", 1, None) == 2
    assert [step.partition(":")[0] for step in told] == ["before", "committed"]


_RENAME = (
    update(tables.farm).where(tables.farm.c.key == bindparam("named")).values(value=bindparam("to"))
)


@script
async def set_all(tx: Tx, wanted: Sequence[tuple[str, Any]]) -> None:
    await tx.change_each(_RENAME, [{"named": key, "to": value} for key, value in wanted])


async def test_one_statement_changes_many_rows_or_none(storage: Storage) -> None:
    for key in ("a", "b", "c"):
        await storage.write(add, "farm", key=key, value="old")
    await storage.write(set_all, [("a", "1"), ("c", "3"), ("nobody", "4"), ("c", "5")])
    await storage.write(set_all, [])

    async def values() -> dict[str, str]:
        return {row["key"]: row["value"] for row in await storage.read(all_rows, tables.farm)}

    assert await values() == {"a": "1", "b": "old", "c": "5"}
    with pytest.raises(StorageError):
        await storage.write(set_all, [("a", "2"), ("b", None)])
    with pytest.raises(StorageError):
        await storage.write(set_all, [("a", "2"), ("b", 1.5j)])
    assert await values() == {"a": "1", "b": "old", "c": "5"}
