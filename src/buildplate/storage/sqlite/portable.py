"""A SQLite database's rows out of one snapshot, and into a file of their own."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from buildplate.storage.errors import DatabaseUnreachable
from buildplate.storage.portable import BATCH, Cargo, NotPortable, TableText, check_fit
from buildplate.storage.schema import HEAD, migrating, revision, run_migrations
from buildplate.storage.sqlite.connection import connect_reader, connect_writer, opening_failed
from buildplate.storage.sqlite.transaction import SqliteTx, run_to_end

_PATIENCE_S = 60.0


class SqliteSnapshot:
    """Fulfils `Snapshot` on a connection in a transaction that has read already."""

    def __init__(self, connection: sqlite3.Connection, found: str) -> None:
        self._connection = connection
        self.revision = found

    def rows(self, table: str, columns: Sequence[str]) -> Iterator[Sequence[Sequence[Any]]]:
        """See `Snapshot.rows`."""
        named = ", ".join(f'"{column}"' for column in columns)
        try:
            cursor = self._connection.execute(f'SELECT {named} FROM "{table}"')  # noqa: S608
            while batch := cursor.fetchmany(BATCH):
                yield [tuple(row) for row in batch]
        except sqlite3.Error as error:
            raise opening_failed(Path(table), error) from error


@contextmanager
def sqlite_snapshot(path: Path) -> Iterator[SqliteSnapshot]:
    """The committed rows of this moment; writers go on meanwhile (WAL)."""
    with closing(connect_reader(path, _PATIENCE_S)) as connection:
        try:
            connection.execute("BEGIN")
            found = revision(connection)  # the first read is what takes the snapshot
        except sqlite3.Error as error:
            raise opening_failed(path, error) from error
        if found is None:
            raise DatabaseUnreachable(str(path), "it holds no farm")
        yield SqliteSnapshot(connection, found)


def identity_in(path: Path) -> str | None:
    """The id of the farm in a database that is there; None where it has none. StorageError."""
    with closing(connect_reader(path, _PATIENCE_S)) as connection:
        try:
            if revision(connection) is None:
                return None
            found = connection.execute("SELECT id FROM identity").fetchone()
        except sqlite3.Error as error:
            raise opening_failed(path, error) from error
    return None if found is None else str(found[0])


def load_sqlite(path: Path, cargo: Cargo) -> None:
    """Make a database of the rows at `path`, where there is no file yet; durable on return.

    Whoever finds it half made must not use it: give it a name that no server opens.
    Raises `StorageError` and its subclasses.
    """
    try:
        with migrating(path, _PATIENCE_S) as migration:
            run_migrations(migration, cargo.revision)
        with closing(connect_writer(path, _PATIENCE_S)) as connection:
            connection.execute("PRAGMA foreign_keys = OFF")
            connection.execute("BEGIN IMMEDIATE")
            _fill(connection, cargo)
            connection.execute("COMMIT")
        if cargo.revision != HEAD:
            with migrating(path, _PATIENCE_S) as migration:
                run_migrations(migration, "head")
        with closing(connect_writer(path, _PATIENCE_S)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            run_to_end(SqliteTx(connection), "settle", cargo.settle, (), {})
            connection.execute("COMMIT")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            # One file, so that one rename puts it in its place; a server switches WAL on again.
            connection.execute("PRAGMA journal_mode = DELETE").fetchall()
        _sync(path)
    except sqlite3.Error as error:
        raise opening_failed(path, error) from error


def _fill(connection: sqlite3.Connection, cargo: Cargo) -> None:
    named = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    for (name,) in connection.execute(named).fetchall():
        if name != "alembic_version":
            connection.execute(f'DELETE FROM "{name}"')  # noqa: S608
    for table in cargo.tables():
        _fill_table(connection, table)
    for name, columns, row in cargo.first:
        statement = _insert(name, columns).replace("INSERT", "INSERT OR REPLACE", 1)
        connection.execute(statement, tuple(row))
    broken = connection.execute("PRAGMA foreign_key_check").fetchall()
    if broken:
        message = f"rows of {broken[0][0]} refer to rows that are not there"
        raise NotPortable(message)


def _fill_table(connection: sqlite3.Connection, table: TableText) -> None:
    there = [row[0] for row in connection.execute(_COLUMNS, (table.name,))]
    check_fit(table, there)
    statement = _insert(table.name, table.columns)
    for batch in table.rows:
        try:
            connection.executemany(statement, batch)
        except _UNFIT as error:
            message = f"a row of the table {table.name} is refused: {error}"
            raise NotPortable(message) from error


_UNFIT = (sqlite3.IntegrityError, sqlite3.InterfaceError, sqlite3.ProgrammingError, OverflowError)
_COLUMNS = "SELECT name FROM pragma_table_info(?)"


def _insert(table: str, columns: Sequence[str]) -> str:
    named = ", ".join(f'"{column}"' for column in columns)
    places = ", ".join("?" for _ in columns)
    return f'INSERT INTO "{table}" ({named}) VALUES ({places})'  # noqa: S608


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
