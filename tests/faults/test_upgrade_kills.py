"""An upgrade that is killed, after whichever statement, leaves the old schema, never a mixture."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from pathlib import Path

import pytest

from buildplate.storage import SqliteConfig, SqliteStorage
from buildplate.storage.schema import HEAD
from tests import postgres
from tests.contract.old_farms import Database, Rows
from tests.faults.upgrade_child import state

pytestmark = pytest.mark.timeout(240)
ROOT = Path(__file__).parents[2]
TRIES = 150
LEAST = {"0001": 30, "0003": 15}
"""Fewer statements than this are no upgrade of that schema."""


async def tries(*databases: str) -> list[str]:
    """After how many statements each try was killed, and `done`."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.faults.upgrade_child", *databases, cwd=ROOT,
        stdout=asyncio.subprocess.PIPE, env=os.environ,
    )  # fmt: skip
    async with asyncio.timeout(200):
        said, _ = await process.communicate()
    assert process.returncode == 0
    return said.decode().split()


def schema_of(rows: Rows) -> str:
    (row,) = rows["alembic_version"]
    return str(row["version_num"])


@pytest.mark.parametrize("revision", ["0001", "0003"])
async def test_a_killed_upgrade_leaves_a_file_as_it_was(revision: str, tmp_path: Path) -> None:
    old = tmp_path / "old.db"
    await Database(old).make(revision)
    before = await Database(old).rows()
    farms = [tmp_path / f"{n}" / "farm.db" for n in range(TRIES)]
    for farm in farms:
        farm.parent.mkdir()
        shutil.copyfile(old, farm)
    said = await tries(*map(str, farms))
    kills = len(said) - 1
    assert said == [*(str(n + 1) for n in range(kills)), "done"]
    assert kills > LEAST[revision]
    for farm in farms[:kills]:
        assert await Database(farm).rows() == before, farm
        assert copies_beside(farm) == [f"farm.db.schema-{revision}"]
    assert schema_of(await Database(farms[kills]).rows()) == HEAD
    killed = farms[kills - 1]
    storage = SqliteStorage(SqliteConfig(killed))
    await storage.open()
    await storage.close()
    assert schema_of(await Database(killed).rows()) == HEAD
    assert copies_beside(killed) == [
        f"farm.db.schema-{revision}",
        f"farm.db.schema-{revision}-2",
    ]


def copies_beside(farm: Path) -> list[str]:
    return sorted(path.name for path in farm.parent.glob("farm.db.schema-*"))


async def test_a_killed_upgrade_leaves_a_server_s_database_as_it_was() -> None:
    url = postgres.new_database(empty=True)
    database = Database(url)
    await database.make("0001")
    left = await asyncio.to_thread(state, url)
    assert left.startswith("0001:")
    *killed, last = await tries(url)
    assert killed == [f"{n + 1}:{left}" for n in range(len(killed))]
    assert last == "done"
    assert len(killed) > LEAST["0001"]
    assert schema_of(await database.rows()) == HEAD
