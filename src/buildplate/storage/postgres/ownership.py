"""One server a database: an advisory lock on a connection of its own, and a lease that proves it.

The server lets go of the lock when its connection ends, however it ends. A process that was cut
off may not notice at once, so it trusts the lock only for `lease` seconds after a beat that the
database answered, and whoever comes next waits that time out, unless it can see on this machine
that the process is gone.
"""

import asyncio
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import structlog

from buildplate.storage.errors import DatabaseInUse, StorageError
from buildplate.storage.postgres.address import PostgresAddress
from buildplate.storage.postgres.connection import (
    DRIVER_ERRORS,
    Limits,
    check_durable,
    connect,
    translated,
)

_LOG = structlog.get_logger(__name__)
_KEY = 0x6275696C64706C74
_TAKE = f"SELECT pg_try_advisory_lock({_KEY})"
_LET_GO = f"SELECT pg_advisory_unlock({_KEY})"
_NOW = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
_OWNER = f"SELECT name, lease_until - {_NOW} AS left FROM nodes ORDER BY lease_until DESC LIMIT 1"  # noqa: S608
_CLEAR = "DELETE FROM nodes"
_COLUMNS = "id, name, started_at, lease_until"
_ENTER = f"INSERT INTO nodes ({_COLUMNS}) VALUES ($1, $2, {_NOW}, {_NOW} + $3)"  # noqa: S608
_BEAT = f"UPDATE nodes SET lease_until = {_NOW} + $2 WHERE id = $1 RETURNING id"  # noqa: S608
_STAYED = "SELECT EXISTS (SELECT FROM nodes WHERE id = $1)"
_LEAVE = "DELETE FROM nodes WHERE id = $1"
_LOCK_PATIENCE = 3.0
_LOOK_AGAIN = 0.1
_BEATS_PER_LEASE = 5
_MICROSECONDS = 1_000_000


