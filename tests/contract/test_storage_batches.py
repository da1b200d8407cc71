"""Transitions that arrive at the same moment: each has its own outcome, whatever they share."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from sqlalchemy import bindparam, update

from buildplate.storage import (
    ConstraintViolated,
    EventRecord,
    OutcomeUnknown,
    ScriptError,
    Storage,
    StorageBusy,
    StorageError,
    Tx,
    one_statement,
    script,
    tables,
)
from buildplate.storage.postgres.connection import Limits
from buildplate.storage.postgres.engine import PostgresConfig, PostgresStorage
from tests import postgres
from tests.contract.storage_engines import (
    ENGINES,
    NOW,
    add,
    add_farm,
    all_rows,
    opened,
    transitions,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

PRINTS = 24
_SET = (
    update(tables.prints)
    .where(tables.prints.c.id == bindparam("print_id"))
    .where(tables.prints.c.version == bindparam("seen"))
    .values(version=tables.prints.c.version + 1, reason=bindparam("why"))
    .returning(tables.prints)
)
_BY_NUMBER = (
    update(tables.prints)
    .where(tables.prints.c.number >= bindparam("least"))
    .values(attempt=tables.prints.c.attempt + 1)
    .returning(tables.prints.c.id)
)


class Stale(Exception):
    """The print was not what it was read as."""


def event_of(print_id: str, seen: int) -> EventRecord:
    return EventRecord(f"e-{print_id}-{seen}", NOW, "print.changed", print_id=print_id)


@one_statement
@script
async def move(tx: Tx, print_id: str, seen: Any, event: EventRecord | None) -> str:
    row = await tx.compare_and_set(
        _SET, {"print_id": print_id, "seen": seen, "why": f"{print_id}!"}, event
    )
    if row is None:
        raise Stale(print_id)
    return f"{row['id']} {row['version']} {row['reason']}"


@one_statement
@script
async def move_twice(tx: Tx, print_id: str) -> None:
    await tx.compare_and_set(_SET, {"print_id": print_id, "seen": 1, "why": ""}, None)
    await tx.compare_and_set(_SET, {"print_id": print_id, "seen": 2, "why": ""}, None)


@one_statement
@script
async def move_and_sleep(tx: Tx, print_id: str) -> None:
    await tx.compare_and_set(_SET, {"print_id": print_id, "seen": 1, "why": ""}, None)
    await asyncio.sleep(0)


@one_statement
@script
async def touch_from(tx: Tx, least: int) -> str:
    row = await tx.compare_and_set(_BY_NUMBER, {"least": least}, None)
    return str(row and row["id"])


@one_statement
@script
async def move_without_a_reason(tx: Tx, print_id: str) -> None:
    await tx.compare_and_set(_SET, {"print_id": print_id, "seen": 1}, None)


async def outcomes(*calls: Any) -> list[Any]:
    return await asyncio.gather(*calls, return_exceptions=True)


def first_moves(storage: Storage, n: int = PRINTS) -> list[Any]:
    names = [f"p{k}" for k in range(1, n + 1)]
    return [storage.write(move, name, 1, event_of(name, 1)) for name in names]


@pytest.fixture(params=ENGINES)
async def storage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Storage]:
    async with opened(str(request.param), tmp_path) as storage:
        await storage.write(add_farm, PRINTS)
        yield storage


# --- on every engine -----------------------------------------------------------------------------


async def test_each_of_many_gets_the_row_it_changed(storage: Storage) -> None:
    found = await outcomes(*first_moves(storage))
    assert found == [f"p{n} 2 p{n}!" for n in range(1, PRINTS + 1)]
    assert await storage.read(transitions) == PRINTS


async def test_one_that_is_stale_or_refused_or_wrong_is_the_only_one(storage: Storage) -> None:
    await storage.write(add, "events", id="e-p3-1")
    calls = first_moves(storage)
    wrong = {
        1: (storage.write(move, "p2", 7, event_of("p2", 1)), Stale),
        4: (storage.write(move, "nobody", 1, event_of("p5", 1)), Stale),
        6: (storage.write(move, "p7", 1.5, event_of("p7", 1)), StorageError),
        8: (storage.write(move, "p9", "one", event_of("p9", 1)), StorageError),
    }
    for place, (call, _) in wrong.items():
        calls[place].close()
        calls[place] = call
    found = await outcomes(*calls)
    for place, outcome in enumerate(found):
        if place in wrong:
            # SQLite compares a number with a text and finds nothing.
            assert isinstance(outcome, (wrong[place][1], Stale)), (place, outcome)
        elif place == 2:
            assert isinstance(outcome, ConstraintViolated)
        else:
            assert outcome == f"p{place + 1} 2 p{place + 1}!"
    versions = {row["id"]: row["version"] for row in await storage.read(all_rows, tables.prints)}
    assert {name for name, version in versions.items() if version == 1} == {
        "p2",
        "p3",
        "p5",
        "p7",
        "p9",
    }


async def test_of_many_for_the_same_row_one_wins(storage: Storage) -> None:
    events = [replace(event_of("p1", 1), id=f"e{n}") for n in range(PRINTS)]
    found = await outcomes(*(storage.write(move, "p1", 1, event) for event in events))
    assert sorted(map(str, found)) == ["p1"] * (PRINTS - 1) + ["p1 2 p1!"]
    assert await storage.read(transitions) == 1


async def test_with_and_without_an_event_at_once(storage: Storage) -> None:
    calls = first_moves(storage, 8)
    calls += [storage.write(move, f"p{n}", 1, None) for n in range(9, PRINTS + 1)]
    found = await outcomes(*calls)
    assert found == [f"p{n} 2 p{n}!" for n in range(1, PRINTS + 1)]
    assert len(await storage.read(all_rows, tables.events)) == 8


async def test_the_bell_and_the_observer_hear_of_each(storage: Storage) -> None:
    told: list[str] = []
    rung: list[int] = []
    storage.on_step, storage.on_recorded = told.append, lambda: rung.append(1)
    await outcomes(*first_moves(storage))
    name = "tests.contract.test_storage_batches.move"
    assert told.count(f"before:{name}") == told.count(f"committed:{name}") == PRINTS
    assert rung


async def test_a_caller_that_is_cancelled_harms_nobody(storage: Storage, seed: int) -> None:
    luck = random.Random(seed)
    versions = [1] * 8

    async def lane(n: int) -> None:
        for _ in range(30):
            name, seen = f"p{n + 1}", versions[n]
            call = storage.write(move, name, seen, event_of(name, seen))
            try:
                async with asyncio.timeout(luck.choice((0.0, 0.0005, 0.002, 5.0))):
                    await call
                versions[n] += 1
            except TimeoutError:
                rows = await storage.read(all_rows, tables.prints)
                versions[n] = max(row["version"] for row in rows if row["id"] == name)
            except Stale:  # the one before was cancelled, and committed later
                versions[n] += 1

    await asyncio.gather(*map(lane, range(8)))
    await storage.read(transitions)  # fails where one was half written


async def test_a_statement_that_names_no_row_by_its_key_runs_alone(storage: Storage) -> None:
    """In a statement for many it would find a part of its rows."""
    await outcomes(*(storage.write(touch_from, least) for least in (1, 5, 9)))
    rows = await storage.read(all_rows, tables.prints)
    expected = {f"p{n}": sum(n >= least for least in (1, 5, 9)) for n in range(1, PRINTS + 1)}
    assert {row["id"]: row["attempt"] for row in rows} == expected


async def test_a_forgotten_parameter_is_a_bug_that_is_raised(storage: Storage) -> None:
    with pytest.raises(ScriptError, match="why"):
        await storage.write(move_without_a_reason, "p1")


# --- on PostgreSQL -------------------------------------------------------------------------------


@dataclass
class Farm:
    """A database with some prints, and a storage behind a line that can be cut."""

    url: str
    line: postgres.Line
    storage: PostgresStorage

    async def say(self, statement: str) -> Any:
        return await asyncio.to_thread(postgres.say, self.url, statement)

    async def commits(self) -> int:
        rows = await self.say("SELECT count(DISTINCT xmin::text) AS n FROM events")
        return int(rows[0]["n"])


@pytest.fixture
async def farm() -> AsyncIterator[Farm]:
    url = postgres.new_database()
    line = postgres.Line(url)
    await line.up()
    storage = PostgresStorage(PostgresConfig(line.url, outage_seconds=60.0))
    await storage.open()
    await storage.write(add_farm, PRINTS)
    yield Farm(url, line, storage)
    await storage.close()
    await line.down()


@asynccontextmanager
async def farm_with(**bounds: Any) -> AsyncIterator[tuple[PostgresStorage, str]]:
    """A storage of its own with these bounds, and its database's URL."""
    url = postgres.new_database()
    storage = PostgresStorage(PostgresConfig(url, **bounds))
    await storage.open()
    try:
        await storage.write(add_farm, PRINTS)
        yield storage, url
    finally:
        await storage.close()


