"""A server's storage in a process of its own, to be killed, starved and traced."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from buildplate.storage import (
    OutboxRelay,
    SqliteConfig,
    SqliteStorage,
    StorageError,
    read_events,
)
from tests.contract.storage_engines import add_farm, count, transition, transitions

PRINTS = 100
_BLOCK = bytes(4096)
_ROOM = 200_000  # bytes for some transitions before the disk is full


def say(text: str) -> None:
    """One line on the standard output, in one system call."""
    os.write(1, f"{text}\n".encode())


async def hold(path: Path) -> None:
    """Hold the database until the standard input ends."""
    storage = SqliteStorage(SqliteConfig(path))
    await storage.open()
    say("open")
    await asyncio.to_thread(sys.stdin.read)
    await storage.close()


async def make(path: Path) -> None:
    """Make the database and leave it."""
    storage = SqliteStorage(SqliteConfig(path))
    await storage.open()
    await storage.close()


async def group(path: Path, number: str) -> None:
    """Concurrent transitions, between two lines of output."""
    storage = SqliteStorage(SqliteConfig(path))
    await storage.open()
    await storage.write(add_farm, PRINTS)
    say("begin")
    calls = (storage.write(transition, f"p{n}", 1, f"e{n}") for n in range(1, int(number) + 1))
    await asyncio.gather(*calls)
    say("end")
    await storage.close()


async def work(path: Path, acknowledgements: str, rounds: str) -> None:
    """Transitions one by one and in groups; each is noted in a file once it is acknowledged."""
    notes = os.open(acknowledgements, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    storage = SqliteStorage(SqliteConfig(path, checkpoint_pages=30))
    await storage.open()
    done = 0

    async def one(event: int, print_no: int, seen: int) -> None:
        assert await storage.write(transition, f"p{print_no}", seen, f"e{event}")
        os.write(notes, f"{event}\n".encode())

    for number in range(1, int(rounds) + 1):
        await one(done + 1, 1, number)
        calls = (one(done + k, k, number) for k in range(2, 7))
        await asyncio.gather(*calls)
        done += 6
    await storage.close()


async def die(path: Path, moment: str) -> None:
    """Make transitions and kill this process at one moment of the third."""
    storage = SqliteStorage(SqliteConfig(path))
    await storage.open()
    await storage.write(add_farm, 1)
    for seen in (1, 2, 3):
        if seen == 3:
            storage.on_step = lambda step: _kill_at(step, moment)
        await storage.write(transition, "p1", seen, f"e{seen}")
    say("survived")


def _kill_at(step: str, moment: str) -> None:
    if step.startswith(f"{moment}:"):
        os.kill(os.getpid(), signal.SIGKILL)


async def starve(path: Path) -> None:
    """Fill the disk during transitions, free it again; what happened, as JSON."""
    storage = SqliteStorage(SqliteConfig(path))
    await storage.open()
    await storage.write(add_farm, PRINTS)
    report: dict[str, Any] = {}
    filler = path.with_name("filler")
    _fill(filler)
    seen, refused = await _until_all_refused(storage)
    report["codes"] = sorted({error.code for error in refused})
    report["hints"] = sorted({error.hint for error in refused})
    report["acknowledged"] = sum(seen) - len(seen)
    report["found while full"] = await storage.read(transitions)
    async with asyncio.TaskGroup() as tasks:
        relay = tasks.create_task(OutboxRelay(storage, lambda _: None).run())
        await asyncio.wait([relay], timeout=0.3)
        report["relay gave up"] = relay.done()
        report["found after the relay"] = await storage.read(transitions)
        filler.unlink()
        report["moved when freed"] = [await _try_all(storage, seen)].count([])
        async with asyncio.timeout(20):
            while await storage.read(count, "outbox"):
                await asyncio.wait([relay], timeout=0.05)
        relay.cancel()
    events = await storage.read(read_events, 0, 10_000)
    report["gapless"] = [event.seq for event in events] == list(range(1, len(events) + 1))
    report["lost"] = sum(seen) - len(seen) - len(events)
    await storage.close()
    say(json.dumps(report))


def _fill(path: Path) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        while True:
            os.write(descriptor, _BLOCK)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        os.ftruncate(descriptor, os.fstat(descriptor).st_size - _ROOM)
    finally:
        os.close(descriptor)


async def _until_all_refused(storage: SqliteStorage) -> tuple[list[int], list[StorageError]]:
    """Move prints until the disk is full; the version of each, and the refusals."""
    seen = [1] * 20
    for _ in range(500):
        refused = await _try_all(storage, seen)
        if len(refused) == len(seen):
            return seen, refused
    pytest.fail("the disk never became full")


async def _try_all(storage: SqliteStorage, seen: list[int]) -> list[StorageError]:
    calls = (
        storage.write(transition, f"p{n}", version, f"e{n}.{version}")
        for n, version in enumerate(seen, start=1)
    )
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    for index, outcome in enumerate(outcomes):
        if outcome is True:
            seen[index] += 1
        elif not isinstance(outcome, StorageError):
            raise AssertionError(outcome)
    return [outcome for outcome in outcomes if isinstance(outcome, StorageError)]


if __name__ == "__main__":
    deed, where, *rest = sys.argv[1:]
    asyncio.run(globals()[deed](Path(where), *rest))
