"""A script's transaction on PostgreSQL, and the watch that it awaits nothing else."""

from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from typing import Any

import asyncpg
from sqlalchemy import Text, Update, bindparam, cast, func, insert, select, update
from sqlalchemy.sql.elements import ClauseElement

from buildplate.storage.errors import (
    SecondStatement,
    StorageError,
    SuspendedScript,
    UnknownCounter,
    WrongType,
)
from buildplate.storage.model import EventRecord
from buildplate.storage.postgres.address import PostgresAddress
from buildplate.storage.postgres.connection import Again, again, is_lost, translated
from buildplate.storage.postgres.transition import (
    EVENT_COLUMNS,
    STATEMENTS,
    event_columns,
    given_with,
    with_event,
)
from buildplate.storage.statements import Arguments
from buildplate.storage.tables import counters, events, outbox

_RECORDED = (
    insert(events)
    .values({name: bindparam(name) for name in EVENT_COLUMNS})
    .returning(events.c.id)
    .cte("recorded")
)
# One statement and one round trip; it also names the transaction, see `PostgresTx.xid`.
_RECORD = STATEMENTS.compiled(
    insert(outbox)
    .from_select(["event_id"], select(_RECORDED.c.id))
    .returning(cast(func.pg_current_xact_id(), Text))
)
_NEXT_NUMBER = STATEMENTS.compiled(
    update(counters)
    .where(counters.c.name == bindparam("counter"))
    .values(value=counters.c.value + 1)
    .returning(counters.c.value)
)


class PostgresTx:
    """`Tx` on one connection inside a transaction.

    `xid` is the server's name of the transaction, known once an event was recorded. `failure`
    is the first error, after which nothing more is run; `again` is whether it may pass by.
    `waits` holds while the script awaits the server. With `before`, which is called right before
    it, the script may run one statement, and that is committed by itself.
    """

    __slots__ = (
        "_address",
        "_before",
        "_connection",
        "_ran",
        "again",
        "failure",
        "lost",
        "recorded",
        "waits",
        "xid",
    )

    def __init__(
        self,
        connection: Any,
        address: PostgresAddress,
        before: Callable[[], None] | None = None,
    ) -> None:
        self._before = before
        self._ran = False
        self._connection = connection
        self._address = address
        self.failure: StorageError | None = None
        self.again: Again | None = None
        self.lost = False
        self.recorded = False
        self.waits = False
        self.xid: str | None = None

    async def rows(
        self, statement: ClauseElement, params: Mapping[str, Any] | None = None
    ) -> Sequence[asyncpg.Record]:
        """See `Tx.rows`."""
        sql, arguments = STATEMENTS.ready(statement, params)
        found: Sequence[asyncpg.Record] = await self._run(self._connection.fetch, sql, arguments)
        return found

    async def row(
        self, statement: ClauseElement, params: Mapping[str, Any] | None = None
    ) -> asyncpg.Record | None:
        """See `Tx.row`."""
        sql, arguments = STATEMENTS.ready(statement, params)
        first: asyncpg.Record | None = await self._run(self._connection.fetchrow, sql, arguments)
        return first

    async def change(
        self, statement: ClauseElement, params: Mapping[str, Any] | None = None
    ) -> int:
        """See `Tx.change`."""
        sql, arguments = STATEMENTS.ready(statement, params)
        status: str = await self._run(self._connection.execute, sql, arguments)
        return int(status.rpartition(" ")[2])

    async def change_each(
        self, statement: ClauseElement, params: Sequence[Mapping[str, Any]]
    ) -> None:
        """See `Tx.change_each`."""
        ready = [STATEMENTS.ready(statement, one) for one in params]
        if ready:
            await self._run(self._every, ready[0][0], [arguments for _, arguments in ready])

    async def _every(self, sql: str, *rows: Arguments) -> None:
        for arguments in rows:
            _refuse_fractions(sql, arguments)
        await self._connection.executemany(sql, rows)

    async def compare_and_set(
        self, statement: Update, params: Mapping[str, Any], event: EventRecord | None
    ) -> asyncpg.Record | None:
        """See `Tx.compare_and_set`."""
        if event is None:
            return await self.row(statement, params)
        moved = await self.row(with_event(statement), given_with(event, params))
        self.recorded = self.recorded or moved is not None
        return moved

    async def record(self, event: EventRecord) -> None:
        """See `Tx.record`."""
        sql, arguments = _RECORD.ready(event_columns(event))
        self.xid = await self._run(self._connection.fetchval, sql, arguments)
        self.recorded = True

    async def next_number(self, name: str) -> int:
        """See `Tx.next_number`."""
        sql, arguments = _NEXT_NUMBER.ready({"counter": name})
        number: int | None = await self._run(self._connection.fetchval, sql, arguments)
        if number is None:
            raise UnknownCounter(name)
        return number

    async def fetch_value(self, sql: str) -> Any:
        """The one value of a query without parameters."""
        return await self._run(self._connection.fetchval, sql, ())

    async def _run(
        self, call: Callable[..., Awaitable[Any]], sql: str, arguments: Sequence[Any]
    ) -> Any:
        if self.failure is not None:
            raise self.failure
        if self._before is not None:
            self._only_statement(sql, self._before)
        self.waits = True
        try:
            _refuse_fractions(sql, arguments)
            return await call(sql, *arguments)
        except Exception as error:  # noqa: BLE001 (raised again; the driver has many kinds)
            self.failure = translated(error, self._address)
            self.again = again(error)
            self.lost = is_lost(error)
        finally:
            self.waits = False
        raise self.failure

    def _only_statement(self, sql: str, before: Callable[[], None]) -> None:
        if self._ran:
            raise SecondStatement(sql)
        self._ran = True
        before()


def _refuse_fractions(sql: str, arguments: Sequence[Any]) -> None:
    """The driver would cut a fraction off for an integer column."""
    for place, value in enumerate(arguments, start=1):
        if type(value) is float and f"${place}::BIGINT" in sql:
            message = f"parameter {place} must be a whole number: {sql}"
            raise WrongType(message)


class Watched:
    """Runs a script to its end, and refuses one that awaits something other than its `tx`."""

    def __init__(
        self,
        tx: PostgresTx,
        name: str,
        script: Callable[..., Awaitable[Any]],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> None:
        self._tx = tx
        self._name = name
        self._coroutine: Any = script(tx, *args, **kwargs)

    def __await__(self) -> Generator[Any, Any, Any]:
        """What the script returned. Raises what it raised, or `SuspendedScript`."""
        go_on, value = self._coroutine.send, None
        while True:
            try:
                awaited = go_on(value)
            except StopIteration as end:
                return end.value
            if not self._tx.waits:
                self._coroutine.close()
                raise SuspendedScript(self._name)
            try:
                go_on, value = self._coroutine.send, (yield awaited)
            except BaseException as error:  # noqa: BLE001 (a cancellation is for the script to see)
                go_on, value = self._coroutine.throw, error