async def test_those_that_wait_together_share_a_commit(farm: Farm) -> None:
    await outcomes(*first_moves(farm.storage))
    assert await farm.commits() <= 2


async def test_a_batch_has_a_bound() -> None:
    async with farm_with(batch_limit=5) as (storage, url):
        await outcomes(*first_moves(storage))
        rows = await asyncio.to_thread(
            postgres.say, url, "SELECT count(*) AS n FROM events GROUP BY xmin::text"
        )
    assert sorted(row["n"] for row in rows) == [4, 5, 5, 5, 5]


async def test_a_turn_is_not_waited_for_for_ever() -> None:
    async with farm_with(busy_seconds=0.0) as (storage, _):
        found = await outcomes(*first_moves(storage))
        assert {type(outcome) for outcome in found} == {StorageBusy}
        assert await storage.read(transitions) == 0


async def test_whom_the_observer_stops_is_the_only_one_stopped(farm: Farm) -> None:
    seen: list[str] = []

    def stop_the_second(step: str) -> None:
        if step.startswith("before:"):
            seen.append(step)
            if len(seen) == 2:
                raise LookupError

    farm.storage.on_step = stop_the_second
    found = await outcomes(*first_moves(farm.storage))
    assert [isinstance(outcome, LookupError) for outcome in found].count(True) == 1
    farm.storage.on_step = None
    assert await farm.storage.read(transitions) == PRINTS - 1


