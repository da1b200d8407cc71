"""Upgrading the schema of a database file: looked at first, copied, then changed at one stroke."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from buildplate.storage.errors import DatabaseUnreachable, StorageError, StorageFull
from buildplate.storage.preflight import FAILED, OK, Check, Preflight, schema_check
from buildplate.storage.schema import (
    HEAD,
    make_schema,
    migrating,
    pending,
    reason_of,
    release,
    revision,
    run_migrations,
)
from buildplate.storage.sqlite.connection import connect_reader, connect_writer, opening_failed

_PATIENCE_S = 5.0
_MOST_COMPLAINTS = 5
_PAGES_AT_ONCE = 4096
MARGIN = 32 * 1024 * 1024
"""What is to be left over beside the copy and the log of the change."""

DAMAGED = "Keep a copy of the folder, look at the disk, and restore the latest backup."


def upgrade(path: Path, busy_seconds: float, looked_at: Preflight | None = None) -> Path | None:
    """Bring the database at `path` to this release's schema, creating it if need be.

    The caller holds the process lock. An older database is looked at (unless `looked_at` says what
    was found a moment ago), then copied: the answer is where the copy is. The change is one
    transaction: a power cut leaves the old schema or the new one. Raises `SchemaTooNew`,
    `UpgradeRefused`, `StorageBusy`, `StorageFull`, `StorageError`.
    """
    with closing(connect_writer(path, busy_seconds)) as connection:
        found = revision(connection)
    if found == HEAD:
        return None
    copy = None
    if found is not None:
        refused = (looked_at or preflight(path)).refused
        if refused is not None:
            raise refused
        copy = _copied(path, found, busy_seconds)
    try:
        with migrating(path, busy_seconds) as migration:
            if found is None:
                make_schema(migration)
            else:
                run_migrations(migration, "head")
    except DBAPIError as error:
        raise reason_of(error) from error
    return copy


def preflight(path: Path) -> Preflight:
    """Look at a database without changing anything; reads the whole file. StorageError."""
    try:
        with closing(connect_reader(path, _PATIENCE_S)) as database:
            found, by = revision(database), release(database)
            steps = pending(found)
            checks = [schema_check(found, HEAD, steps, by), *_whole(database)]
    except sqlite3.Error as error:
        raise opening_failed(path, error) from error
    checks += [*_writable(path), _room(path, needed=found not in (None, HEAD))]
    return Preflight(str(path), found, HEAD, steps, checks, by)


def _complaints(database: sqlite3.Connection) -> list[str]:
    try:
        found = database.execute(f"PRAGMA quick_check({_MOST_COMPLAINTS})").fetchall()
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise
        return [str(error)]
    return [str(row[0]) for row in found]


def _whole(database: sqlite3.Connection) -> Iterator[Check]:
    said = _complaints(database)
    if said != ["ok"]:
        yield Check("integrity", FAILED, f"it is damaged: {'; '.join(said)}", DAMAGED)
        return
    broken = database.execute("PRAGMA foreign_key_check").fetchmany(_MOST_COMPLAINTS)
    if broken:
        where = ", ".join(sorted({str(row[0]) for row in broken}))
        yield Check("integrity", FAILED, f"rows of {where} refer to rows that are gone", DAMAGED)
        return
    yield Check("integrity", OK, "every page is whole")


def _writable(path: Path) -> Iterator[Check]:
    for place in (path.parent, path):
        if not os.access(place, os.W_OK):
            remedy = f"Give it to the user that runs the server: chown USER {place}"
            yield Check("permissions", FAILED, f"{place} cannot be written to", remedy)
            return
    yield Check("permissions", OK, "file and folder may be written to")


def _room(path: Path, *, needed: bool) -> Check:
    """Whether a copy fits, and beside it the log of a change that may rewrite everything."""
    log = path.with_name(path.name + "-wal")
    size = path.stat().st_size + (log.stat().st_size if log.exists() else 0)
    wanted = 2 * size + MARGIN
    room = os.statvfs(path.parent)
    free = room.f_bavail * room.f_frsize
    detail = f"{free / 1e6:.0f} MB free, the copy and the change take up to {wanted / 1e6:.0f} MB"
    if needed and free < wanted:
        return Check("disk", FAILED, detail, "Free space on the disk that holds the database.")
    return Check("disk", OK, detail if needed else f"{free / 1e6:.0f} MB free")


def _copied(path: Path, found: str, busy_seconds: float) -> Path:
    """A whole copy beside the database, on the disk, named by its schema; none is overwritten."""
    target = path.with_name(f"{path.name}.schema-{found}")
    number = 1
    while target.exists():
        number += 1
        target = path.with_name(f"{path.name}.schema-{found}-{number}")
    part = target.with_name(f"{path.name}.copy")
    part.unlink(missing_ok=True)
    try:
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        with (
            closing(connect_reader(path, busy_seconds)) as source,
            closing(sqlite3.connect(part)) as copy,
        ):
            copy.execute("PRAGMA synchronous = FULL")
            source.backup(copy, pages=_PAGES_AT_ONCE)
            copy.execute("PRAGMA journal_mode = DELETE")
        _sync(part)
        part.rename(target)
        _sync(path.parent)
    except (sqlite3.Error, OSError) as error:
        part.unlink(missing_ok=True)
        raise _not_copied(path, error) from error
    return target


def _not_copied(path: Path, error: sqlite3.Error | OSError) -> StorageError:
    if isinstance(error, sqlite3.Error):
        return opening_failed(path, error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageFull(f"no room for a copy of {path}")
    return DatabaseUnreachable(str(path), f"no copy of it can be made: {error.strerror}")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
