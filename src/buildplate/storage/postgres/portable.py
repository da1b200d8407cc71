"""A PostgreSQL database's rows out of one snapshot, and into an empty database."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import asyncpg

from buildplate.storage.errors import DatabaseUnreachable, StorageError
from buildplate.storage.portable import BATCH, Cargo, NotPortable, TableText, check_fit
from buildplate.storage.postgres.address import PostgresAddress
from buildplate.storage.postgres.connection import DRIVER_ERRORS, Limits, connect, translated
from buildplate.storage.postgres.ownership import Ownership
from buildplate.storage.postgres.preflight import revision
from buildplate.storage.postgres.schema import migrate
from buildplate.storage.postgres.transaction import PostgresTx
from buildplate.storage.schema import HEAD
from buildplate.storage.tables import identity, metadata

_LIMITS = Limits(statement=600.0)
_NO_FARM = frozenset({"identity", "counters", "nodes"})
"""Tables with rows before a farm lives there: from migrations, and whoever holds the lock."""
_SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


class DatabaseNotEmpty(StorageError):
    """A farm lives in the database: a backup is never restored over one."""

    code = "database_not_empty"
    hint = "Make an empty database (createdb NAME) and name it in DATABASE_URL."

    def __init__(self, shown: str, found: str) -> None:
        super().__init__(f"The database {shown} is not empty: {found}.")


class PostgresSnapshot:
    """Fulfils `Snapshot`: drives a connection on a loop of its own."""

    def __init__(
        self,
        runner: asyncio.Runner,
        connection: asyncpg.Connection[Any],
        address: PostgresAddress,
        found: str,
    ) -> None:
        self._runner = runner
        self._connection = connection
        self._address = address
        self.revision = found

    def rows(self, table: str, columns: Sequence[str]) -> Iterator[Sequence[Sequence[Any]]]:
        """See `Snapshot.rows`."""
        named = ", ".join(f'"{column}"' for column in columns)
        query = f'SELECT {named} FROM "{table}"'  # noqa: S608
        try:
            cursor = self._runner.run(_cursor(self._connection, query))
            while batch := self._runner.run(_fetch(cursor)):
                yield [tuple(row) for row in batch]
        except DRIVER_ERRORS as error:
            raise translated(error, self._address) from error


async def _cursor(connection: asyncpg.Connection[Any], query: str) -> Any:
    return await connection.cursor(query)


async def _fetch(cursor: Any) -> Sequence[Any]:
    found: Sequence[Any] = await cursor.fetch(BATCH)
    return found


@contextmanager
def postgres_snapshot(url: str) -> Iterator[PostgresSnapshot]:
    """The committed rows of this moment; blocks, on a thread without a loop."""
    address = PostgresAddress.parse(url)
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        connection = runner.run(connect(address, _LIMITS))
        try:
            found = runner.run(_begin(connection))
            if found is None:
                raise DatabaseUnreachable(address.shown, "it holds no farm", "Check DATABASE_URL.")
            yield PostgresSnapshot(runner, connection, address, found)
        except DRIVER_ERRORS as error:
            raise translated(error, address) from error
        finally:
            connection.terminate()
            runner.run(asyncio.sleep(0))


async def _begin(connection: asyncpg.Connection[Any]) -> str | None:
    await connection.execute(_SNAPSHOT)
    return await revision(connection)  # the first query is what takes the snapshot


async def load_postgres(url: str, cargo: Cargo) -> None:
    """Fill an empty database with the rows, under the lock that a server would hold.

    Raises `DatabaseNotEmpty`, `DatabaseInUse` and the other `StorageError`s.
    """
    address = PostgresAddress.parse(url)
    ownership = Ownership(address, _LIMITS, 0.0, 0.0)
    connection = await ownership.take()
    try:
        await _must_be_empty(connection, address, cargo.revision)
        await asyncio.to_thread(asyncio.run, migrate(address, cargo.revision))
        async with connection.transaction():
            await _fill(connection, cargo)
            if cargo.revision == HEAD:
                await cargo.settle(PostgresTx(connection, address))
        if cargo.revision != HEAD:
            await asyncio.to_thread(asyncio.run, migrate(address, "head"))
            async with connection.transaction():
                await cargo.settle(PostgresTx(connection, address))
    except DRIVER_ERRORS as error:
        raise translated(error, address) from error
    finally:
        await ownership.release()


async def look_postgres(url: str, wanted: str) -> None:
    """Refuse a database that can't take a backup of schema `wanted`; changes nothing.

    Raises `DatabaseNotEmpty`, `DatabaseInUse` and the other `StorageError`s.
    """
    address = PostgresAddress.parse(url)
    ownership = Ownership(address, _LIMITS, 0.0, 0.0)
    connection = await ownership.take()
    try:
        await _must_be_empty(connection, address, wanted)
    except DRIVER_ERRORS as error:
        raise translated(error, address) from error
    finally:
        await ownership.release()


async def identity_of(url: str) -> str | None:
    """The id of the database's farm; None where there is none."""
    address = PostgresAddress.parse(url)
    connection = await connect(address, _LIMITS)
    try:
        if await connection.fetchval("SELECT to_regclass('identity')") is None:
            return None
        found = await connection.fetchval("SELECT id FROM identity")
        return None if found is None else str(found)
    except DRIVER_ERRORS as error:
        raise translated(error, address) from error
    finally:
        connection.terminate()