async def test_one_that_finds_nothing_beside_others_is_asked_alone(farm: Farm) -> None:
    """Here because the other changes the row in the same statement."""
    calls = [farm.storage.write(move, "p1", seen, event_of("p1", seen)) for seen in (1, 2)]
    assert await outcomes(*calls) == ["p1 2 p1!", "p1 3 p1!"]


@pytest.mark.parametrize(("bad", "why"), [(move_twice, "second"), (move_and_sleep, "awaited")])
async def test_a_script_that_does_more_than_its_statement_is_refused(
    farm: Farm, bad: Any, why: str
) -> None:
    calls = first_moves(farm.storage)
    calls[0].close()
    calls[0] = farm.storage.write(bad, "p1")
    found = await outcomes(*calls)
    assert isinstance(found[0], ScriptError)
    assert why in str(found[0])
    assert found[1:] == [f"p{n} 2 p{n}!" for n in range(2, PRINTS + 1)]


async def test_a_row_that_another_holds_holds_up_nobody_else(farm: Farm) -> None:
    other = await asyncpg.connect(farm.url)
    try:
        await other.execute("BEGIN; UPDATE prints SET attempt = 9 WHERE id = 'p5'")
        loop = asyncio.get_running_loop()
        began = loop.time()
        tasks = [loop.create_task(call) for call in first_moves(farm.storage)]
        held = tasks.pop(4)
        await asyncio.wait_for(asyncio.gather(*tasks), 5)
        assert loop.time() - began < 3
        assert not held.done()
        await other.execute("COMMIT")
        assert await held == "p5 2 p5!"
    finally:
        await other.close()


_SLEEPS = """
CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_sleep(3); RETURN NEW; END $$;
CREATE TRIGGER slowly BEFORE UPDATE ON prints FOR EACH ROW WHEN (NEW.id = 'p1')
EXECUTE FUNCTION slowly();
"""


async def test_a_batch_that_hangs_holds_up_nobody_else() -> None:
    async with farm_with() as (storage, url):
        connection = await asyncpg.connect(url)
        await connection.execute(_SLEEPS)
        loop = asyncio.get_running_loop()
        slow = loop.create_task(storage.write(move, "p1", 1, event_of("p1", 1)))
        await asyncio.sleep(0.05)
        names = [f"p{n}" for n in range(2, PRINTS + 1)]
        others = [storage.write(move, name, 1, event_of(name, 1)) for name in names]
        await asyncio.wait_for(asyncio.gather(*others), 5)
        assert not slow.done()
        assert await storage.write(move, "p2", 2, event_of("p2", 2)) == "p2 3 p2!"
        assert not slow.done()
        assert await slow == "p1 2 p1!"
        await connection.execute("DROP FUNCTION slowly CASCADE")
        await connection.close()
        running = storage._running
        assert running is not None
        await asyncio.sleep(0)
        assert running.batches.is_ready(), "once it has ended, all share again"


async def test_a_lock_that_is_never_given_back_is_said_to_be_busy() -> None:
    async with farm_with(limits=Limits(lock=0.3)) as (storage, url):
        other = await asyncpg.connect(url)
        try:
            await other.execute("BEGIN; UPDATE prints SET attempt = 9 WHERE id = 'p5'")
            found = await outcomes(*first_moves(storage))
        finally:
            await other.close()
    assert isinstance(found.pop(4), StorageBusy)
    assert all(isinstance(outcome, str) for outcome in found)


