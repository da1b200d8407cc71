"""The rows of a whole database as lines of JSON, the same on every engine: for backups.

A table is one text: its first line names the columns, each further line is a row in their order.
Booleans are 0 and 1. Rows are read from one snapshot and written in one transaction.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import orjson

from buildplate.storage.errors import StorageError
from buildplate.storage.ports import Tx
from buildplate.storage.tables import metadata, nodes, setup_links, spent_tokens, user_sessions

BATCH = 500
PASSING = frozenset(table.name for table in (nodes, setup_links, spent_tokens, user_sessions))
"""Tables of what is over when the server is: who runs it, who is logged in, one-shot links."""

PORTABLE = tuple(str(t.name) for t in metadata.sorted_tables if t.name not in PASSING)
"""The tables a backup holds; what others refer to comes first."""

Settle = Callable[[Tx], Awaitable[None]]


class NotPortable(StorageError):
    """A backup's rows do not fit the tables that they name: it was not made by this program."""

    code = "rows_do_not_fit"
    hint = "Take another backup; this one was altered, or made by another program."


class Snapshot(Protocol):
    """One moment of a database. Every call blocks; for one thread."""

    revision: str

    def rows(self, table: str, columns: Sequence[str]) -> Iterator[Sequence[Sequence[Any]]]:
        """The rows of a table in batches, in no order."""


Opened = AbstractContextManager[Snapshot]


@dataclass(frozen=True, slots=True)
class TableText:
    """A table of a backup: its name, its columns, and its rows in batches."""

    name: str
    columns: Sequence[str]
    rows: Iterator[Sequence[Sequence[Any]]]


@dataclass(frozen=True, slots=True)
class Cargo:
    """What is to be loaded: rows as of schema `revision`, and what is settled with them.

    `settle` runs over the present schema. Where the backup's schema is the present one, rows and
    `settle` are one transaction; else `first` is in the rows' transaction already.
    """

    revision: str
    tables: Callable[[], Iterator[TableText]]
    settle: Settle
    first: Sequence[tuple[str, Sequence[str], Sequence[Any]]] = ()


def columns_of(table: str) -> list[str]:
    """The columns of a table of this release, in their order."""
    return [column.name for column in metadata.tables[table].columns]


def write_table(snapshot: Snapshot, table: str, write: Callable[[bytes], Any]) -> int:
    """Write a table as text; how many rows it has."""
    columns = columns_of(table)
    write(orjson.dumps(columns) + b"\n")
    count = 0
    for batch in snapshot.rows(table, columns):
        count += len(batch)
        write(b"".join(orjson.dumps(_plain(row)) + b"\n" for row in batch))
    return count


def _plain(row: Sequence[Any]) -> list[Any]:
    return [int(value) if isinstance(value, bool) else value for value in row]


def read_table(name: str, lines: Iterator[bytes]) -> TableText:
    """A table's text as its rows; NotPortable for what is no such text."""
    try:
        columns = orjson.loads(next(lines))
    except (StopIteration, ValueError):
        message = f"the table {name} has no columns"
        raise NotPortable(message) from None
    if not isinstance(columns, list) or not all(isinstance(one, str) for one in columns):
        message = f"the table {name} has no columns"
        raise NotPortable(message)
    return TableText(name, columns, _batches(name, len(columns), lines))


def _batches(name: str, width: int, lines: Iterator[bytes]) -> Iterator[Sequence[Sequence[Any]]]:
    batch: list[Sequence[Any]] = []
    for line in lines:
        try:
            row = orjson.loads(line)
        except ValueError:
            row = None
        if not isinstance(row, list) or len(row) != width:
            message = f"a line of the table {name} is no row of it"
            raise NotPortable(message)
        batch.append(row)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def check_fit(table: TableText, there: Sequence[str]) -> None:
    """Refuse columns that the table does not have; names go into SQL. NotPortable."""
    if not there:
        message = f"there is no table {table.name}"
        raise NotPortable(message)
    strange = sorted(set(table.columns) - set(there))
    if strange or len(set(table.columns)) != len(table.columns):
        message = f"the table {table.name} has no column {', '.join(strange) or 'twice'}"
        raise NotPortable(message)


def snapshot_of(where: Path | str) -> Opened:
    """A snapshot of the SQLite file or the PostgreSQL URL, taken when it is entered.

    Raises `StorageError` and its subclasses.
    """
    # Both import this module, and that of PostgreSQL brings a driver that a file does not need.
    if isinstance(where, Path):
        from buildplate.storage.sqlite.portable import sqlite_snapshot  # noqa: PLC0415 (see above)

        return sqlite_snapshot(where)
    from buildplate.storage.postgres.portable import postgres_snapshot  # noqa: PLC0415 (see above)

    return postgres_snapshot(where)
