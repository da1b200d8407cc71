"""`buildplate db upgrade`: looks at a farm's database while no server runs, and upgrades it."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from buildplate.app.database import must_be_whole
from buildplate.app.serve import LOCKED
from buildplate.app.settings import Settings
from buildplate.storage import DatabaseUnreachable, PostgresAddress
from buildplate.storage.lock import ProcessLock, holder
from buildplate.storage.postgres.connection import Limits, connect
from buildplate.storage.postgres.ownership import Ownership, owned_by
from buildplate.storage.postgres.preflight import look
from buildplate.storage.postgres.schema import upgrade as upgrade_server
from buildplate.storage.preflight import FAILED, OK, Check, Preflight
from buildplate.storage.sqlite.upgrading import preflight, upgrade

BUSY_SECONDS = 60.0
STOP_IT = "Stop the server (Ctrl-C, or its service), then try again."


@dataclass(frozen=True, slots=True)
class Upgrade:
    """What was found, whether anything was done, and where the copy of before is, if one is."""

    preflight: Preflight
    done: bool = False
    copy: Path | None = None


async def looked_at(settings: Settings) -> Preflight:
    """What there is to upgrade, and what is in the way; changes nothing. StorageError."""
    where = settings.database
    if isinstance(where, Path):
        return await asyncio.to_thread(_look_at_file, settings.data_dir, where)
    address = PostgresAddress.parse(where)
    connection = await connect(address, Limits())
    try:
        held, pid = await owned_by(connection)
        found = await look(connection, address)
    finally:
        connection.terminate()
    return _with_server(found, (pid or 0) if held else None)


async def upgraded(settings: Settings) -> Upgrade:
    """Upgrade the database where nothing is in the way. StorageError, DatabaseInUse.

    Until it is done nobody else can open the farm. FarmUnfinished for one that is half restored.
    """
    must_be_whole(settings)
    where = settings.database
    with ExitStack() as held:
        if settings.data_dir.is_dir():
            _take(held, settings.data_dir / LOCKED)
        if isinstance(where, Path):
            return await asyncio.to_thread(_upgrade_file, where)
        return await _upgrade_server(PostgresAddress.parse(where))


def _look_at_file(data_dir: Path, path: Path) -> Preflight:
    _must_be_there(path)
    server = holder(data_dir / LOCKED)
    return _with_server(preflight(path), holder(path) if server is None else server)


def _upgrade_file(path: Path) -> Upgrade:
    _must_be_there(path)
    with ExitStack() as held:
        _take(held, path)
        found = _with_server(preflight(path), None)
        if found.refused is not None or not found.needed:
            return Upgrade(found)
        return Upgrade(found, done=True, copy=upgrade(path, BUSY_SECONDS, found))


async def _upgrade_server(address: PostgresAddress) -> Upgrade:
    ownership = Ownership(address, Limits(), lease=0.0, grace=0.0)
    connection = await ownership.take()
    try:
        found = _with_server(await look(connection, address), None)
        if found.refused is not None or not found.needed:
            return Upgrade(found)
        await upgrade_server(connection, address)
    finally:
        await ownership.release()
    return Upgrade(found, done=True)


def _take(held: ExitStack, path: Path) -> None:
    lock = ProcessLock(path)
    lock.take()
    held.callback(lock.release)


def _must_be_there(path: Path) -> None:
    if not path.exists():
        hint = "Check --data-dir and DATABASE_URL; `buildplate serve` makes a new farm."
        raise DatabaseUnreachable(str(path), "it is not there", hint)


def _with_server(found: Preflight, server: int | None) -> Preflight:
    """With whether a server runs: its process id, 0 for one that cannot be named, or None."""
    check = Check("server", OK, "no server runs on it")
    if server is not None:
        who = f"process {server}" if server else "a server"
        check = Check("server", FAILED, f"{who} runs on it", STOP_IT)
    return replace(found, checks=(check, *found.checks))