async def test_a_batch_whose_answer_is_lost_is_said_to_be_unknown(farm: Farm) -> None:
    """All of it took place; nobody may be told that nothing was written, or run it again."""
    farm.line.cut_after = b"e-p3-1"
    found = await outcomes(*first_moves(farm.storage))
    assert {type(outcome) for outcome in found} <= {OutcomeUnknown, str}
    assert isinstance(found[2], OutcomeUnknown)
    assert await farm.storage.read(transitions) == PRINTS


async def test_a_batch_that_never_arrived_is_said_to_be_unknown(farm: Farm) -> None:
    farm.line.cut_before = b"e-p3-1"
    found = await outcomes(*first_moves(farm.storage))
    assert isinstance(found[2], OutcomeUnknown)
    written = [outcome for outcome in found if isinstance(outcome, str)]
    assert await farm.storage.read(transitions) == len(written)


async def test_after_a_cut_transitions_run_and_are_soon_batched_again(farm: Farm) -> None:
    farm.line.cut()
    await asyncio.sleep(0.1)  # until it is noticed
    found = await outcomes(*first_moves(farm.storage))
    assert found == [f"p{n} 2 p{n}!" for n in range(1, PRINTS + 1)]
    for seen in range(2, 100):
        before = await farm.commits()
        events = [event_of(f"p{n}", seen) for n in range(1, PRINTS + 1)]
        moves = [farm.storage.write(move, str(one.print_id), seen, one) for one in events]
        assert all(isinstance(outcome, str) for outcome in await outcomes(*moves))
        if await farm.commits() <= before + 2:
            return
        await asyncio.sleep(0.1)
    pytest.fail("no batch since the cut")


async def test_whatever_is_cut_each_is_written_once_or_said_to_be_unknown(
    farm: Farm, seed: int
) -> None:
    luck = random.Random(seed)
    told: dict[str, object] = {}

    async def cut() -> None:
        for _ in range(12):
            await asyncio.sleep(luck.random() / 8)
            farm.line.cut()

    async def lane(n: int) -> None:
        seen, turn = 1, 0
        while not cutter.done():
            turn += 1
            event = replace(event_of(f"p{n}", seen), id=f"e-{n}-{turn}")
            try:
                await farm.storage.write(move, f"p{n}", seen, event)
            except (OutcomeUnknown, Stale) as error:
                told[event.id] = error
                rows = await farm.storage.read(all_rows, tables.prints)
                (seen,) = (row["version"] for row in rows if row["id"] == f"p{n}")
            else:
                told[event.id] = "written"
                seen += 1

    cutter = asyncio.get_running_loop().create_task(cut())
    await asyncio.gather(*(lane(n) for n in range(1, PRINTS + 1)))
    assert {type(outcome) for outcome in told.values()} >= {str, OutcomeUnknown}
    written = {row["id"] for row in await farm.storage.read(all_rows, tables.events)}
    for event, outcome in told.items():
        assert event in written or outcome != "written", event
        assert event not in written or not isinstance(outcome, Stale), event
    await farm.storage.read(transitions)


async def test_a_caller_that_is_cancelled_before_its_batch_is_sent_never_ran(farm: Farm) -> None:
    loop = asyncio.get_running_loop()
    tasks = [loop.create_task(call) for call in first_moves(farm.storage)]
    await asyncio.sleep(0)
    tasks[3].cancel()
    found = await outcomes(*tasks)
    assert [type(outcome) for outcome in found].count(str) == PRINTS - 1
    rows = await farm.storage.read(all_rows, tables.prints)
    assert [row["id"] for row in rows if row["version"] == 1] == ["p4"]


async def test_a_batch_that_finds_its_connection_closed_is_run_one_by_one(farm: Farm) -> None:
    running = farm.storage._running
    assert running is not None
    loop = asyncio.get_running_loop()
    tasks = [loop.create_task(call) for call in first_moves(farm.storage)]
    await asyncio.sleep(0)
    running.batches._connection.terminate()  # type: ignore[union-attr]
    assert await outcomes(*tasks) == [f"p{n} 2 p{n}!" for n in range(1, PRINTS + 1)]


async def test_closing_waits_for_what_nobody_waits_for_any_more(farm: Farm) -> None:
    told: list[str] = []
    farm.storage.on_step = told.append
    loop = asyncio.get_running_loop()
    tasks = [loop.create_task(call) for call in first_moves(farm.storage)]
    while not told:
        await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await farm.storage.close()
    assert [step.partition(":")[0] for step in told].count("committed") == PRINTS
    assert (await farm.say("SELECT count(*) AS n FROM events"))[0]["n"] == PRINTS