class Ownership:
    """The hold of this process on the database.

    `lease`: seconds for which an answered beat is trusted. `grace`: for how much longer the
    program may act on that trust before it asks again (the fleet's own lease).
    """

    def __init__(
        self, address: PostgresAddress, limits: Limits, lease: float, grace: float
    ) -> None:
        self._address = address
        self._limits = limits
        self._lease = lease
        self._row_life = int((lease + grace) * _MICROSECONDS)
        self._node = str(uuid4())
        self._connection: asyncpg.Connection[Any] | None = None
        self._trusted_until = 0.0
        self._taken_away = False
        self._beats: asyncio.Task[None] | None = None

    @property
    def held(self) -> bool:
        """Whether the database said within the lease that it is ours."""
        return _boot() < self._trusted_until

    @property
    def taken_away(self) -> bool:
        """Whether another server has taken the database over: it never comes back."""
        return self._taken_away

    async def take(self) -> "asyncpg.Connection[Any]":
        """Take the lock; the connection that holds it. `DatabaseInUse`, `DatabaseUnreachable`."""
        connection = await connect(self._address, self._limits)
        try:
            await check_durable(connection, self._address)
            await self._lock(connection)
        except DRIVER_ERRORS as error:
            connection.terminate()
            raise translated(error, self._address) from error
        except BaseException:
            connection.terminate()
            raise
        self._connection = connection
        return connection

    async def begin(self) -> None:
        """Wait until an owner that was cut off has stopped trusting its hold, then enter.

        The tables are there by now.
        """
        connection = self._connection
        if connection is None:
            return
        try:
            await self._outwait(connection)
            before = _boot()
            async with connection.transaction():
                await connection.execute(_CLEAR)
                await connection.execute(_ENTER, self._node, _process(), self._row_life)
        except DRIVER_ERRORS as error:
            raise translated(error, self._address) from error
        self._trusted_until = before + self._lease
        loop = asyncio.get_running_loop()
        self._beats = loop.create_task(self._beat(), name="database ownership")

    async def release(self) -> None:
        """Let go. Harmless when it is not held."""
        self._trusted_until = 0.0
        beats, self._beats = self._beats, None
        if beats is not None:
            beats.cancel()
            await asyncio.wait([beats])
        connection, self._connection = self._connection, None
        if connection is None:
            return
        with suppress(*DRIVER_ERRORS):
            if beats is not None:
                await connection.execute(_LEAVE, self._node)
            await connection.close(timeout=self._limits.connect)
        connection.terminate()

    async def _lock(self, connection: "asyncpg.Connection[Any]") -> None:
        """Take the lock, which a process that was just killed may still hold for a moment."""
        until = _boot() + _LOCK_PATIENCE
        while not await connection.fetchval(_TAKE):
            if _boot() >= until:
                pid = await _holder(connection)
                raise DatabaseInUse(self._address.shown, pid, _OTHER_DATABASE)
            await asyncio.sleep(_LOOK_AGAIN)

    async def _outwait(self, connection: "asyncpg.Connection[Any]") -> None:
        owner = await connection.fetchrow(_OWNER)
        if owner is None or owner["left"] <= 0 or _is_gone(owner["name"]):
            return
        seconds = min(owner["left"] / _MICROSECONDS, self._row_life / _MICROSECONDS)
        _LOG.warning("database.waits", action="take_over", seconds=round(seconds, 1))
        await asyncio.sleep(seconds)

    async def _beat(self) -> None:
        """Renew for as long as this runs; after a cut, come back if nobody took over."""
        while not self._taken_away:
            try:
                await self._renew()
            except (*DRIVER_ERRORS, StorageError) as error:
                self._lose(error)
            await asyncio.sleep(self._lease / _BEATS_PER_LEASE)

    async def _renew(self) -> None:
        connection = self._connection
        if connection is None:
            await self._return()
            return
        before = _boot()
        sent = connection.fetchval(_BEAT, self._node, self._row_life, timeout=self._lease)
        if await sent is None:
            self._lose_for_good()
        else:
            self._trusted_until = before + self._lease

    async def _return(self) -> None:
        """Take the lock again after a cut, unless another server has entered meanwhile."""
        connection: asyncpg.Connection[Any] | None
        connection = await connect(self._address, self._limits)
        try:
            locked = await connection.fetchval(_TAKE)
            if not await connection.fetchval(_STAYED, self._node):
                self._lose_for_good()
            elif locked:
                self._connection, connection = connection, None
        finally:
            if connection is not None:
                connection.terminate()
        if self._connection is not None:
            await self._renew()
            _LOG.info("database.owned_again", action="own", database=self._address.shown)

    def _lose_for_good(self) -> None:
        self._trusted_until = 0.0
        self._taken_away = True
        _LOG.error("database.taken", action="stop", database=self._address.shown)

    def _lose(self, error: BaseException) -> None:
        self._trusted_until = 0.0
        connection, self._connection = self._connection, None
        if connection is None:
            return
        connection.terminate()
        why = str(error) or type(error).__name__
        _LOG.warning("database.lost", action="own", database=self._address.shown, error=why)


_OTHER_DATABASE = "Stop the other server, or give this one a database of its own."


async def owned_by(connection: "asyncpg.Connection[Any]") -> tuple[bool, int | None]:
    """Whether a server holds the database now, and its process id where it is on this machine."""
    if await connection.fetchval(_TAKE):
        await connection.fetchval(_LET_GO)
        return False, None
    return True, await _holder(connection)


async def _holder(connection: "asyncpg.Connection[Any]") -> int | None:
    """The process id of the owner, where it is on this machine."""
    if await connection.fetchval("SELECT to_regclass('nodes')") is None:
        return None
    owner = await connection.fetchrow(_OWNER)
    if owner is None:
        return None
    machine, _, process = owner["name"].rpartition("/")
    return int(process.partition(":")[0]) if machine == _machine() else None


def _boot() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _machine() -> str:
    """This machine since its start, as this process's container sees it."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"


def _process() -> str:
    """This process, in words that tell it from every later one with its number."""
    pid = os.getpid()
    return f"{_machine()}/{pid}:{_started(pid)}"


def _started(pid: int) -> str | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The 22nd field; the second one may hold spaces and parentheses (proc(5)).
    return text.rpartition(")")[2].split()[19]


def _is_gone(name: str) -> bool:
    """Whether the process of that name was on this machine and runs no more."""
    machine, _, process = name.rpartition("/")
    pid, _, started = process.partition(":")
    if machine != _machine() or not pid.isdecimal():
        return False
    return _started(int(pid)) != started
