"""Connections to the database file, and what the driver's errors mean."""

import re
import sqlite3
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import UniqueConstraint

from buildplate.storage.errors import (
    ConstraintViolated,
    DatabaseUnreachable,
    StorageBusy,
    StorageError,
    StorageFull,
    WrongType,
)
from buildplate.storage.tables import metadata

CHECKPOINT_PAGES = 1000
_CACHED_STATEMENTS = 512
_WAL_KEPT_BYTES = 64 * 1024 * 1024
_SYNCHRONOUS_FULL = 2
_CONSTRAINT_DATATYPE = 3091  # SQLITE_CONSTRAINT_DATATYPE, which the module does not name


def connect_writer(
    path: Path, busy_seconds: float, checkpoint_pages: int = CHECKPOINT_PAGES
) -> sqlite3.Connection:
    """The one connection that writes: WAL, every commit synced, foreign keys on.

    The log is folded into the database whenever it holds `checkpoint_pages` pages.
    Waits up to `busy_seconds` for another process's lock; after that the connection itself
    never waits. Raises `StorageError` and its subclasses.
    """
    try:
        connection = _connect(path, "rwc", busy_seconds)
        mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA wal_autocheckpoint = {checkpoint_pages}")
        connection.execute(f"PRAGMA journal_size_limit = {_WAL_KEPT_BYTES}")
        level = connection.execute("PRAGMA synchronous").fetchone()[0]
        connection.execute("PRAGMA busy_timeout = 0")
    except sqlite3.Error as error:
        raise opening_failed(path, error) from error
    if mode != "wal" or level != _SYNCHRONOUS_FULL:
        connection.close()
        raise DatabaseUnreachable(str(path), f"it stays in {mode} mode, synchronous {level}")
    return connection


def connect_reader(path: Path, busy_seconds: float) -> sqlite3.Connection:
    """A connection that can only read. Raises `StorageError` and its subclasses."""
    try:
        connection = _connect(path, "ro", busy_seconds)
        connection.execute("PRAGMA query_only = ON")
    except sqlite3.Error as error:
        raise opening_failed(path, error) from error
    return connection


def _connect(path: Path, mode: str, busy_seconds: float) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"file:{quote(str(path))}?mode={mode}",
        uri=True,
        timeout=busy_seconds,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=_CACHED_STATEMENTS,
    )
    connection.row_factory = sqlite3.Row
    return connection


def opening_failed(path: Path, error: sqlite3.Error) -> StorageError:
    """The error of this room for one that came while the database was opened."""
    if _primary(error) == sqlite3.SQLITE_CANTOPEN:
        return DatabaseUnreachable(str(path), error)
    return translated(error)


def is_busy(error: sqlite3.Error) -> bool:
    """Whether somebody else holds the database locked."""
    return _primary(error) in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


_STATEMENT_ONLY = frozenset(
    {
        sqlite3.SQLITE_CONSTRAINT,
        sqlite3.SQLITE_ERROR,
        sqlite3.SQLITE_MISMATCH,
        sqlite3.SQLITE_RANGE,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_TOOBIG,
        None,
    }
)


def loses_transaction(error: sqlite3.Error) -> bool:
    """Whether the error may have taken the whole transaction with it.

    SQLite may roll back by itself on a full disk, an I/O error or a lack of memory
    (sqlite.org/lang_transaction.html, "Response To Errors Within A Transaction").
    """
    return _primary(error) not in _STATEMENT_ONLY


def translated(error: sqlite3.Error) -> StorageError:
    """The error of this room for one of the driver."""
    code = getattr(error, "sqlite_errorcode", None)
    primary = _primary(error)
    message = str(error)
    if code == _CONSTRAINT_DATATYPE or primary is None:
        return WrongType(message)
    if primary == sqlite3.SQLITE_CONSTRAINT:
        return ConstraintViolated(message, _constraint(message))
    if primary == sqlite3.SQLITE_FULL or code == sqlite3.SQLITE_IOERR_SHMSIZE:
        return StorageFull(message)
    if is_busy(error):
        return StorageBusy(message)
    return StorageError(f"{message} ({getattr(error, 'sqlite_errorname', 'no code')})")


def _primary(error: sqlite3.Error) -> int | None:
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


_UNIQUE = re.compile(r"UNIQUE constraint failed: (?P<columns>[\w.]+(, [\w.]+)*)$")
_CHECK = re.compile(r"CHECK constraint failed: (?P<name>\w+)$")
_NOT_NULL = re.compile(r"NOT NULL constraint failed: (?P<column>[\w.]+)$")


def _unique_names() -> dict[tuple[str, ...], str]:
    names: dict[tuple[str, ...], str] = {}
    for table in metadata.tables.values():
        constraints = [item for item in table.constraints if isinstance(item, UniqueConstraint)]
        indexes = [index for index in table.indexes if index.unique]
        named = [(item.name, list(item.columns)) for item in (table.primary_key, *constraints)]
        named += [(index.name, list(index.columns)) for index in indexes]
        for name, columns in named:
            names[tuple(f"{table.name}.{column.name}" for column in columns)] = str(name)
    return names


_UNIQUE_NAMES = _unique_names()


def _constraint(message: str) -> str | None:
    if found := _UNIQUE.match(message):
        return _UNIQUE_NAMES.get(tuple(found["columns"].split(", ")))
    if found := _CHECK.match(message):
        return found["name"]
    if found := _NOT_NULL.match(message):
        return found["column"]
    return None
