"""The engines that keep storage's contract, and a small farm of rows to try them with."""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, func, insert, select, update

from buildplate.storage import (
    EventRecord,
    SqliteConfig,
    SqliteStorage,
    Storage,
    Tx,
    script,
    tables,
)
from buildplate.storage.postgres.engine import PostgresConfig, PostgresStorage
from tests import postgres

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

    from sqlalchemy import Table

ENGINES = ("sqlite", "postgresql")
ONE_WRITER: Mapping[str, Mapping[str, int]] = {"sqlite": {}, "postgresql": {"writers": 1}}
"""The bounds with which no two scripts write at the same time."""
NOW = datetime(2030, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def make_storage(engine: str, folder: Path, **bounds: Any) -> Storage:
    if engine == "sqlite":
        return SqliteStorage(SqliteConfig(folder / "farm.db", **bounds))
    return PostgresStorage(PostgresConfig(postgres.database_of(folder), **bounds))


class Gate:
    """Holds a script inside its transaction until the test lets it go on."""

    def __init__(self, engine: str) -> None:
        self.entered = threading.Event()
        self.go_on = threading.Event()
        self._engine = engine

    async def hold(self, tx: Tx) -> None:
        """For the script: on SQLite it blocks its thread, on PostgreSQL it waits in the server."""
        self.entered.set()
        if self._engine == "sqlite":
            assert self.go_on.wait(10)
        for _ in range(1000):
            if self.go_on.is_set():
                return
            await tx.row(select(func.pg_sleep(0.01)))
        raise AssertionError

    async def until_entered(self) -> None:
        assert await asyncio.to_thread(self.entered.wait, 10)


@asynccontextmanager
async def opened(engine: str, folder: Path, **bounds: Any) -> AsyncIterator[Storage]:
    storage = make_storage(engine, folder, **bounds)
    await storage.open()
    try:
        yield storage
    finally:
        await storage.close()


ROWS: Mapping[str, Mapping[str, Any]] = {
    "printers": {"name": "Prusa", "driver": "virtual", "created_at": 1},
    "print_files": {
        "size": 1,
        "printer_sha256": "0",
        "name": "cube.gcode",
        "state": "ready",
        "created_at": 1,
    },
    "jobs": {"name": "cube", "copies": 10_000, "created_at": 1},
    "prints": {"copy_no": 1, "try_no": 1, "created_at": 1},
    "commands": {"kind": "pause", "asked_at": 1},
    "events": {"kind": "print.printing", "at": 1},
    "outbox": {},
    "api_keys": {"name": "key", "role": "admin", "created_at": 1},
    "users": {"role": "admin", "password": "x", "created_at": 1, "password_at": 1},
    "user_sessions": {
        "kind": "browser",
        "user_id": "user",
        "created_at": 1,
        "seen_at": 1,
        "expires_at": 2,
    },
    "spent_tokens": {"spent_at": 1},
    "setup_links": {"expires_at": 1},
    "audit": {"at": 1, "who_kind": "user", "who_name": "me", "action": "POST", "path": "/"},
    "nodes": {"name": "node", "started_at": 1, "lease_until": 1},
    "identity": {},
    "farm": {"value": "true"},
    "printer_groups": {"description": "", "created_at": 1},
    "floors": {"width_mm": 1000.0, "depth_mm": 1000.0, "created_at": 1},
    "idempotency": {"scope": "jobs", "body_sha256": "0", "resource_id": "x", "created_at": 1},
    "counters": {},
    "driver_state": {},
    "status_history": {"state": "idle", "detail": ""},
    "temperature_history": {"readings": "{}"},
    "history_marks": {"at": 1},
}
"""For each table the values that no test is about."""


@script
async def add(tx: Tx, /, table: str, **values: Any) -> None:
    row = {**ROWS[table], **values}
    await tx.change(insert(tables.metadata.tables[table]), row)


@script
async def add_farm(tx: Tx, prints: int) -> None:
    """One printer, one file, one job and its queued prints p1, p2, ..."""
    await add(tx, "printers", id="printer", number=1)
    await add(tx, "users", id="user", name="me")
    await add(tx, "print_files", id="file", sha256="0")
    await add(tx, "jobs", id="job", number=1, file_id="file")
    for n in range(1, prints + 1):
        await add(tx, "prints", id=f"p{n}", number=n, job_id="job", copy_no=n)


_MOVE = (
    update(tables.prints)
    .where(tables.prints.c.id == bindparam("print_id"))
    .where(tables.prints.c.version == bindparam("seen"))
    .values(version=tables.prints.c.version + 1, reason=bindparam("why"))
)


@script
async def transition(tx: Tx, print_id: str, seen: int, event_id: str) -> bool:
    """The shape of every state change: compare-and-set, event, outbox; whether it took place."""
    if not await tx.change(_MOVE, {"print_id": print_id, "seen": seen, "why": event_id}):
        return False
    await tx.record(
        EventRecord(event_id, NOW, "print.changed", print_id=print_id, data={"seen": seen})
    )
    return True


async def count(tx: Tx, table: str) -> int:
    return len(await all_rows(tx, tables.metadata.tables[table]))


async def all_rows(tx: Tx, table: Table) -> Sequence[Any]:
    return await tx.rows(select(table))


_TRANSITIONS = select(
    func.coalesce(func.sum(tables.prints.c.version - 1), 0).label("versions"),
    select(func.count()).select_from(tables.events).scalar_subquery().label("events"),
    select(func.count()).select_from(tables.outbox).scalar_subquery().label("outbox"),
)


async def transitions(tx: Tx) -> int:
    """How many transitions the database holds. Fails where one was half written."""
    row = await tx.row(_TRANSITIONS)
    assert row is not None
    assert row["versions"] == row["events"] == row["outbox"]
    return int(row["events"])
