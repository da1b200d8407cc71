"""Transitions that wait at the same moment share one statement, and so one commit.

Each is a script of one statement, a compare-and-set. While the server works on some, more arrive;
those with the same statement are the next batch. A batch that fails wrote nothing, and answers
nobody but by `NotBatched`: then each runs alone, on a connection of the writers and under all
their rules. The same goes for one that found nothing. So a batch brings good news only, and one
that fails or waits for a lock costs the others a moment and nothing else (docs/adr/0020).
"""

import asyncio
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from types import coroutine
from typing import Any, NamedTuple, NoReturn

import asyncpg
import structlog
from sqlalchemy import Update
from sqlalchemy.sql.elements import ClauseElement

from buildplate.storage.errors import (
    OutcomeUnknown,
    SecondStatement,
    StorageBusy,
    StorageError,
    SuspendedScript,
)
from buildplate.storage.model import EventRecord
from buildplate.storage.ports import Row
from buildplate.storage.postgres.address import PostgresAddress
from buildplate.storage.postgres.connection import DRIVER_ERRORS, Limits, connect, is_lost
from buildplate.storage.postgres.transition import PLACE, Transition, transition_of
from buildplate.storage.statements import Arguments

_LOG = structlog.get_logger(__name__)
_LOCK_PATIENCE = 0.1  # seconds: less than the server waits before it looks for a deadlock
_LOOK_AGAIN = 0.5
_SLOW = 1.0  # seconds after which nobody waits for a batch to end


class NotBatched(Exception):
    """The script has to run alone; nothing of it was written."""


class _Wanted(NamedTuple):
    """What a script waits for."""

    transition: Transition
    given: Arguments


@dataclass(slots=True, eq=False)
class _Asked:
    """One transition on its way."""

    name: str
    given: Arguments
    outcome: "asyncio.Future[Any]"
    until: float


class BatchedTx:
    """`Tx` for a script of one compare-and-set, which it hands out instead of running it."""

    __slots__ = ("failure", "ran")

    def __init__(self) -> None:
        self.ran = False
        self.failure: StorageError | None = None

    async def rows(
        self, statement: ClauseElement, _: Mapping[str, Any] | None = None
    ) -> Sequence[Row]:
        """See `Tx.rows`."""
        self._refuse(statement)

    async def row(self, statement: ClauseElement, _: Mapping[str, Any] | None = None) -> Row | None:
        """See `Tx.row`."""
        self._refuse(statement)

    async def change(self, statement: ClauseElement, _: Mapping[str, Any] | None = None) -> int:
        """See `Tx.change`."""
        self._refuse(statement)

    async def change_each(self, statement: ClauseElement, _: Sequence[Mapping[str, Any]]) -> None:
        """See `Tx.change_each`."""
        self._refuse(statement)

    async def compare_and_set(
        self, statement: Update, params: Mapping[str, Any], event: EventRecord | None
    ) -> Row | None:
        """See `Tx.compare_and_set`."""
        transition = transition_of(statement, records=event is not None)
        given = None if transition is None else transition.values(params, event)
        if self.ran or transition is None or given is None:
            self._refuse(statement)
        self.ran = True
        return await _row(_Wanted(transition, given))

    async def record(self, event: EventRecord) -> None:
        """See `Tx.record`."""
        self._refuse(event.kind)

    async def next_number(self, name: str) -> int:
        """See `Tx.next_number`."""
        self._refuse(name)

    def _refuse(self, what: object) -> NoReturn:
        if not self.ran:
            raise NotBatched
        self.failure = SecondStatement(str(what))
        raise self.failure


@coroutine
def _row(wanted: _Wanted) -> Generator[_Wanted, Row, Row]:
    return (yield wanted)


