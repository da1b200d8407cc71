"""Connections to the server, what holds for each of them, and what the driver's errors mean."""

import ssl
from dataclasses import dataclass
from enum import Enum
from typing import Any

import asyncpg

from buildplate.storage.errors import (
    ConstraintViolated,
    DatabaseUnreachable,
    StorageBusy,
    StorageError,
    StorageFull,
    WrongType,
)
from buildplate.storage.postgres.address import PostgresAddress

_CACHED_STATEMENTS = 512
_MORE_THAN_THE_SERVER = 5.0  # seconds the client gives the server to end a statement by itself

_CONNECTION_ERRORS = (
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a server that hung up between two statements confuses it
    OSError,
    TimeoutError,
)
DRIVER_ERRORS = (asyncpg.PostgresError, *_CONNECTION_ERRORS)
"""What the driver raises: the server's word, its own, a cut connection, a time-out."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long anything may take, in seconds."""

    connect: float = 10.0
    statement: float = 30.0
    lock: float = 10.0


class Again(Enum):
    """Why the same script may do better when it is run once more."""

    COLLISION = "another transaction was in the way"
    UNSEEN_ROW = "a row that the script did not see yet refused it"
    LOST = "the connection was lost before anything was committed"


def connecting(address: PostgresAddress, limits: Limits) -> dict[str, Any]:
    """The driver's arguments for a connection of ours."""
    return {
        "dsn": address.dsn,
        "timeout": address.connect_seconds or limits.connect,
        "command_timeout": limits.statement + _MORE_THAN_THE_SERVER,
        "statement_cache_size": _CACHED_STATEMENTS,
        "server_settings": {
            "application_name": "buildplate",
            "synchronous_commit": "on",
            "default_transaction_isolation": "read committed",
            "statement_timeout": _milliseconds(limits.statement),
            "lock_timeout": _milliseconds(limits.lock),
            "idle_in_transaction_session_timeout": _milliseconds(2 * limits.statement),
            "timezone": "UTC",
            "jit": "off",
        },
    }


def _milliseconds(seconds: float) -> str:
    return str(int(seconds * 1000))


async def connect(
    address: PostgresAddress, limits: Limits, **settings: str
) -> "asyncpg.Connection[Any]":
    """One connection outside any pool, with more settings. Raises `DatabaseUnreachable`."""
    arguments = connecting(address, limits)
    arguments["server_settings"] |= settings
    try:
        connection: asyncpg.Connection[Any] = await asyncpg.connect(**arguments)
    except DRIVER_ERRORS as error:
        raise unreachable(address, error) from error
    return connection


async def check_durable(connection: "asyncpg.Connection[Any]", address: PostgresAddress) -> None:
    """Refuse a server on which a committed transaction may be gone after a power cut."""
    for setting in ("synchronous_commit", "fsync"):
        value = await connection.fetchval("SELECT current_setting($1)", setting)
        if value != "on":
            raise DatabaseUnreachable(
                address.shown,
                f"{setting} is {value}, so a power cut could lose what was promised",
                f"Set {setting} = on for this server (and reload it), then start again.",
            )


def unreachable(address: PostgresAddress, error: BaseException) -> DatabaseUnreachable:
    """The error for a connection that could not be made; it never holds the password."""
    why = str(error) or type(error).__name__
    match error:
        case asyncpg.InvalidCatalogNameError():
            hint = f"Create the database: createdb {address.database}"
        case asyncpg.InvalidPasswordError() | asyncpg.InvalidAuthorizationSpecificationError():
            hint = "Check the user and the password in DATABASE_URL, and pg_hba.conf."
        case asyncpg.TooManyConnectionsError():
            hint = "Raise max_connections of the server, or close what else uses it."
        case asyncpg.CannotConnectNowError():
            hint = "The server is starting or stopping; try again in a moment."
        case ssl.SSLError():
            hint = "Check sslmode and the certificates that DATABASE_URL names."
        case TimeoutError():
            why = "it did not answer in time"
            hint = "Check the address in DATABASE_URL, the network and the firewall."
        case _:
            hint = "Check that PostgreSQL runs there and that DATABASE_URL names it rightly."
    return DatabaseUnreachable(address.shown, why, hint)


def again(error: BaseException) -> Again | None:
    """Whether running the whole script once more may help."""
    match error:
        case asyncpg.SerializationError() | asyncpg.DeadlockDetectedError():
            return Again.COLLISION
        case asyncpg.UniqueViolationError() | asyncpg.ForeignKeyViolationError():
            return Again.UNSEEN_ROW
        case _ if is_lost(error):
            return Again.LOST
        case _:
            return None


def is_lost(error: BaseException) -> bool:
    """Whether the connection is gone, or going, with this error."""
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        return state.startswith(("08", "57P")) or state == "25P03"
    if isinstance(error, (asyncpg.DataError, ValueError)):
        return False
    return isinstance(error, _CONNECTION_ERRORS)


def translated(error: BaseException, address: PostgresAddress) -> StorageError:
    """The error of this room for one of the driver; it holds no values of rows."""
    if isinstance(error, StorageError):
        return error
    if is_lost(error):
        return unreachable(address, error)
    message = _message(error)
    if isinstance(error, asyncpg.NotNullViolationError):
        return ConstraintViolated(message, f"{error.table_name}.{error.column_name}")
    if isinstance(error, asyncpg.IntegrityConstraintViolationError):
        return ConstraintViolated(message, error.constraint_name)
    return _kind(error)(message)


def _kind(error: BaseException) -> type[StorageError]:
    match error:
        case asyncpg.DiskFullError():
            return StorageFull
        case (
            asyncpg.LockNotAvailableError()
            | asyncpg.QueryCanceledError()
            | asyncpg.SerializationError()
            | asyncpg.DeadlockDetectedError()
        ):
            return StorageBusy
        case asyncpg.DataError() | asyncpg.DatatypeMismatchError():
            return WrongType
        case asyncpg.PostgresError():
            return StorageError
        case _:
            return WrongType


def _message(error: BaseException) -> str:
    """What the driver says, without the row that the server quotes and the value it was given."""
    text = str(error.args[0]) if error.args else type(error).__name__
    if isinstance(error, asyncpg.DataError) and "query argument" in text:
        start, colon, _ = text.partition(":")
        return f"{start} ({text.rpartition('(')[2]}" if colon else text
    return text
