"""The open connections of one kind of work, each in the hands of one script at a time.

Whoever takes one has its turn already (`engine.py`), so none is ever waited for here. asyncpg's own
pool does more than that (resets, proxies, a task for each release), which costs as much processor
time as the statement itself (bench/transition_postgres.py).
"""

from contextlib import suppress
from typing import Any

import asyncpg

from buildplate.storage.postgres.address import PostgresAddress
from buildplate.storage.postgres.connection import DRIVER_ERRORS, Limits, connecting


class Connections:
    """Opens what is needed, keeps what is idle, and forgets what was cut."""

    def __init__(self, address: PostgresAddress, limits: Limits) -> None:
        self._arguments = connecting(address, limits)
        self._close_seconds = limits.connect
        self._idle: list[asyncpg.Connection[Any]] = []

    async def take(self) -> "asyncpg.Connection[Any]":
        """An open connection. Raises what the driver raises where none can be made."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
        fresh: asyncpg.Connection[Any] = await asyncpg.connect(**self._arguments)
        return fresh

    def give_back(self, connection: "asyncpg.Connection[Any]") -> None:
        """Keep it for the next one, unless it is closed or a transaction is still open on it."""
        if connection.is_closed():
            return
        if connection.is_in_transaction():
            connection.terminate()
        else:
            self._idle.append(connection)

    async def close(self) -> None:
        """Close what is idle; by then everything is."""
        while self._idle:
            connection = self._idle.pop()
            with suppress(*DRIVER_ERRORS):
                await connection.close(timeout=self._close_seconds)
            connection.terminate()
