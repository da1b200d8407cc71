"""D2: one durable change of a print's state on PostgreSQL, by eight callers at once.

The work is that of D1: a compare-and-set on a print, an event row and an outbox row, durable when
it is answered. The peer is the driver itself with the plain transaction that most programs would
write: BEGIN, the compare-and-set, the two rows, COMMIT, on eight connections with prepared
statements; and the same in one statement by hand. Ours is what the program does: eight callers of
`Storage.write`, which share statements as they come. Also one caller alone. All sides take turns
in each round; the figures are medians of the rounds, the ratios are made in each round.
"""

from __future__ import annotations

import asyncio
import statistics
from typing import TYPE_CHECKING, Any

import asyncpg
import uvloop
from sqlalchemy import bindparam, update

from bench.rows import Row
from bench.transition import CONCURRENT, NOW, Cost, _cost, _new_id, _seed
from buildplate.storage import (
    EventRecord,
    Tx,
    one_statement,
    script,
    to_micros,
)
from buildplate.storage.postgres.engine import PostgresConfig, PostgresStorage
from buildplate.storage.tables import prints
from tests import postgres

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

NAME = "D2 transition on PostgreSQL"
ROUNDS = 21
CONNECTIONS = 8
EACH = 50  # transitions of one caller in one round

_MOVE = (
    update(prints)
    .where(prints.c.id == bindparam("print_id"), prints.c.version == bindparam("seen"))
    .values(version=prints.c.version + 1, reason=bindparam("why"))
    .returning(prints.c.version)
)
_RAW_MOVE = (
    "UPDATE prints SET version = version + 1, reason = $1"
    " WHERE id = $2 AND version = $3 RETURNING version"
)
_RAW_ROWS = (
    "WITH recorded AS (INSERT INTO events (id, at, kind, job_id, print_id, data)"
    " VALUES ($1, $2, $3, $4, $5, $6) RETURNING id)"
    " INSERT INTO outbox (event_id) SELECT id FROM recorded"
)
_RAW_ONE = (
    "WITH moved AS (UPDATE prints SET version = version + 1, reason = $1"
    " WHERE id = $2 AND version = $3 RETURNING *), recorded AS"
    " (INSERT INTO events (id, at, kind, job_id, print_id, data)"
    " SELECT $4, $5, $6, $7, $2, $8 FROM moved RETURNING id), queued AS"
    " (INSERT INTO outbox (event_id) SELECT id FROM recorded) SELECT version FROM moved"
)
_KIND, _JOB, _DATA = "print.printing", "job", "{}"


@one_statement
@script
async def _transition(tx: Tx, print_id: str, seen: int, event: EventRecord) -> None:
    values = {"print_id": print_id, "seen": seen, "why": "bench"}
    assert await tx.compare_and_set(_MOVE, values, event) is not None


class Side:
    """So many lanes, each with a print of its own."""

    def __init__(
        self, step: Callable[[int, str, int, str], Awaitable[None]], lanes: int = CONNECTIONS
    ) -> None:
        self._step = step
        self._lanes = lanes

    async def cost(self, versions: list[int]) -> Cost:
        """Of one transition, with all lanes at once."""
        return await _cost(lambda: self._run(versions), self._lanes * EACH)

    async def _run(self, versions: list[int]) -> None:
        await asyncio.gather(*(self._lane(n, versions) for n in range(self._lanes)))

    async def _lane(self, n: int, versions: list[int]) -> None:
        for _ in range(EACH):
            await self._step(n, f"p{n}", versions[n], _new_id())
            versions[n] += 1


def run() -> list[Row]:
    """Measure; the goal of BENCH: one statement, at least twice the two-statement transaction."""
    try:
        costs = uvloop.run(_measure(postgres.new_database()))
    finally:
        postgres.drop_databases()
    return list(_compared(costs))


