"""Runs scripts on connections: one transaction each, and once more where that helps."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import asyncpg

from buildplate.storage.errors import DatabaseUnreachable, OutcomeUnknown
from buildplate.storage.postgres.address import PostgresAddress
from buildplate.storage.postgres.connection import (
    DRIVER_ERRORS,
    Again,
    is_lost,
    translated,
    unreachable,
)
from buildplate.storage.postgres.connections import Connections
from buildplate.storage.postgres.transaction import PostgresTx, Watched
from buildplate.storage.scripts import is_one_statement

_REPEATS = {Again.COLLISION: 20, Again.UNSEEN_ROW: 1, Again.LOST: 1000}
_FIRST_PAUSE = 0.005
_LONGEST_PAUSE = 0.5
_LOOK_AGAIN = 0.05
_XID = "SELECT pg_current_xact_id_if_assigned()::text"
_STATUS = "SELECT pg_xact_status($1::text::xid8)"
_BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED"
_SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


@dataclass(frozen=True, slots=True)
class Call:
    """A script with its arguments."""

    name: str
    script: Callable[..., Awaitable[Any]]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]


class _Unanswered(Exception):
    """The connection went while the commit was under way."""

    def __init__(self, tx: PostgresTx, result: Any) -> None:
        super().__init__()
        self.tx = tx
        self.result = result


class _Work:
    """What reading and writing share: a connection, also after the server was away."""

    def __init__(
        self,
        connections: Connections,
        address: PostgresAddress,
        outage_seconds: float,
        notify: Callable[[str | None], None],
    ) -> None:
        self._connections = connections
        self._address = address
        self._outage = outage_seconds
        self._notify = notify

    async def run(self, call: Call) -> Any:
        """Run the script until it is done, or refused for good; what it returned."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._outage
        tried: dict[Again, int] = {}
        while True:
            again = Again.LOST
            try:
                connection = await self._connected(until)
                try:
                    return await self._attempt(connection, call)
                finally:
                    self._connections.give_back(connection)
            except _Unanswered as unanswered:
                if await self._was_committed(unanswered.tx, until):
                    self._committed(call, unanswered.tx)
                    return unanswered.result
                why: Exception = OutcomeUnknown()
            except _Again as reason:
                why, again = reason.why, reason.again
            tried[again] = tried.get(again, 0) + 1
            if tried[again] > _REPEATS[again] or loop.time() > until:
                raise why
            await asyncio.sleep(_pause(tried[again]))

    async def _attempt(self, connection: Any, call: Call) -> Any:
        raise NotImplementedError

    def _committed(self, call: Call, tx: PostgresTx) -> None:
        self._notify(f"committed:{call.name}")
        if tx.recorded:
            self._notify(None)

    async def _was_committed(self, tx: PostgresTx, until: float) -> bool:
        """Ask the server what became of a commit. Raises `OutcomeUnknown` if it can't say."""
        if tx.xid is None:
            return False
        while True:
            try:
                connection = await self._connected(until)
                try:
                    status = await connection.fetchval(_STATUS, tx.xid)
                finally:
                    self._connections.give_back(connection)
            except asyncpg.InvalidParameterValueError:
                return False  # the server crashed before it knew of the transaction
            except DRIVER_ERRORS:
                status = "in progress"
            except DatabaseUnreachable:
                raise OutcomeUnknown from None
            if status in ("committed", "aborted"):
                return bool(status == "committed")
            if status is None or asyncio.get_running_loop().time() > until:
                raise OutcomeUnknown
            await asyncio.sleep(_LOOK_AGAIN)

    async def _connected(self, until: float) -> Any:
        """A connection; waits until then for a server that is away."""
        pause = _FIRST_PAUSE
        while True:
            try:
                return await self._connections.take()
            except DRIVER_ERRORS as error:
                if asyncio.get_running_loop().time() > until:
                    raise unreachable(self._address, error) from None
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)


class Reading(_Work):
    """Each script on a snapshot of its own; nothing can be written."""

    async def _attempt(self, connection: Any, call: Call) -> Any:
        tx = PostgresTx(connection, self._address)
        await _execute(connection, _SNAPSHOT, self._address)
        try:
            result = await _outcome(tx, call)
        except Exception as error:  # noqa: BLE001 (raised again at the caller's await)
            raise _once_more(error, tx) from None
        finally:
            await _roll_back(connection, lost=tx.lost)
        return result


class Writing(_Work):
    """Each script in one transaction, durable when its caller hears of it."""

    async def _attempt(self, connection: Any, call: Call) -> Any:
        if is_one_statement(call.script):
            return await self._alone(connection, call)
        tx = PostgresTx(connection, self._address)
        await _execute(connection, _BEGIN, self._address)
        try:
            result = await _outcome(tx, call)
            if tx.xid is None:
                tx.xid = await tx.fetch_value(_XID)
            self._notify(f"before:{call.name}")
        except BaseException as error:
            await _roll_back(connection, lost=tx.lost)
            if isinstance(error, Exception):
                raise _once_more(error, tx) from None
            raise
        await self._commit(connection, tx, result)
        self._committed(call, tx)
        return result

    async def _alone(self, connection: Any, call: Call) -> Any:
        """A script whose one statement is the transaction: there and back once."""
        tx = PostgresTx(connection, self._address, lambda: self._notify(f"before:{call.name}"))
        try:
            result = await _outcome(tx, call)
        except Exception as error:  # noqa: BLE001 (raised again at the caller's await)
            if tx.lost:
                _let_go(connection)
                raise OutcomeUnknown from None
            raise _once_more(error, tx) from None
        self._committed(call, tx)
        return result

    async def _commit(self, connection: Any, tx: PostgresTx, result: Any) -> None:
        try:
            await connection.execute("COMMIT")
        except DRIVER_ERRORS as error:
            if is_lost(error):
                _let_go(connection)
                raise _Unanswered(tx, result) from None
            await _roll_back(connection, lost=False)
            raise translated(error, self._address) from None


class _Again(Exception):
    """The script failed in a way that may pass by; `why` is what its caller hears otherwise."""

    def __init__(self, why: Exception, again: Again) -> None:
        super().__init__()
        self.why = why
        self.again = again


async def _outcome(tx: PostgresTx, call: Call) -> Any:
    """What the script returned. Raises what it raised, and the failure it tried to hide."""
    result = await Watched(tx, call.name, call.script, call.args, call.kwargs)
    if tx.failure is not None:
        raise tx.failure
    return result


def _once_more(error: Exception, tx: PostgresTx) -> Exception:
    return error if tx.again is None else _Again(error, tx.again)


async def _execute(connection: Any, sql: str, address: PostgresAddress) -> None:
    try:
        await connection.execute(sql)
    except DRIVER_ERRORS as error:
        _let_go(connection)
        raise _Again(translated(error, address), Again.LOST) from None


def _let_go(connection: Any) -> None:
    """Close without a word."""
    connection.terminate()


async def _roll_back(connection: Any, *, lost: bool) -> None:
    if lost:
        _let_go(connection)
        return
    try:
        await connection.execute("ROLLBACK")
    except DRIVER_ERRORS:
        _let_go(connection)


def _pause(tried: int) -> float:
    """Before the next try: longer each time, and not the same for two that collided."""
    longest: float = min(_FIRST_PAUSE * 2 ** min(tried, 10), _LONGEST_PAUSE)
    return longest * random.uniform(0.2, 1.0)  # noqa: S311 (spreads tries, guards nothing)
