"""A power cut after any write: what was acknowledged is there, and nothing is there by half."""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from buildplate.storage import SqliteConfig, SqliteStorage
from buildplate.storage.schema import HEAD, known_revisions, revision
from tests.contract.storage_engines import add_farm, opened, transitions
from tests.faults.disk_trace import Disk, SyncBegun, Synced, Write, trace

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.faults.disk_trace import Step

pytestmark = pytest.mark.needs_strace
CHILD = (sys.executable, "-m", "tests.faults.storage_child")


def database_files(database: Path) -> list[Path]:
    return [database.with_name(database.name + end) for end in ("", "-wal", "-journal")]


def order_of_events(database: Path) -> list[int]:
    """The events of a database in the order they were written, after checking it is sound."""
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        sent = connection.execute("SELECT event_id FROM outbox ORDER BY id").fetchall()
        events = connection.execute("SELECT count(*) FROM events").fetchone()
        moved = connection.execute("SELECT sum(version - 1) FROM prints").fetchone()
    assert events == moved == (len(sent),)
    return [int(event_id.removeprefix("e")) for (event_id,) in sent]


async def test_the_database_cut_after_each_write_holds_all_that_was_acknowledged(
    tmp_path: Path, seed: int
) -> None:
    async with opened("sqlite", tmp_path) as storage:
        await storage.write(add_farm, 100)
    database, notes = tmp_path / "farm.db", tmp_path / "notes"
    files = database_files(database)
    disk = Disk(files)
    steps = await asyncio.to_thread(
        trace,
        tmp_path / "trace",
        [*files, notes],
        [*CHILD, "work", str(database), str(notes), "8"],
    )
    committed = order_of_events(database)
    assert len(committed) == 48
    assert sum(isinstance(step, Synced) and step.path == database for step in steps) >= 2, (
        "the log was folded into the database on the way"
    )
    acknowledged: list[int] = []
    luck = random.Random(seed)
    for number, step in enumerate(steps):
        if step.path == notes:
            if isinstance(step, Write):
                acknowledged += [int(line) for line in step.data.split()]
            continue
        disk.apply(step)
        for kept in ("all", "nothing", luck):
            folder = tmp_path / "cut"
            disk.cut(folder, kept)
            found = order_of_events(folder / "farm.db")
            assert found == committed[: len(found)], f"after step {number}: not a prefix"
            assert set(acknowledged) <= set(found), f"after step {number}: an event is lost"
            shutil.rmtree(folder)
    assert sorted(acknowledged) == sorted(committed)


async def test_a_database_cut_while_it_is_made_is_made_at_the_next_start(
    tmp_path: Path, seed: int
) -> None:
    database = tmp_path / "farm.db"
    files = database_files(database)
    disk = Disk(files)
    steps = await asyncio.to_thread(
        trace, tmp_path / "trace", files, [*CHILD, "make", str(database)]
    )
    luck = random.Random(seed)
    started = {luck.randrange(len(steps)) for _ in range(8)}
    made = 0
    for number, step in enumerate(steps):
        disk.apply(step)
        for kept in ("all", "nothing", luck):
            folder = tmp_path / "cut"
            disk.cut(folder, kept)
            with closing(sqlite3.connect(folder / "farm.db")) as connection:
                found = revision(connection)
                (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            assert (found, bool(tables)) == ((None, False) if found is None else (found, True))
            assert found is None or found in known_revisions()
            made += found == HEAD
            if number in started:
                await _starts(folder / "farm.db")
            shutil.rmtree(folder)
    assert made


async def _starts(database: Path) -> None:
    storage = SqliteStorage(SqliteConfig(database))
    await storage.open()
    await storage.write(add_farm, 1)
    assert await storage.read(transitions) == 0
    await storage.close()


async def test_a_caller_hears_of_a_commit_only_after_its_sync_returned(tmp_path: Path) -> None:
    async with opened("sqlite", tmp_path) as storage:
        await storage.write(add_farm, 100)
    notes = tmp_path / "notes"
    log = tmp_path / "farm.db-wal"
    steps = await asyncio.to_thread(
        trace,
        tmp_path / "trace",
        [log, notes],
        [*CHILD, "work", str(tmp_path / "farm.db"), str(notes), "5"],
    )
    heard = [number for number, step in enumerate(steps) if _is_write(step, notes)]
    assert len(heard) == 30
    for number in heard:
        before = steps[:number]
        last_write = max(at for at, step in enumerate(before) if _is_write(step, log))
        rest = before[last_write:]
        assert SyncBegun(log) in rest
        assert Synced(log) in rest[rest.index(SyncBegun(log)) :]


def _is_write(step: Step, path: Path) -> bool:
    return isinstance(step, Write) and step.path == path


async def test_a_hundred_concurrent_transitions_share_five_syncs_at_most(tmp_path: Path) -> None:
    files = database_files(tmp_path / "farm.db")
    output = tmp_path / "output"
    command = f"exec {' '.join(CHILD)} group {tmp_path / 'farm.db'} 100 > {output}"
    steps = await asyncio.to_thread(
        trace, tmp_path / "trace", [*files, output], ["sh", "-c", command]
    )
    begin, end = (number for number, step in enumerate(steps) if _is_write(step, output))
    syncs = _synced(steps[begin:end])
    print(f"{syncs} syncs for 100 transitions")
    assert 1 <= syncs <= 5
    async with opened("sqlite", tmp_path) as storage:
        assert await storage.read(transitions) == 100


def _synced(steps: Sequence[Step]) -> int:
    return sum(isinstance(step, Synced) for step in steps)
