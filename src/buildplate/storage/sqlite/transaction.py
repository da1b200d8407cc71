"""A script's transaction on SQLite: every call is done when it returns, nothing is awaited."""

import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Update, bindparam, insert, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.sql.elements import ClauseElement

from buildplate.storage.errors import StorageError, SuspendedScript, UnknownCounter
from buildplate.storage.model import EventRecord, to_json, to_micros
from buildplate.storage.sqlite.connection import loses_transaction, translated
from buildplate.storage.statements import Arguments, Statements
from buildplate.storage.tables import counters, events, outbox

_STATEMENTS = Statements(sqlite.dialect(paramstyle="qmark"))

_EVENT_COLUMNS = ("id", "at", "kind", "printer_id", "job_id", "print_id", "data")
_INSERT_EVENT = _STATEMENTS.compiled(
    insert(events).values({name: bindparam(name) for name in _EVENT_COLUMNS})
)
_INSERT_OUTBOX = _STATEMENTS.compiled(insert(outbox).values(event_id=bindparam("event_id")))
_NEXT_NUMBER = _STATEMENTS.compiled(
    update(counters)
    .where(counters.c.name == bindparam("counter"))
    .values(value=counters.c.value + 1)
    .returning(counters.c.value)
)


class SqliteTx:
    """`Tx` on one SQLite connection."""

    __slots__ = ("_connection", "failure", "lost", "recorded")

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.failure: StorageError | None = None
        self.lost = False
        self.recorded = False

    async def rows(
        self, statement: ClauseElement, params: Mapping[str, Any] | None = None
    ) -> Sequence[sqlite3.Row]:
        """See `Tx.rows`."""
        return self._run(statement, params).fetchall()

    async def row(
        self, statement: ClauseElement, params: Mapping[str, Any] | None = None
    ) -> sqlite3.Row | None:
        """See `Tx.row`."""
        first: sqlite3.Row | None = self._run(statement, params).fetchone()
        return first

    async def change(
        self, statement: ClauseElement, params: Mapping[str, Any] | None = None
    ) -> int:
        """See `Tx.change`."""
        return self._run(statement, params).rowcount

    async def change_each(
        self, statement: ClauseElement, params: Sequence[Mapping[str, Any]]
    ) -> None:
        """See `Tx.change_each`."""
        ready = [_STATEMENTS.ready(statement, one) for one in params]
        if ready:
            rows = [arguments for _, arguments in ready]
            self._call(self._connection.executemany, ready[0][0], rows)

    async def compare_and_set(
        self, statement: Update, params: Mapping[str, Any], event: EventRecord | None
    ) -> sqlite3.Row | None:
        """See `Tx.compare_and_set`."""
        found: list[sqlite3.Row] = self._run(statement, params).fetchall()
        if not found:
            return None
        if event is not None:
            await self.record(event)
        return found[0]

    async def record(self, event: EventRecord) -> None:
        """See `Tx.record`."""
        at = to_micros(event.at)
        data = to_json(event.data)
        self._execute(
            _INSERT_EVENT.sql,
            (event.id, at, event.kind, event.printer_id, event.job_id, event.print_id, data),
        )
        self._execute(_INSERT_OUTBOX.sql, (event.id,))
        self.recorded = True

    async def next_number(self, name: str) -> int:
        """See `Tx.next_number`."""
        row = self._execute(*_NEXT_NUMBER.ready({"counter": name})).fetchone()
        if row is None:
            raise UnknownCounter(name)
        number: int = row[0]
        return number

    def _run(self, statement: ClauseElement, params: Mapping[str, Any] | None) -> sqlite3.Cursor:
        return self._execute(*_STATEMENTS.ready(statement, params))

    def _execute(self, sql: str, arguments: Arguments) -> sqlite3.Cursor:
        return self._call(self._connection.execute, sql, arguments)

    def _call(
        self, call: Callable[[str, Any], sqlite3.Cursor], sql: str, arguments: object
    ) -> sqlite3.Cursor:
        if self.failure is not None:
            raise self.failure
        try:
            return call(sql, arguments)
        except sqlite3.Error as error:
            self.failure = translated(error)
            self.lost = loses_transaction(error) or not self._connection.in_transaction
            raise self.failure from error


def run_to_end(
    tx: SqliteTx,
    name: str,
    script: Callable[..., Awaitable[Any]],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
) -> Any:
    """Drive the script to its end on this thread; what it returned.

    Raises what the script raised, the failure it tried to hide, or `SuspendedScript`.
    """
    coroutine: Any = script(tx, *args, **kwargs)
    try:
        coroutine.send(None)
    except StopIteration as end:
        if tx.failure is not None:
            raise tx.failure from None
        return end.value
    coroutine.close()
    raise SuspendedScript(name)