async def _must_be_empty(
    connection: asyncpg.Connection[Any], address: PostgresAddress, wanted: str
) -> None:
    """A schema of ours without a farm in it is as good as nothing: a cut-off restore leaves it."""
    found, there = await revision(connection), await _tables(connection)
    ours = [table.name for table in metadata.sorted_tables if table.name in there]
    if found is None or identity.name not in there:
        if there:
            raise DatabaseNotEmpty(address.shown, f"it holds the table {there[0]}")
        return
    if found != wanted:
        raise DatabaseNotEmpty(address.shown, f"it has schema {found}, the backup {wanted}")
    for table in ours:
        if table in _NO_FARM:
            continue
        if await connection.fetchval(f'SELECT EXISTS (SELECT FROM "{table}")'):  # noqa: S608
            raise DatabaseNotEmpty(address.shown, f"there are rows in {table}")


async def _tables(connection: asyncpg.Connection[Any]) -> list[str]:
    """Every table of the schema, whoever made it."""
    return [row["relname"] for row in await connection.fetch(_TABLES)]


async def _fill(connection: asyncpg.Connection[Any], cargo: Cargo) -> None:
    there = await _tables(connection)
    names = [name for name in there if name in metadata.tables]  # whatever else there is, stays
    await connection.execute("TRUNCATE " + ", ".join(f'"{name}"' for name in names))
    for table in cargo.tables():
        await _fill_table(connection, table)
    for name, columns, row in cargo.first:
        key = columns[0]
        await connection.execute(f'DELETE FROM "{name}" WHERE "{key}" = $1', row[0])  # noqa: S608
        await connection.execute(_insert(name, columns), *row)
    await connection.execute(
        "SELECT setval('outbox_id_seq', (SELECT coalesce(max(id), 0) + 1 FROM outbox), false)"
    )


async def _fill_table(connection: asyncpg.Connection[Any], table: TableText) -> None:
    found = await connection.fetch(_COLUMNS, table.name)
    kinds = {row["column_name"]: row["data_type"] for row in found}
    check_fit(table, list(kinds))
    turns = [_TURNS.get(kinds[column], _as_it_is) for column in table.columns]
    for batch in table.rows:
        rows = [tuple(turn(value) for turn, value in zip(turns, row, strict=True)) for row in batch]
        try:
            await connection.copy_records_to_table(
                table.name, records=rows, columns=list(table.columns)
            )
        except (asyncpg.IntegrityConstraintViolationError, asyncpg.DataError, TypeError) as error:
            message = f"a row of the table {table.name} is refused: {type(error).__name__}"
            raise NotPortable(message) from error


def _as_it_is(value: Any) -> Any:
    return value


def _flag(value: Any) -> Any:
    return None if value is None else bool(value)


def _fraction(value: Any) -> Any:
    return None if value is None else float(value)


_TURNS = {"boolean": _flag, "double precision": _fraction}
_TABLES = (
    "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace"
    " AND relkind IN ('r', 'p', 'f') ORDER BY relname"
)
_COLUMNS = (
    "SELECT column_name, data_type FROM information_schema.columns"
    " WHERE table_schema = current_schema() AND table_name = $1"
)


def _insert(table: str, columns: Sequence[str]) -> str:
    named = ", ".join(f'"{column}"' for column in columns)
    places = ", ".join(f"${place}" for place in range(1, len(columns) + 1))
    return f'INSERT INTO "{table}" ({named}) VALUES ({places})'  # noqa: S608
