"""Several databases in one process."""

from __future__ import annotations

import asyncio
from pathlib import Path

from buildplate.storage import SqliteConfig, SqliteStorage


async def test_new_databases_can_be_opened_at_the_same_time(tmp_path: Path) -> None:
    storages = [SqliteStorage(SqliteConfig(tmp_path / f"{n}.db")) for n in range(6)]
    try:
        async with asyncio.TaskGroup() as tasks:
            for storage in storages:
                tasks.create_task(storage.open())
    finally:
        for storage in storages:
            await storage.close()
