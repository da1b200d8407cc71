"""S3: how many moves find the planner empty: 1.8 ms each, a planner of 16, the cable of S1.

A move that finds it empty has made the head brake to a stand before it: a blob on the part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.rows import Row
from bench.serial_bench import (
    BAUD,
    LATENCY_S,
    Link,
    Run,
    bench,
    c_client,
    median,
    octoprint,
    ours,
    printcore,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "S3 serial, planner"
ROUNDS = 3
LINES = 4000
MOVE_S = 0.0018
CLIENTS = {
    "C, one line at a time": c_client(1),
    "C, window of 4": c_client(4),
    "printcore": printcore,
    "OctoPrint": octoprint,
    "ours": ours,
}
STARVED = 1.0


def run() -> list[Row]:
    """Everybody in turns, round by round."""
    found: dict[str, list[Run]] = {name: [] for name in CLIENTS}
    with bench(Link(BAUD, LATENCY_S, MOVE_S)) as at:
        for _ in range(ROUNDS):
            for name, client in CLIENTS.items():
                found[name].append(at.measure(client, LINES))
    return list(_rows(found))


def _rows(found: dict[str, list[Run]]) -> Iterator[Row]:
    for name, runs in found.items():
        if name != "ours":
            yield Row(f"moves that found it empty, {name}", median(runs, "starved") * 100, "%")
    mine = median(found["ours"], "starved") * 100
    yield Row("moves that found it empty, ours", mine, "%", f"≤ {STARVED:g}", mine <= STARVED)
    worst = max(run.starved for run in found["ours"]) * 100
    yield Row("ours, the worst round", worst, "%")
    longest = max(run.longest for run in found["ours"]) * 1000
    yield Row("ours, the longest pause of the wire", longest, "ms")
