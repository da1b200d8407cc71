"""S1: lines a second over a cable of 250 kbaud whose board answers after 1 ms, 40 bytes a line.

What our driver does is held against a client in C that keeps four lines under way, against one that
waits for each answer, and against OctoPrint and printcore, which wait, too.
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
    ratios,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "S1 serial, 250 kbaud"
ROUNDS = 3
LINES = 4000
CLIENTS = {
    "C, one line at a time": c_client(1),
    "C, window of 4": c_client(4),
    "printcore": printcore,
    "OctoPrint": octoprint,
    "ours": ours,
}
OF_WINDOW, OF_OCTOPRINT, CPU = 0.97, 2.3, 5.0


def run() -> list[Row]:
    """Everybody in turns, round by round."""
    found: dict[str, list[Run]] = {name: [] for name in CLIENTS}
    with bench(Link(BAUD, LATENCY_S)) as at:
        for _ in range(ROUNDS):
            for name, client in CLIENTS.items():
                found[name].append(at.measure(client, LINES))
        wire = BAUD / 10 * LINES / _bytes(at.file(LINES).path.stat().st_size)
    return list(_rows(found, wire))


def _bytes(size: int) -> int:
    """On the wire: `N1 ` to `N4000 ` before each line, a sum of two digits or three behind."""
    return size + sum(len(f"N{number} ") + len("*99") for number in range(1, LINES + 1))


def _rows(found: dict[str, list[Run]], wire: float) -> Iterator[Row]:
    yield Row("what the wire can carry", wire, "lines/s")
    for name, runs in found.items():
        yield Row(name, median(runs, "rate"), "lines/s")
        if name != "ours":
            yield Row(f"{name}, CPU", median(runs, "cpu"), "s/100k lines")
    mine = found["ours"]
    for peer, goal in (("C, window of 4", OF_WINDOW), ("OctoPrint", OF_OCTOPRINT)):
        each = sorted(ratios(mine, found[peer]))
        middle = each[len(each) // 2]
        yield Row(f"ours ÷ {peer}", middle, "×", f"≥ {goal}", middle >= goal)
        yield Row(f"ours ÷ {peer}, the worst round", each[0], "×")
    cpu = median(mine, "cpu")
    yield Row("ours, CPU, everything included", cpu, "s/100k lines", f"≤ {CPU:g}", cpu <= CPU)
    yield Row("ours, CPU, the worst round", max(run.cpu for run in mine), "s/100k lines")
