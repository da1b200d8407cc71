"""D2: one durable change of a print's state on PostgreSQL, by eight connections at once.

The work is that of D1: a compare-and-set on a print, an event row and an outbox row, durable when
it is answered. The peer is the driver itself with the plain transaction that most programs would
write: BEGIN, the compare-and-set, the two rows, COMMIT; and the same in one statement by hand.
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
    PostgresConfig,
    PostgresStorage,
    Tx,
    one_statement,
    script,
    to_micros,
)
from buildplate.storage.tables import prints
from tests import postgres

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

NAME = "D2 transition on PostgreSQL"
ROUNDS = 5
CONNECTIONS = 8
EACH = 25  # transitions of one connection in one round

_MOVE = (
    update(prints)
    .where(prints.c.id == bindparam("print_id"), prints.c.version == bindparam("seen"))
    .values(version=prints.c.version + 1, reason=bindparam("why"))
    .returning(prints.c.version)
)
_RAW_MOVE = "UPDATE prints SET version = version + 1, reason = $1 WHERE id = $2 AND version = $3"
_RAW_ROWS = (
    "WITH recorded AS (INSERT INTO events (id, at, kind, job_id, print_id, data)"
    " VALUES ($1, $2, $3, $4, $5, $6) RETURNING id)"
    " INSERT INTO outbox (event_id) SELECT id FROM recorded"
)
_RAW_ONE = (
    "WITH moved AS (UPDATE prints SET version = version + 1, reason = $1"
    " WHERE id = $2 AND version = $3 RETURNING *), recorded AS"
    " (INSERT INTO events (id, at, kind, job_id, print_id, data)"
    " SELECT $4, $5, $6, $7, $2, $8 FROM moved RETURNING id)"
    " INSERT INTO outbox (event_id) SELECT id FROM recorded"
)
_KIND, _JOB, _DATA = "print.printing", "job", "{}"


@one_statement
@script
async def _transition(tx: Tx, print_id: str, seen: int, event: EventRecord) -> None:
    values = {"print_id": print_id, "seen": seen, "why": "bench"}
    assert await tx.compare_and_set(_MOVE, values, event) is not None


class Side:
    """Eight lanes, each with a print of its own."""

    def __init__(self, step: Callable[[int, str, int, str], Awaitable[None]]) -> None:
        self._step = step

    async def run(self, versions: list[int]) -> None:
        """So many transitions in each lane, all lanes at once."""
        await asyncio.gather(*(self._lane(n, versions) for n in range(CONNECTIONS)))

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
    sides = {"two": Side(_two(connections)), "one": Side(_one(connections)), "ours": _ours(storage)}
    versions, costs = [1] * CONCURRENT, {name: list[Cost]() for name in sides}
    for _ in range(ROUNDS):
        for name, side in sides.items():
            cost = await _cost(lambda side=side: side.run(versions), CONNECTIONS * EACH)  # type: ignore[misc]
            costs[name].append(cost)
    for connection in connections:
        await connection.close()
    await storage.close()
    return costs


def _two(connections: list[Any]) -> Callable[[int, str, int, str], Awaitable[None]]:
    async def step(n: int, print_id: str, seen: int, event: str) -> None:
        connection = connections[n]
        await connection.execute("BEGIN")
        assert await connection.execute(_RAW_MOVE, "bench", print_id, seen) == "UPDATE 1"
        at = to_micros(NOW)
        await connection.execute(_RAW_ROWS, event, at, _KIND, _JOB, print_id, _DATA)
        await connection.execute("COMMIT")

    return step


def _one(connections: list[Any]) -> Callable[[int, str, int, str], Awaitable[None]]:
    async def step(n: int, print_id: str, seen: int, event: str) -> None:
        at = to_micros(NOW)
        rest = ("bench", print_id, seen, event, at, _KIND, _JOB, _DATA)
        assert await connections[n].execute(_RAW_ONE, *rest) == "INSERT 0 1"

    return step


def _ours(storage: PostgresStorage) -> Side:
    async def step(_: int, print_id: str, seen: int, event: str) -> None:
        record = EventRecord(event, NOW, _KIND, job_id=_JOB, print_id=print_id)
        await storage.write(_transition, print_id, seen, record)

    return Side(step)


def _compared(costs: dict[str, list[Cost]]) -> Iterator[Row]:
    words = {
        "two": "BEGIN, two statements, COMMIT by hand on asyncpg",
        "one": "one statement by hand on asyncpg",
        "ours": "one statement, ours",
    }
    for name, what in words.items():
        yield Row(f"{what} (CPU)", statistics.median(c.cpu for c in costs[name]), "µs")
        yield Row(f"{what} (wall)", statistics.median(c.wall for c in costs[name]), "µs")
    pairs = list(zip(costs["two"], costs["ours"], strict=True))
    faster = statistics.median(two.wall / ours.wall for two, ours in pairs)
    cheaper = statistics.median(two.cpu / ours.cpu for two, ours in pairs)
    yield Row("ours, as many times as fast as two statements", faster, "×", "≥ 2", met=faster >= 2)
    yield Row("CPU of two statements / ours", cheaper, "×")


if __name__ == "__main__":
    for row in run():
        print(row)
