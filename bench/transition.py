"""D1: one durable change of a print's state, against the raw driver and the disk itself.

The work is the same on both sides: a compare-and-set on a print, an event row and an outbox row
in one transaction, SQLite in WAL mode with synchronous=FULL, on the same schema. "In groups"
means twenty transitions that share a commit.
"""

from __future__ import annotations

import asyncio
import os
import re
import resource
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import uuid_utils
import uvloop
from sqlalchemy import bindparam, insert, update

from bench.rows import Row
from buildplate.storage import EventRecord, SqliteConfig, SqliteStorage, Tx, script
from buildplate.storage.tables import jobs, print_files, prints

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

NAME = "D1 transition"
ROUNDS = 7
EACH = 1000  # transitions of one kind in one round
GROUP = 20
CONCURRENT = 100
NOW = datetime(2030, 1, 1, tzinfo=UTC)

_MOVE = (
    update(prints)
    .where(prints.c.id == bindparam("print_id"), prints.c.version == bindparam("seen"))
    .values(version=prints.c.version + 1, reason=bindparam("why"))
)
_RAW_MOVE = "UPDATE prints SET version = version + 1, reason = ? WHERE id = ? AND version = ?"
_RAW_EVENT = (
    "INSERT INTO events (id, at, kind, printer_id, job_id, print_id, data) "
    "VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_RAW_OUTBOX = "INSERT INTO outbox (event_id) VALUES (?)"


@script
async def _seed(tx: Tx) -> None:
    await tx.change(
        insert(print_files).values(
            id="file", sha256="0", printer_sha256="0", size=1, name="f", state="ready", created_at=1
        )
    )
    await tx.change(
        insert(jobs).values(
            id="job", number=1, file_id="file", name="j", copies=CONCURRENT, created_at=1
        )
    )
    for n in range(CONCURRENT):
        row = {"id": f"p{n}", "number": n, "job_id": "job", "copy_no": n + 1, "created_at": 1}
        await tx.change(insert(prints), row)


@script
async def _transition(tx: Tx, print_id: str, seen: int, event: EventRecord) -> None:
    assert await tx.change(_MOVE, {"print_id": print_id, "seen": seen, "why": "bench"}) == 1
    await tx.record(event)


class Cost(NamedTuple):
    """Of one transition, in µs: processor time, user and system of all threads, and wall time."""

    cpu: float
    wall: float


async def _cost(work: Callable[[], Awaitable[None]], number: int) -> Cost:
    cpu, wall = _cpu(), time.perf_counter()
    await work()
    return Cost((_cpu() - cpu) / number * 1e6, (time.perf_counter() - wall) / number * 1e6)


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _new_id() -> str:
    return str(uuid_utils.uuid7())


class Ours:
    """Transitions through `Storage.write`."""

    def __init__(self, storage: SqliteStorage) -> None:
        self._storage = storage
        self._versions = [1] * CONCURRENT

    async def single(self) -> None:
        """One after the other."""
        for _ in range(EACH):
            await self._one(0)

    async def grouped(self) -> None:
        """Twenty at a time."""
        for _ in range(EACH // GROUP):
            await asyncio.gather(*(self._one(n) for n in range(1, GROUP + 1)))

    async def concurrent(self) -> None:
        """A hundred at once."""
        await asyncio.gather(*(self._one(n) for n in range(CONCURRENT)))

    async def _one(self, n: int) -> None:
        seen = self._versions[n]
        event = EventRecord(_new_id(), NOW, "print.printing", job_id="job", print_id=f"p{n}")
        await self._storage.write(_transition, f"p{n}", seen, event)
        self._versions[n] = seen + 1


class Raw:
    """The same three statements by hand on a `sqlite3` connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._versions = [1] * CONCURRENT

    async def single(self) -> None:
        """One after the other."""
        for _ in range(EACH):
            self._commit(range(1))

    async def grouped(self) -> None:
        """Twenty at a time."""
        for _ in range(EACH // GROUP):
            self._commit(range(1, GROUP + 1))

    def _commit(self, numbers: range) -> None:
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")
        for n in numbers:
            seen = self._versions[n]
            event = _new_id()
            assert execute(_RAW_MOVE, ("bench", f"p{n}", seen)).rowcount == 1
            execute(_RAW_EVENT, (event, 1, "print.printing", None, "job", f"p{n}", "{}"))
            execute(_RAW_OUTBOX, (event,))
            self._versions[n] = seen + 1
        execute("COMMIT")


async def _sync_alone(descriptor: int) -> None:
    for n in range(EACH):
        os.pwrite(descriptor, bytes(8192), n * 8192)
        os.fdatasync(descriptor)


def run() -> list[Row]:
    """Measure; the goals of BENCH: at most 3 times the raw driver, at most 5 syncs for 100."""
    with _folder() as name:
        costs = uvloop.run(_measure(Path(name)))
    rows = list(_compared(costs))
    syncs = _syncs_of_concurrent()
    if syncs is not None:
        what = f"fsyncs of {CONCURRENT} concurrent transitions"
        rows.append(Row(what, syncs, "", "≤ 5", met=syncs <= 5))
    return rows


def _folder() -> tempfile.TemporaryDirectory[str]:
    # Beside this file and not in /tmp, which may be in memory.
    return tempfile.TemporaryDirectory(dir=Path(__file__).parent, prefix=".transition-")


async def _measure(folder: Path) -> dict[str, list[Cost]]:
    await (await _seeded(folder / "raw.db")).close()
    storage = await _seeded(folder / "ours.db")
    connection = _raw_connection(folder / "raw.db")
    ours, raw = Ours(storage), Raw(connection)
    costs: dict[str, list[Cost]] = {}
    with closing(connection), (folder / "sync").open("wb") as file:
        for _ in range(ROUNDS):
            for what, work in (
                ("raw single", raw.single),
                ("ours single", ours.single),
                ("raw grouped", raw.grouped),
                ("ours grouped", ours.grouped),
                ("sync", lambda: _sync_alone(file.fileno())),
            ):
                costs.setdefault(what, []).append(await _cost(work, EACH))
    await storage.close()
    return costs


async def _seeded(path: Path) -> SqliteStorage:
    storage = SqliteStorage(SqliteConfig(path))
    await storage.open()
    await storage.write(_seed)
    return storage


def _compared(costs: dict[str, list[Cost]]) -> Iterator[Row]:
    sync = statistics.median(cost.wall for cost in costs["sync"])
    yield Row("write 8 kB and fdatasync, alone (wall)", sync, "µs")
    for mode, words in (("single", "one transition"), ("grouped", f"one of {GROUP} together")):
        ours, raw = costs[f"ours {mode}"], costs[f"raw {mode}"]
        yield Row(f"{words}, raw sqlite3 (CPU)", _median_cpu(raw), "µs")
        yield Row(f"{words}, ours (CPU)", _median_cpu(ours), "µs")
        ratio = statistics.median(a.cpu / b.cpu for a, b in zip(ours, raw, strict=True))
        yield Row(f"{words}, ours / raw (CPU)", ratio, "×", "≤ 3", met=ratio <= 3)
        walls = [statistics.median(cost.wall for cost in side) for side in (ours, raw)]
        yield Row(f"{words}, ours / fdatasync alone (wall)", walls[0] / sync, "×")
        yield Row(f"{words}, raw / fdatasync alone (wall)", walls[1] / sync, "×")


def _median_cpu(costs: list[Cost]) -> float:
    return statistics.median(cost.cpu for cost in costs)


def _raw_connection(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def _syncs_of_concurrent() -> float | None:
    """Syncs counted by strace while a process makes its hundred transitions; None without it."""
    if shutil.which("strace") is None:
        return None
    with _folder() as name:
        record = Path(name, "trace")
        strace = ["strace", "-f", "-e", "trace=fdatasync,fsync,write", "-o", str(record)]
        subprocess.run(
            [*strace, sys.executable, "-m", "bench.transition", str(Path(name, "farm.db"))],
            check=True,
            timeout=120,
        )
        inside = record.read_text().partition('"begin')[2].partition('"end')[0]
    return len(re.findall(r"\bf(?:data)?sync\(", inside))


async def _hundred(path: Path) -> None:
    storage = await _seeded(path)
    marks = os.open(os.devnull, os.O_WRONLY)
    os.write(marks, b"begin")
    await Ours(storage).concurrent()
    os.write(marks, b"end")
    await storage.close()


if __name__ == "__main__":
    uvloop.run(_hundred(Path(sys.argv[1])))