class Batches:
    """Runs scripts of one compare-and-set, as many at once as wait. Used from one loop."""

    def __init__(
        self,
        address: PostgresAddress,
        limits: Limits,
        limit: int,
        busy_seconds: float,
        notify: Callable[[str | None], None],
    ) -> None:
        self._address = address
        self._limits = replace(limits, lock=min(limits.lock, _LOCK_PATIENCE))
        self._limit = limit
        self._busy = busy_seconds
        self._notify = notify
        self._connection: asyncpg.Connection[Any] | None = None
        self._waiting: dict[Transition, list[_Asked]] = {}
        self._sending: asyncio.Task[None] | None = None
        self._opening: asyncio.Task[None] | None = None
        self._slow = self._lost = False
        self._failing: set[Transition] = set()

    async def open(self) -> None:
        """Raises `DatabaseUnreachable`."""
        # Else few rows are planned anew each time, which costs more than changing them.
        settings = {"plan_cache_mode": "force_generic_plan"}
        self._connection = await connect(self._address, self._limits, **settings)

    async def close(self) -> None:
        """Bring what is under way to its end, and hang up."""
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.wait([self._opening])
        if self._sending is not None:
            await asyncio.wait([self._sending])
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(*DRIVER_ERRORS):
                await connection.close(timeout=self._limits.connect)
            connection.terminate()

    def is_ready(self) -> bool:
        """Whether it can be tried; where the connection is gone, another one is made meanwhile."""
        if self._connection is not None and not self._connection.is_closed():
            return not self._slow
        if self._opening is None:
            if not self._lost:
                self._lost = True
                _LOG.warning("database.batches", action="lost", hint="transitions run alone now")
            loop = asyncio.get_running_loop()
            self._opening = loop.create_task(self._open_again(), name="database batches")
        return False

    async def run(
        self,
        name: str,
        script: Callable[..., Awaitable[Any]],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> Any:
        """What the script returned. Raises what it raised, `NotBatched`, and as `Storage.write`."""
        tx = BatchedTx()
        running: Any = script(tx, *args, **kwargs)
        try:
            wanted = running.send(None)
            if type(wanted) is _Wanted:
                running.send(await self._ask(name, wanted))
        except StopIteration as end:
            if not tx.ran:
                raise NotBatched from None
            if tx.failure is not None:
                raise tx.failure from None
            return end.value
        finally:
            running.close()
        raise SuspendedScript(name)

    def _ask(self, name: str, wanted: _Wanted) -> "asyncio.Future[Any]":
        """Wait with the others of its kind, and see to it that somebody sends them."""
        loop = asyncio.get_running_loop()
        outcome = loop.create_future()
        asked = _Asked(name, wanted.given, outcome, loop.time() + self._busy)
        self._waiting.setdefault(wanted.transition, []).append(asked)
        if self._sending is None:
            self._sending = loop.create_task(self._send_all(), name="database batches")
        return outcome

    async def _send_all(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                transition, batch = self._next()
                if batch:
                    slow = loop.call_later(_SLOW, self._let_go)
                    try:
                        await self._send(transition, batch)
                    finally:
                        slow.cancel()
        finally:
            self._sending = None
            self._let_go()
            self._slow = False

    def _let_go(self) -> None:
        """Whoever waits runs alone, and so does who comes before the batch under way ends."""
        self._slow = True
        for waiting in self._waiting.values():
            _refuse(waiting, NotBatched)
        self._waiting.clear()

    def _next(self) -> tuple[Transition, list[_Asked]]:
        """The kind that waits longest, as many as fit; the cancelled and the late are let go."""
        kind = next(iter(self._waiting))
        waiting = self._waiting.pop(kind)
        batch, rest = waiting[: self._limit], waiting[self._limit :]
        if rest:
            self._waiting[kind] = rest
        now = asyncio.get_running_loop().time()
        late = [asked for asked in batch if asked.until <= now]
        _refuse(late, lambda: StorageBusy(f"the database was busy for {self._busy:g} s"))
        there = [asked for asked in batch if not asked.outcome.done()]
        return kind, [asked for asked in there if self._told("before", asked)]

    async def _send(self, transition: Transition, batch: Sequence[_Asked]) -> None:
        connection = self._connection
        if connection is None or connection.is_closed():
            _refuse(batch, NotBatched)
            return
        try:
            rows = await _found(connection, transition, batch)
        except BaseException as error:
            if isinstance(error, Exception) and not is_lost(error):
                if isinstance(error, asyncpg.SyntaxOrAccessError):
                    self._complain(transition, error)
                _refuse(batch, NotBatched)
                return
            connection.terminate()
            _refuse(batch, OutcomeUnknown)
            if isinstance(error, Exception):
                return
            raise
        self._answer(transition, batch, rows)

    def _answer(
        self, transition: Transition, batch: Sequence[_Asked], rows: Mapping[int, Row]
    ) -> None:
        for place, asked in enumerate(batch, start=1):
            row = rows.get(place)
            if row is None:
                _refuse((asked,), NotBatched)
            elif self._told("committed", asked) and not asked.outcome.done():
                asked.outcome.set_result(row)
        if transition.records and rows:
            self._notify(None)

    def _complain(self, transition: Transition, error: Exception) -> None:
        """Say once that transitions of a kind can't share a statement: they are slower alone."""
        if transition not in self._failing:
            self._failing.add(transition)
            _LOG.error("database.batches", action="refused", error=str(error)[:300])

    def _told(self, step: str, asked: _Asked) -> bool:
        """Tell the observer; what it raises is the caller's."""
        try:
            self._notify(f"{step}:{asked.name}")
        except Exception as error:  # noqa: BLE001 (raised again at the caller's await)
            if not asked.outcome.done():
                asked.outcome.set_exception(error)
            return False
        return True

    async def _open_again(self) -> None:
        try:
            await self.open()
            self._lost = False
            _LOG.info("database.batches", action="back")
        except (*DRIVER_ERRORS, StorageError):
            await asyncio.sleep(_LOOK_AGAIN)
        finally:
            self._opening = None


async def _found(
    connection: "asyncpg.Connection[Any]", transition: Transition, batch: Sequence[_Asked]
) -> Mapping[int, Row]:
    """The rows that were found and changed, each with its place in the batch."""
    sql, arguments = transition.ready([asked.given for asked in batch])
    if len(batch) == 1:
        row = await connection.fetchrow(sql, *arguments)
        return {} if row is None else {1: row}
    return {row[PLACE]: row for row in await connection.fetch(sql, *arguments)}


def _refuse(asked: Sequence[_Asked], why: Callable[[], Exception]) -> None:
    for one in asked:
        if not one.outcome.done():
            one.outcome.set_exception(why())