async def _measure(url: str) -> dict[str, list[Cost]]:
    storage = PostgresStorage(PostgresConfig(url, writers=CONNECTIONS))
    await storage.open()
    await storage.write(_seed)
    connections = [await asyncpg.connect(url) for _ in range(CONNECTIONS)]
    two, one, ours = await _two(connections), await _one(connections), _ours(storage)
    sides = {"two": Side(two), "one": Side(one), "ours": Side(ours)}
    sides |= {"two alone": Side(two, 1), "ours alone": Side(ours, 1)}
    versions, costs = [1] * CONCURRENT, {name: list[Cost]() for name in sides}
    for _ in range(ROUNDS + 1):
        for name, side in sides.items():
            costs[name].append(await side.cost(versions))
    for connection in connections:
        await connection.close()
    await storage.close()
    return {name: measured[1:] for name, measured in costs.items()}  # the first one warms up


async def _two(connections: list[Any]) -> Callable[[int, str, int, str], Awaitable[None]]:
    moves = [await connection.prepare(_RAW_MOVE) for connection in connections]
    rows = [await connection.prepare(_RAW_ROWS) for connection in connections]

    async def step(n: int, print_id: str, seen: int, event: str) -> None:
        connection = connections[n]
        await connection.execute("BEGIN")
        assert await moves[n].fetchval("bench", print_id, seen) == seen + 1
        await rows[n].fetch(event, to_micros(NOW), _KIND, _JOB, print_id, _DATA)
        await connection.execute("COMMIT")

    return step


async def _one(connections: list[Any]) -> Callable[[int, str, int, str], Awaitable[None]]:
    statements = [await connection.prepare(_RAW_ONE) for connection in connections]

    async def step(n: int, print_id: str, seen: int, event: str) -> None:
        at = to_micros(NOW)
        rest = ("bench", print_id, seen, event, at, _KIND, _JOB, _DATA)
        assert await statements[n].fetchval(*rest) == seen + 1

    return step


def _ours(storage: PostgresStorage) -> Callable[[int, str, int, str], Awaitable[None]]:
    async def step(_: int, print_id: str, seen: int, event: str) -> None:
        record = EventRecord(event, NOW, _KIND, job_id=_JOB, print_id=print_id)
        await storage.write(_transition, print_id, seen, record)

    return step


def _compared(costs: dict[str, list[Cost]]) -> Iterator[Row]:
    words = {
        "two": "eight callers: BEGIN, two statements, COMMIT by hand on asyncpg",
        "one": "eight callers: one statement by hand on asyncpg",
        "ours": "eight callers: ours",
        "two alone": "one caller: BEGIN, two statements, COMMIT by hand on asyncpg",
        "ours alone": "one caller: ours",
    }
    for name, what in words.items():
        yield Row(f"{what} (CPU)", statistics.median(c.cpu for c in costs[name]), "µs")
        yield Row(f"{what} (wall)", statistics.median(c.wall for c in costs[name]), "µs")
    cpu = _ratios(costs["two"], costs["ours"], "cpu")
    yield from _judged("eight callers: CPU of two statements / ours", cpu)
    wall = _ratios(costs["two"], costs["ours"], "wall")
    yield from _judged("eight callers: ours, as many times as fast as two statements", wall)
    for which, what in (("cpu", "CPU of two statements / ours"), ("wall", "as many times as fast")):
        alone = _ratios(costs["two alone"], costs["ours alone"], which)
        yield Row(f"one caller: {what}", statistics.median(alone), "×")


def _ratios(theirs: list[Cost], ours: list[Cost], which: str) -> list[float]:
    return [getattr(a, which) / getattr(b, which) for a, b in zip(theirs, ours, strict=True)]


def _judged(what: str, ratios: list[float]) -> Iterator[Row]:
    median = statistics.median(ratios)
    yield Row(what, median, "×", "≥ 2", met=median >= 2)
    yield Row(f"{what}, in the worst of {len(ratios)} rounds", min(ratios), "×")
    yield Row(f"{what}, in the best", max(ratios), "×")


if __name__ == "__main__":
    for row in run():
        print(row)
