"""A database's rows out of one engine and into another: the same rows, or a refusal."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select

from buildplate.storage import DatabaseInUse, PostgresAddress, Storage, Tx, script, tables
from buildplate.storage.portable import (
    PASSING,
    PORTABLE,
    Cargo,
    NotPortable,
    read_table,
    snapshot_of,
    write_table,
)
from buildplate.storage.postgres.portable import DatabaseNotEmpty, load_postgres
from buildplate.storage.postgres.schema import migrate
from buildplate.storage.schema import HEAD, migrating, run_migrations
from buildplate.storage.sqlite.portable import load_sqlite
from tests import postgres
from tests.contract.storage_engines import ENGINES, opened

BEFORE = "0002"
SPREAD: dict[str, dict[str, Any]] = {
    "printers": {"id": "p1", "number": 1, "name": "Prusa", "driver": "virtual", "created_at": 1},
    "print_files": {
        "id": "f1", "sha256": "a" * 64, "size": 1, "printer_sha256": "b" * 64,
        "name": "Würfel \u0001 ✓", "state": "ready", "created_at": 1,
    },
    "jobs": {
        "id": "j1", "number": 1, "file_id": "f1", "name": "job", "hold": True, "rank": 1.5,
        "created_at": 2**60,
    },
    "prints": {"id": "r1", "number": 1, "job_id": "j1", "copy_no": 1, "created_at": 1},
    "farm": {"key": "stopped", "value": "false"},
}  # fmt: skip


def where(engine: str, folder: Path) -> Path | str:
    return folder / "farm.db" if engine == "sqlite" else postgres.database_of(folder)


def texts(found: Path | str) -> dict[str, bytes]:
    """Every table of a backup, its rows in an order of their own."""
    result = {}
    with snapshot_of(found) as snapshot:
        for table in PORTABLE:
            lines: list[bytes] = []
            write_table(snapshot, table, lines.append)
            head, *rows = b"".join(lines).splitlines()
            result[table] = b"\n".join([head, *sorted(rows)])
    return result


async def nothing(_: Tx) -> None:
    pass


def cargo(of: dict[str, bytes], revision: str = HEAD, settle: Any = nothing, **more: Any) -> Cargo:
    def read() -> Iterator[Any]:
        for name, text in of.items():
            yield read_table(name, iter(text.splitlines()))

    return Cargo(revision, read, settle, **more)


async def load(engine: str, folder: Path, what: Cargo) -> Path | str:
    await asyncio.to_thread(folder.mkdir)
    if engine == "sqlite":
        path = folder / "farm.db"
        await asyncio.to_thread(load_sqlite, path, what)
        return path
    url = postgres.new_database(empty=True)
    (folder / "database-url").write_text(url)
    await load_postgres(url, what)
    return url


@script
async def spread(tx: Tx) -> None:
    for name, row in SPREAD.items():
        await tx.change(insert(getattr(tables, name)).values(**row))


async def filled(storage: Storage) -> None:
    await storage.write(spread)


@pytest.mark.parametrize("there", ENGINES)
@pytest.mark.parametrize("here", ENGINES)
async def test_rows_are_the_same_on_the_other_side(tmp_path: Path, here: str, there: str) -> None:
    async with opened(here, tmp_path) as storage:
        await filled(storage)
        before = await asyncio.to_thread(texts, where(here, tmp_path))
    loaded = await load(there, tmp_path / "new", cargo(before))
    assert await asyncio.to_thread(texts, loaded) == before
    async with opened(there, tmp_path / "new") as again:
        row = await again.read(_job)
        assert (bool(row["hold"]), row["rank"], row["created_at"]) == (True, 1.5, 2**60)


async def _job(tx: Tx) -> Any:
    return await tx.row(select(tables.jobs))


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_snapshot_sees_nothing_that_is_written_after_it(
    tmp_path: Path, engine: str
) -> None:
    async with opened(engine, tmp_path) as storage:
        begun, go_on = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()

        def look() -> list[Sequence[Any]]:
            with snapshot_of(where(engine, tmp_path)) as snapshot:
                loop.call_soon_threadsafe(begun.set)
                asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(10)
                return [row for batch in snapshot.rows("jobs", ["id"]) for row in batch]

        looking = loop.run_in_executor(None, look)
        await begun.wait()
        await filled(storage)  # nobody waits for the reader
        go_on.set()
        assert await looking == []


@pytest.mark.parametrize("engine", ENGINES)
async def test_who_was_logged_in_and_what_is_used_once_is_in_no_backup(
    tmp_path: Path, engine: str
) -> None:
    async with opened(engine, tmp_path):
        found = await asyncio.to_thread(texts, where(engine, tmp_path))
    assert {"nodes", "setup_links", "spent_tokens", "user_sessions"} == PASSING
    assert not PASSING & found.keys()


@pytest.mark.parametrize("engine", ENGINES)
async def test_rows_of_the_schema_before_are_brought_to_this_one(
    tmp_path: Path, engine: str
) -> None:
    source = tmp_path / "old.db"

    def old() -> dict[str, bytes]:
        with migrating(source, 1.0) as connection:
            run_migrations(connection, BEFORE)
        with closing(sqlite3.connect(source)) as rows, rows:
            row = SPREAD["printers"]
            places = ", ".join("?" for _ in row)
            statement = f"INSERT INTO printers ({', '.join(row)}) VALUES ({places})"  # noqa: S608
            rows.execute(statement, tuple(row.values()))
        with closing(sqlite3.connect(source)) as rows:
            found = {}
            for name in ("printers", "identity", "counters"):
                cursor = rows.execute(f"SELECT * FROM {name}")  # noqa: S608
                columns = [column[0] for column in cursor.description]
                lines = [columns, *cursor.fetchall()]
                found[name] = b"\n".join(_json(line) for line in lines)
            return found

    before = await asyncio.to_thread(old)
    settled: list[int] = []

    async def settle(tx: Tx) -> None:
        settled.append(len(await tx.rows(select(tables.status_history))))  # new in this schema

    first = [("farm", ("key", "value"), ("stopped", "true"))]
    loaded = await load(engine, tmp_path / "new", cargo(before, BEFORE, settle, first=first))
    assert settled == [0]
    found = await asyncio.to_thread(texts, loaded)
    assert b"Prusa" in found["printers"]
    assert b'["stopped","true"]' in found["farm"]


def _json(line: Sequence[Any]) -> bytes:
    import json  # noqa: PLC0415

    return json.dumps(list(line)).encode()


BROKEN = {
    "a table that is not there": {"nonsense": b'["id"]\n["a"]'},
    "a column that is not there": {"farm": b'["key","value","more"]\n["a","b","c"]'},
    "a column twice": {"farm": b'["key","key"]\n["a","b"]'},
    "no columns": {"farm": b""},
    "columns that are no names": {"farm": b'{"key": 1}'},
    "a row too short": {"farm": b'["key","value"]\n["a"]'},
    "a row that is none": {"farm": b'["key","value"]\n{}'},
    "a value of the wrong type": {"jobs": b'["id"]\n[{}]'},
    "a row without what it needs": {"jobs": b'["id"]\n["a"]'},
    "a row that refers to nothing": {"driver_state": b'["printer_id","data"]\n["nobody","{}"]'},
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("case", BROKEN)
async def test_what_does_not_fit_is_refused_and_leaves_no_farm(
    tmp_path: Path, engine: str, case: str
) -> None:
    with pytest.raises(NotPortable):
        await load(engine, tmp_path / "new", cargo(BROKEN[case]))
    if engine == "postgresql":
        url = (tmp_path / "new" / "database-url").read_text()
        assert postgres.say(url, "SELECT * FROM farm") == []


async def test_postgresql_refuses_a_database_with_a_farm_in_it(tmp_path: Path) -> None:
    async with opened("postgresql", tmp_path) as storage:
        await filled(storage)
        with pytest.raises(DatabaseInUse):
            await load_postgres(postgres.database_of(tmp_path), cargo({}))
    with pytest.raises(DatabaseNotEmpty, match="rows in"):
        await load_postgres(postgres.database_of(tmp_path), cargo({}))
    rows = postgres.say(postgres.database_of(tmp_path), "SELECT name FROM printers")
    assert [row["name"] for row in rows] == ["Prusa"]


@pytest.mark.parametrize("table", ["invoices", "alembic_version", "identity", "jobs"])
async def test_postgresql_refuses_a_database_that_holds_tables_of_others(table: str) -> None:
    url = postgres.new_database(empty=True)
    making = f"CREATE TABLE {table} (version_num text)"
    postgres.say(url, making, f"INSERT INTO {table} VALUES ('{HEAD}')")  # noqa: S608
    with pytest.raises(DatabaseNotEmpty, match=f"it holds the table {table}") as refused:
        await load_postgres(url, cargo({}))
    assert "createdb" in refused.value.hint
    assert len(postgres.say(url, f"SELECT * FROM {table}")) == 1  # noqa: S608
    tables_ = postgres.say(url, "SELECT FROM pg_tables WHERE schemaname = current_schema()")
    assert len(tables_) == 1


async def test_postgresql_leaves_a_table_of_others_as_it_is() -> None:
    """Beside the empty tables of ours that a restore which was cut off has left."""
    url = postgres.new_database(empty=True)
    await asyncio.to_thread(asyncio.run, migrate(PostgresAddress.parse(url), HEAD))
    postgres.say(url, "CREATE TABLE invoices (id text)", "INSERT INTO invoices VALUES ('i1')")
    await load_postgres(url, cargo({"farm": b'["key","value"]\n["a","1"]'}))
    assert len(postgres.say(url, "SELECT * FROM farm")) == 1
    assert [row["id"] for row in postgres.say(url, "SELECT * FROM invoices")] == ["i1"]


@pytest.mark.parametrize("name", ["farm", "floors"])
async def test_postgresql_refuses_rows_in_whichever_table_of_ours(name: str) -> None:
    url = postgres.new_database(empty=True)
    await asyncio.to_thread(asyncio.run, migrate(PostgresAddress.parse(url), HEAD))
    rows = {
        "farm": "INSERT INTO farm (key, value) VALUES ('a', '1')",
        "floors": "INSERT INTO floors (id, name, width_mm, depth_mm, created_at)"
        " VALUES ('f1', 'Hall', 1, 1, 1)",
    }
    postgres.say(url, rows[name])
    with pytest.raises(DatabaseNotEmpty, match=f"there are rows in {name}"):
        await load_postgres(url, cargo({}))
    assert len(postgres.say(url, f"SELECT * FROM {name}")) == 1  # noqa: S608


async def test_postgresql_refuses_a_schema_that_the_backup_has_not() -> None:
    url = postgres.new_database(empty=True)
    await asyncio.to_thread(asyncio.run, migrate(PostgresAddress.parse(url), BEFORE))
    with pytest.raises(DatabaseNotEmpty):
        await load_postgres(url, cargo({}))


async def test_ids_that_the_database_gives_go_on_after_those_of_the_backup(
    tmp_path: Path,
) -> None:
    text = {
        "events": b'["id","at","kind"]\n["e1",1,"x"]\n["e2",2,"x"]',
        "outbox": b'["id","event_id"]\n[41,"e1"]',
    }
    url = await load("postgresql", tmp_path / "new", cargo(text))
    assert isinstance(url, str)
    made = "INSERT INTO outbox (event_id) VALUES ('e2') RETURNING id"
    assert [row["id"] for row in postgres.say(url, made)] == [42]
