"""What only a database on a server can do to those who use it: go away, hang, belong to another."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from sqlalchemy import bindparam, func, select, update

from buildplate.storage import (
    DatabaseInUse,
    DatabaseUnreachable,
    OutcomeUnknown,
    PostgresAddress,
    SchemaTooNew,
    ScriptError,
    StorageBusy,
    Tx,
    one_statement,
    script,
    tables,
)
from buildplate.storage.postgres.connection import Limits
from buildplate.storage.postgres.engine import PostgresConfig, PostgresStorage
from buildplate.storage.postgres.schema import migrate, on_schema
from buildplate.storage.schema import HEAD, alembic_config
from tests import postgres
from tests.contract.storage_engines import add, add_farm, count, transition, transitions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

COMMIT = b"COMMIT\x00"


@asynccontextmanager
async def opened(url: str, **bounds: Any) -> AsyncIterator[PostgresStorage]:
    storage = PostgresStorage(PostgresConfig(url, **bounds))
    await storage.open()
    try:
        yield storage
    finally:
        await storage.close()


@pytest.fixture
def url() -> str:
    return postgres.new_database()


@pytest.fixture
async def line(url: str) -> AsyncIterator[postgres.Line]:
    line = postgres.Line(url)
    await line.up()
    yield line
    await line.down()


async def say(url: str, *statements: str) -> Any:
    return await asyncio.to_thread(postgres.say, url, *statements)


async def until(holds: Any, seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.02)


# --- one server a database -----------------------------------------------------------------------


async def test_a_second_server_is_refused_and_told_who_holds_the_database(url: str) -> None:
    async with opened(url):
        with pytest.raises(DatabaseInUse, match=f"process {os.getpid()}") as refused:
            await PostgresStorage(PostgresConfig(url)).open()
    assert "of its own" in refused.value.hint
    async with opened(url):
        pass


async def _end_owner(url: str) -> None:
    """As when the network between the server and the owner breaks for good."""
    await say(
        url,
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
    )


async def test_an_owner_that_was_cut_off_is_owner_again_if_nobody_took_over(url: str) -> None:
    async with opened(url, lease_seconds=1.0) as storage:
        assert storage.owned()
        await _end_owner(url)
        await until(lambda: not storage.owned())
        await until(storage.owned)
        await storage.write(add, "farm", key="x")


async def test_an_owner_whose_database_was_taken_over_writes_no_more(
    url: str, line: postgres.Line
) -> None:
    """The old one hangs behind a line that is down; the new one waits the lease out."""
    async with opened(line.url, lease_seconds=1.0, grace_seconds=1.0, outage_seconds=1.0) as old:
        await line.down()
        await until(lambda: not old.owned())
        async with opened(url):
            await line.up()
            await until(lambda: _refuses(old))
            assert not old.owned()
            with pytest.raises(DatabaseInUse):
                await old.write(add, "farm", key="x")


def _refuses(storage: PostgresStorage) -> bool:
    running = storage._running
    return running is not None and running.ownership.taken_away


async def test_the_lease_of_an_owner_elsewhere_is_waited_out(url: str) -> None:
    await say(
        url,
        "INSERT INTO nodes (id, name, started_at, lease_until) VALUES ('n', 'elsewhere/1:1', 1,"
        " (extract(epoch FROM clock_timestamp()) * 1000000)::bigint + 1500000)",
    )
    began = asyncio.get_running_loop().time()
    async with opened(url):
        assert asyncio.get_running_loop().time() - began > 1.2


async def test_a_server_that_was_killed_here_is_followed_at_once(url: str) -> None:
    program = (
        "import asyncio, os, signal\n"
        "from buildplate.storage.postgres.engine import PostgresConfig, PostgresStorage\n"
        "async def main():\n"
        f"    await PostgresStorage(PostgresConfig({url!r}, lease_seconds=60.0)).open()\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(main())\n"
    )
    run = [sys.executable, "-c", program]
    await asyncio.to_thread(subprocess.run, run, check=False, timeout=60)
    assert (await say(url, "SELECT name FROM nodes"))[0]["name"]
    async with asyncio.timeout(10), opened(url):
        pass


# --- the schema ----------------------------------------------------------------------------------


async def test_the_migrations_make_exactly_the_tables() -> None:
    from alembic import command  # noqa: PLC0415 (slow to load)

    address = PostgresAddress.parse(postgres.new_database(empty=True))
    await migrate(address, "head")
    await on_schema(address, lambda connection: command.check(alembic_config(connection)))


async def test_the_first_migration_can_be_undone() -> None:
    from alembic import command  # noqa: PLC0415 (slow to load)

    url = postgres.new_database(empty=True)
    address = PostgresAddress.parse(url)
    await migrate(address, "head")
    await on_schema(address, lambda one: command.downgrade(alembic_config(one), "base"))
    left = await say(
        url, "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
    )
    assert {row["relname"] for row in left} == {"alembic_version", "alembic_version_pkc"}


async def test_a_newer_schema_is_refused_untouched() -> None:
    url = postgres.new_database(empty=True)
    await say(url, "CREATE TABLE alembic_version (version_num text)")
    await say(url, "INSERT INTO alembic_version VALUES ('9999')")
    with pytest.raises(SchemaTooNew, match="9999"):
        await PostgresStorage(PostgresConfig(url)).open()
    assert (await say(url, "SELECT to_regclass('prints') AS found"))[0]["found"] is None


async def test_an_upgrade_that_fails_leaves_the_old_schema() -> None:
    url = postgres.new_database(empty=True)
    await say(url, "CREATE TABLE prints (id text)")
    with pytest.raises(Exception, match="already exists"):
        await PostgresStorage(PostgresConfig(url)).open()
    assert (await say(url, "SELECT to_regclass('jobs') AS found"))[0]["found"] is None
    await say(url, "DROP TABLE prints")
    async with opened(url):
        assert (await say(url, "SELECT version_num FROM alembic_version"))[0]["version_num"] == HEAD


# --- durability ----------------------------------------------------------------------------------


async def setting(tx: Tx, name: str) -> str:
    row = await tx.row(select(func.current_setting(name).label("value")))
    assert row is not None
    return str(row["value"])


@script
async def setting_of_writers(tx: Tx, name: str) -> str:
    return await setting(tx, name)


async def test_commits_are_durable_whatever_the_database_says(url: str) -> None:
    name = PostgresAddress.parse(url).database
    await say(url, f'ALTER DATABASE "{name}" SET synchronous_commit = off')
    try:
        async with opened(url) as storage:
            assert await storage.write(setting_of_writers, "synchronous_commit") == "on"
    finally:
        await say(url, f'ALTER DATABASE "{name}" RESET synchronous_commit')


async def test_readers_have_a_snapshot_and_can_not_write(url: str) -> None:
    async with opened(url) as storage:
        assert await storage.read(setting, "transaction_isolation") == "repeatable read"
        assert await storage.read(setting, "transaction_read_only") == "on"


# --- a server that goes away ---------------------------------------------------------------------


async def test_an_unreachable_server_is_named_without_its_password() -> None:
    url = "postgresql://me:hunter2@127.0.0.1:1/farm"
    with pytest.raises(
        DatabaseUnreachable, match=r"postgresql://me@127\.0\.0\.1:1/farm"
    ) as refused:
        await PostgresStorage(PostgresConfig(url)).open()
    assert "hunter2" not in f"{refused.value} {refused.value.hint} {PostgresConfig(url)!r}"


async def test_a_database_that_is_not_there_says_how_to_make_it(url: str) -> None:
    missing = url.replace(PostgresAddress.parse(url).database, "buildplate_test_none")
    with pytest.raises(DatabaseUnreachable) as refused:
        await PostgresStorage(PostgresConfig(missing)).open()
    assert "createdb buildplate_test_none" in refused.value.hint


@script
async def cut_then_add(tx: Tx, line: postgres.Line, key: str) -> None:
    await add(tx, "farm", key=key)
    if line.cut_before == b"once":
        line.cut_before = b""
        line.cut()


async def test_a_connection_cut_in_mid_script_is_made_up_for(line: postgres.Line, url: str) -> None:
    async with opened(line.url) as storage:
        line.cut_before = b"once"
        await storage.write(cut_then_add, line, "x")
        assert await storage.read(count, "farm") == 1


@pytest.mark.parametrize("place", ["cut_before", "cut_after"])
async def test_a_commit_whose_answer_is_lost_takes_place_exactly_once(
    line: postgres.Line, url: str, place: str
) -> None:
    told: list[str] = []
    async with opened(line.url) as storage:
        await storage.write(add_farm, 1)
        storage.on_step = told.append
        setattr(line, place, COMMIT)
        assert await storage.write(transition, "p1", 1, "e1")
        assert await storage.read(transitions) == 1
    assert [step for step in told if step.startswith("committed:")] == [
        "committed:tests.contract.storage_engines.transition"
    ]
    assert len(told) == (3 if place == "cut_before" else 2)


async def test_a_commit_that_nobody_can_tell_of_is_said_to_be_unknown(
    line: postgres.Line, url: str
) -> None:
    async with opened(line.url, outage_seconds=0.5) as storage:
        await storage.write(add_farm, 1)

        def at(step: str) -> None:
            if step.startswith("before:"):
                line.cut_after = COMMIT
                errands.append(loop.create_task(go_down()))

        async def go_down() -> None:
            await asyncio.sleep(0.1)
            await line.down()

        loop, errands = asyncio.get_running_loop(), list[Any]()
        storage.on_step = at
        with pytest.raises((OutcomeUnknown, DatabaseUnreachable)) as refused:
            await storage.write(transition, "p1", 1, "e1")
    assert isinstance(refused.value, OutcomeUnknown)
    rows = await say(url, "SELECT count(*) AS n FROM events")
    assert rows[0]["n"] == 1  # it did take place: no error may say that nothing was written


async def test_a_server_that_comes_back_in_time_is_waited_for(line: postgres.Line) -> None:
    async with opened(line.url) as storage:
        await line.down()
        writing = asyncio.get_running_loop().create_task(storage.write(add, "farm", key="x"))
        await asyncio.sleep(0.5)
        assert not writing.done()
        await line.up()
        await writing
        assert await storage.read(count, "farm") == 1


async def test_a_server_that_stays_away_is_an_error_with_a_hint(line: postgres.Line) -> None:
    async with opened(line.url, outage_seconds=0.3) as storage:
        await line.down()
        for work in (storage.write(add, "farm", key="x"), storage.read(count, "farm")):
            with pytest.raises(DatabaseUnreachable) as refused:
                await work
            assert "DATABASE_URL" in refused.value.hint


async def test_the_server_may_restart_its_side_of_every_connection(url: str) -> None:
    async with opened(url) as storage:
        await asyncio.gather(*(storage.write(add, "farm", key=f"{n}") for n in range(20)))
        await say(
            url,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        await asyncio.gather(*(storage.write(add, "farm", key=f"again{n}") for n in range(20)))
        assert await storage.read(count, "farm") == 40


# --- scripts in each other's way -----------------------------------------------------------------


_TOUCH = (
    update(tables.prints)
    .where(tables.prints.c.id == bindparam("print_id"))
    .values(attempt=tables.prints.c.attempt + 1)
)


@script
async def touch_both(tx: Tx, first: str, second: str) -> None:
    await tx.change(_TOUCH, {"print_id": first})
    await tx.row(select(func.pg_sleep(0.2)))
    await tx.change(_TOUCH, {"print_id": second})


async def attempts(tx: Tx) -> list[int]:
    rows = await tx.rows(select(tables.prints.c.attempt).order_by(tables.prints.c.id))
    return [row["attempt"] for row in rows]


async def test_scripts_that_lock_each_other_out_both_take_place(url: str) -> None:
    async with opened(url) as storage:
        await storage.write(add_farm, 2)
        await asyncio.gather(
            storage.write(touch_both, "p1", "p2"), storage.write(touch_both, "p2", "p1")
        )
        assert await storage.read(attempts) == [2, 2]


async def test_a_lock_is_not_waited_for_for_ever(url: str) -> None:
    async with opened(url, limits=Limits(lock=0.2)) as storage:
        await storage.write(add_farm, 1)
        other = await asyncpg.connect(url)
        try:
            await other.execute("BEGIN; UPDATE prints SET attempt = 9 WHERE id = 'p1'")
            with pytest.raises(StorageBusy):
                await storage.write(transition, "p1", 1, "e1")
        finally:
            await other.close()
        assert await storage.write(transition, "p1", 1, "e2")


async def test_a_statement_does_not_run_for_ever(url: str) -> None:
    async with opened(url, limits=Limits(statement=0.2)) as storage:

        async def sleep(tx: Tx) -> None:
            await tx.row(select(func.pg_sleep(5)))

        with pytest.raises(StorageBusy):
            await storage.read(sleep)


async def test_a_turn_is_not_waited_for_for_ever(url: str) -> None:
    async with opened(url, writers=1, busy_seconds=0.2) as storage:

        @script
        async def sleep(tx: Tx) -> None:
            await tx.row(select(func.pg_sleep(0.6)))

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(storage.write(sleep))
            await asyncio.sleep(0.1)
            with pytest.raises(StorageBusy, match="no connection was free"):
                await storage.write(add, "farm", key="x")


async def test_no_message_holds_what_a_row_holds(url: str) -> None:
    async with opened(url) as storage:
        await storage.write(add, "farm", key="secret")
        with pytest.raises(Exception, match="pk_farm") as refused:
            await storage.write(add, "farm", key="secret")
        assert "secret" not in str(refused.value)
        with pytest.raises(Exception, match="expected str") as wrong:
            await storage.write(add, "farm", key=1234321)
        assert "1234321" not in str(wrong.value)


@one_statement
@script
async def two_statements(tx: Tx) -> None:
    await tx.change(_TOUCH, {"print_id": "p1"})
    await tx.change(_TOUCH, {"print_id": "p1"})


async def test_a_script_of_one_statement_has_no_second_one(url: str) -> None:
    async with opened(url) as storage:
        await storage.write(add_farm, 1)
        with pytest.raises(ScriptError, match="second"):
            await storage.write(two_statements)


@one_statement
@script
async def touch(tx: Tx) -> None:
    await tx.change(_TOUCH, {"print_id": "p1"})


async def test_a_single_statement_whose_answer_is_lost_is_said_to_be_unknown(
    line: postgres.Line, url: str
) -> None:
    """It may have taken place, so nobody runs it again."""
    async with opened(line.url) as storage:
        await storage.write(add_farm, 1)
        await storage.write(touch)
        line.cut_after = b"p1"
        with pytest.raises(OutcomeUnknown):
            await storage.write(touch)
        assert await storage.read(attempts) == [2]
        line.cut_before = b"p1"
        with pytest.raises(OutcomeUnknown):
            await storage.write(touch)
        assert await storage.read(attempts) == [2]
