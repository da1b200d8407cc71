"""S2: lines a second over a pseudo-terminal without a cable, to a board that answers at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.rows import Row
from bench.serial_bench import (
    Link,
    Run,
    bench,
    c_client,
    median,
    octoprint,
    ours,
    printcore,
    ratios,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "S2 serial, unlimited"
ROUNDS = 3
CLIENTS = {
    "C, one line at a time": (c_client(1), 200_000),
    "C, window of 4": (c_client(4), 400_000),
    "C, window of 64: what the board itself can do": (c_client(64), 400_000),
    "printcore": (printcore, 4000),
    "OctoPrint": (octoprint, 20_000),
    "ours": (ours, 200_000),
}
RATE, OF_OCTOPRINT = 30_000, 8.0


def run() -> list[Row]:
    """Everybody in turns, round by round."""
    found: dict[str, list[Run]] = {name: [] for name in CLIENTS}
    with bench(Link()) as at:
        for _ in range(ROUNDS):
            for name, (client, lines) in CLIENTS.items():
                found[name].append(at.measure(client, lines))
    return list(_rows(found))


def _rows(found: dict[str, list[Run]]) -> Iterator[Row]:
    for name, runs in found.items():
        if name != "ours":
            yield Row(name, median(runs, "rate"), "lines/s")
        yield Row(f"{name}, CPU", median(runs, "cpu"), "s/100k lines")
    mine = found["ours"]
    rate = median(mine, "rate")
    yield Row("ours", rate, "lines/s", f"≥ {RATE:,}", rate >= RATE)
    yield Row("ours, the worst round", min(run.rate for run in mine), "lines/s")
    each = sorted(ratios(mine, found["OctoPrint"]))
    middle = each[len(each) // 2]
    yield Row("ours ÷ OctoPrint", middle, "×", f"≥ {OF_OCTOPRINT:g}", middle >= OF_OCTOPRINT)
    yield Row("ours ÷ OctoPrint, the worst round", each[0], "×")
