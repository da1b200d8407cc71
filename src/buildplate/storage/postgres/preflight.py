"""What is looked at before the schema of a PostgreSQL database is upgraded."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import asyncpg

from buildplate.storage import schema
from buildplate.storage.errors import DatabaseUnreachable
from buildplate.storage.postgres.address import PostgresAddress
from buildplate.storage.postgres.connection import DRIVER_ERRORS, check_durable, translated
from buildplate.storage.preflight import FAILED, OK, WARNING, Check, Preflight, schema_check
from buildplate.storage.tables import metadata

OLDEST = 130000
_MAY_CREATE = "SELECT has_schema_privilege(current_schema(), 'CREATE')"
_OTHERS = (
    "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace"
    " AND relkind = 'r' AND relname = ANY($1) AND NOT pg_has_role(current_user, relowner, 'USAGE')"
    " ORDER BY relname"
)
_RELEASED = (
    "SELECT EXISTS (SELECT FROM pg_attribute WHERE attname = 'release'"
    " AND attrelid = to_regclass('identity'))"
)


async def revision(connection: asyncpg.Connection[Any]) -> str | None:
    """The revision the database has; None before the first."""
    if await connection.fetchval("SELECT to_regclass('alembic_version')") is None:
        return None
    found = await connection.fetchval("SELECT version_num FROM alembic_version")
    return None if found is None else str(found)


async def _release(connection: asyncpg.Connection[Any]) -> str | None:
    """The release that brought the database to its schema, where it tells."""
    if not await connection.fetchval(_RELEASED):
        return None
    found = await connection.fetchval("SELECT release FROM identity")
    return None if found is None else str(found)


async def look(connection: asyncpg.Connection[Any], address: PostgresAddress) -> Preflight:
    """Look at a database without changing anything. Raises `StorageError`."""
    try:
        found, by = await revision(connection), await _release(connection)
        steps = schema.pending(found)
        checks = [schema_check(found, schema.HEAD, steps, by)]
        checks += [check async for check in _server(connection, address)]
        if found != schema.HEAD:
            checks += [check async for check in _allowed(connection)]
        if found not in (None, schema.HEAD):
            checks.append(_no_copy(address))
    except DRIVER_ERRORS as error:
        raise translated(error, address) from error
    return Preflight(address.shown, found, schema.HEAD, steps, checks, by)


async def _server(
    connection: asyncpg.Connection[Any], address: PostgresAddress
) -> AsyncIterator[Check]:
    number = int(await connection.fetchval("SELECT current_setting('server_version_num')"))
    shown = await connection.fetchval("SELECT current_setting('server_version')")
    if number < OLDEST:
        remedy = "Move the database to PostgreSQL 13 or newer."
        yield Check("version", FAILED, f"the server is PostgreSQL {shown}", remedy)
    else:
        yield Check("version", OK, f"the server is PostgreSQL {shown}")
    try:
        await check_durable(connection, address)
    except DatabaseUnreachable as error:
        yield Check("durability", FAILED, str(error), error.hint)
    else:
        yield Check("durability", OK, "what is committed survives a power cut")


async def _allowed(connection: asyncpg.Connection[Any]) -> AsyncIterator[Check]:
    who = await connection.fetchval("SELECT current_user")
    if not await connection.fetchval(_MAY_CREATE):
        name = await connection.fetchval("SELECT current_schema()")
        remedy = f"As its owner: GRANT CREATE ON SCHEMA {name} TO {who}"
        yield Check("permissions", FAILED, f"{who} may not make tables", remedy)
        return
    names = [*metadata.tables, "alembic_version"]
    others = [row["relname"] for row in await connection.fetch(_OTHERS, names)]
    if others:
        remedy = f"As their owner: ALTER TABLE {others[0]} OWNER TO {who}, and so on."
        yield Check("permissions", FAILED, f"{who} does not own {', '.join(others)}", remedy)
        return
    yield Check("permissions", OK, f"{who} may change the tables")


def _no_copy(address: PostgresAddress) -> Check:
    remedy = (
        f"Make one first: pg_dump --format=custom --file=buildplate.dump {address.database}; "
        "going back is pg_restore of it into an empty database, and the former release."
    )
    return Check("copy", WARNING, "no copy is made of a database on a server", remedy)
