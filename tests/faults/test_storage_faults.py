"""Bad days of the database: killed, locked by others, a full disk, two servers at once."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from buildplate.storage import DatabaseInUse, SqliteConfig, SqliteStorage, StorageBusy
from tests.contract.storage_engines import add, add_farm, count, opened, transitions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHILD = (sys.executable, "-m", "tests.faults.storage_child")


@contextmanager
def running(*command: str) -> Iterator[subprocess.Popen[str]]:
    """A process that said its first line, and is gone afterwards."""
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=0
    )
    with process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().strip() in {"open", "locked"}
            yield process
        finally:
            process.kill()


async def test_a_second_server_on_the_database_is_refused_with_the_firsts_process_id(
    tmp_path: Path,
) -> None:
    path = tmp_path / "farm.db"
    with running(*CHILD, "hold", str(path)) as first:
        second = SqliteStorage(SqliteConfig(path))
        with pytest.raises(DatabaseInUse, match=rf"in use by process {first.pid}") as refusal:
            await second.open()
        assert "--data-dir" in refusal.value.hint
        # However the first one ends, the database is free at once.
        first.send_signal(signal.SIGKILL)
        first.wait(10)
        await second.open()
        await second.close()


@pytest.mark.parametrize(("moment", "kept"), [("before", 2), ("committed", 3)])
async def test_a_server_killed_around_a_commit_keeps_all_or_nothing(
    tmp_path: Path, moment: str, kept: int
) -> None:
    killed = await asyncio.to_thread(
        subprocess.run,
        [*CHILD, "die", str(tmp_path / "farm.db"), moment],
        check=False,
        capture_output=True,
        timeout=60,
    )
    assert killed.returncode == -signal.SIGKILL
    async with opened("sqlite", tmp_path) as storage:
        assert await storage.read(transitions) == kept


LOCKER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.readline()
connection.execute("ROLLBACK")
"""
LOCKED_SECONDS = 3.0  # the bad day's 30 s, scaled


@contextmanager
def locked(path: Path) -> Iterator[subprocess.Popen[str]]:
    with running(sys.executable, "-c", LOCKER, str(path)) as process:
        yield process


def unlock(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")


async def test_a_database_locked_for_long_delays_writers_and_loses_nothing(
    tmp_path: Path,
) -> None:
    async with opened("sqlite", tmp_path) as storage, asyncio.TaskGroup() as tasks:
        await storage.write(add_farm, 1)
        with locked(tmp_path / "farm.db") as locker:
            begun = time.monotonic()
            writes = [tasks.create_task(storage.write(add, "farm", key=f"{n}")) for n in range(99)]
            gone = tasks.create_task(storage.write(add, "farm", key="gone"))
            await asyncio.wait(writes, timeout=LOCKED_SECONDS / 2)
            gone.cancel()
            assert await storage.read(count, "prints") == 1, "readers do not wait"
            await asyncio.wait(writes, timeout=LOCKED_SECONDS / 2)
            assert not any(write.done() for write in writes)
            unlock(locker)
            await asyncio.wait_for(asyncio.gather(*writes), 5)
            assert time.monotonic() - begun >= LOCKED_SECONDS
        assert await storage.read(count, "farm") == 99


async def test_writers_hear_when_a_lock_lasts_too_long_and_later_succeed(tmp_path: Path) -> None:
    async with opened("sqlite", tmp_path, busy_seconds=0.5) as storage:
        with locked(tmp_path / "farm.db") as locker:
            calls = (storage.write(add, "farm", key=f"{n}") for n in range(200))
            outcomes = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), 10)
            assert {type(outcome) for outcome in outcomes} == {StorageBusy}
            unlock(locker)
            locker.wait(10)
        await storage.write(add, "farm", key="after")
        assert await storage.read(count, "farm") == 1


async def test_closing_does_not_wait_for_somebody_elses_lock(tmp_path: Path) -> None:
    storage = SqliteStorage(SqliteConfig(tmp_path / "farm.db"))
    await storage.open()
    with locked(tmp_path / "farm.db"):
        async with asyncio.TaskGroup() as tasks:
            write = tasks.create_task(_refused(storage))
            await asyncio.sleep(0.05)
            await asyncio.wait_for(storage.close(), 5)
        assert write.result() == "storage_busy"


async def _refused(storage: SqliteStorage) -> str:
    with pytest.raises(StorageBusy) as refusal:
        await storage.write(add, "farm", key="x")
    return refusal.value.code


def on_a_small_disk(tmp_path: Path, size: str, deed: str) -> list[str]:
    """The command that does the deed on a disk of its own that holds no more than `size`."""
    if shutil.which("unshare") is None:
        pytest.skip("needs unshare, for a small disk of its own")
    disk = tmp_path / "disk"
    disk.mkdir()
    script = f'mount -t tmpfs -o size={size} tmpfs "$0" && exec "$@"'
    namespace = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, str(disk))
    return [*namespace, *CHILD, deed, str(disk / "farm.db")]


async def test_a_disk_full_at_the_first_start_is_said_plainly(tmp_path: Path) -> None:
    done = await asyncio.to_thread(
        subprocess.run,
        on_a_small_disk(tmp_path, "64k", "make"),
        check=False,
        stderr=subprocess.PIPE,
        timeout=60,
    )
    assert done.returncode == 1
    assert b"storage.errors.StorageFull" in done.stderr.splitlines()[-1]


async def test_a_disk_full_during_transitions_loses_nothing_and_halves_nothing(
    tmp_path: Path,
) -> None:
    done = await asyncio.to_thread(
        subprocess.run,
        on_a_small_disk(tmp_path, "2m", "starve"),
        check=True,
        stdout=subprocess.PIPE,
        timeout=90,
    )
    report = json.loads(done.stdout.splitlines()[-1])  # after the log
    print(report)
    assert report["codes"] == ["storage_full"]
    assert "Free space" in report["hints"][0]
    assert report["acknowledged"] > 0
    assert report["found while full"] == report["acknowledged"]
    assert report["found after the relay"] == report["acknowledged"]
    assert report["relay gave up"] is False
    assert report["moved when freed"] == 1
    assert report["gapless"]
    assert report["lost"] == 0
