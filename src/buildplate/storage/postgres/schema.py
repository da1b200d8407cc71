"""The schema of a PostgreSQL database, brought to this release's with the same migrations."""

import asyncio
from typing import Any

import asyncpg
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from buildplate.storage import schema
from buildplate.storage.errors import StorageError
from buildplate.storage.postgres.address import PostgresAddress
from buildplate.storage.postgres.connection import DRIVER_ERRORS, Limits, connect, translated
from buildplate.storage.postgres.preflight import look, revision

_MIGRATION_SECONDS = 3600.0
_LIMITS = Limits(statement=_MIGRATION_SECONDS, lock=60.0)


async def upgrade(connection: "asyncpg.Connection[Any]", address: PostgresAddress) -> None:
    """Bring the database to this release's schema; its owner's `connection` looks first.

    One transaction: a power cut leaves the old schema or the new one. The caller holds the
    advisory lock of the database's owner, so there is one upgrade at a time.
    Raises `SchemaTooNew`, `UpgradeRefused` and the other `StorageError`s.
    """
    try:
        if await revision(connection) == schema.HEAD:
            return
    except DRIVER_ERRORS as error:
        raise translated(error, address) from error
    refused = (await look(connection, address)).refused
    if refused is not None:
        raise refused
    # Alembic works synchronously and for as long as it takes: on a thread and loop of its own.
    await asyncio.to_thread(asyncio.run, migrate(address, "head"))


async def migrate(address: PostgresAddress, target: str) -> None:
    """Run the migrations up or down to `target`. Raises `StorageError`."""

    def run(connection: Connection) -> None:
        schema.run_migrations(connection, target)

    await on_schema(address, run)


async def on_schema(address: PostgresAddress, work: Any) -> None:
    """Run synchronous `work` on a connection for Alembic. Raises `StorageError`."""

    async def driver() -> "asyncpg.Connection[Any]":
        return await connect(address, _LIMITS)

    engine = create_async_engine("postgresql+asyncpg://", async_creator=driver, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(work)
    except DBAPIError as error:
        cause = error.orig.__cause__ if error.orig is not None else None
        if isinstance(cause, asyncpg.PostgresError):
            raise translated(cause, address) from error
        raise StorageError(str(error)) from error
    finally:
        await engine.dispose()
