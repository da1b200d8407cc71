"""`python -m bench [NAME…]`: runs the named measurements, or all, and writes bench/results.md."""

from __future__ import annotations

import importlib
import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.rows import Row

RESULTS = Path(__file__).with_name("results.md")
HEADER = """# Measurements

Each section is written by one run of `make bench` (`python -m bench NAME` renews one of them).
Machines are noisy: what counts is a ratio within one run, CPU seconds (user and system) before
wall time, medians of several runs.
"""


class Benchmark(Protocol):
    """A module that measures: its name in BENCH order, and the measuring."""

    NAME: str

    def run(self) -> list[Row]:
        """Measures, and returns the rows of the table."""
        ...


def main(wanted: list[str]) -> int:
    """Runs, prints and writes; returns how many goals were missed."""
    found = {benchmark.NAME: benchmark for benchmark in _benchmarks()}
    unknown = [name for name in wanted if name not in found]
    if unknown:
        sys.exit(f"no such measurement: {', '.join(unknown)}; there are {', '.join(found)}")
    missed = 0
    for name in wanted or list(found):
        rows = found[name].run()
        section = _section(name, rows)
        print(section)
        _write(name, section)
        missed += sum(row.met is False for row in rows)
    return missed


def _benchmarks() -> Iterator[Benchmark]:
    for path in sorted(Path(__file__).parent.glob("*.py")):
        # Only these: some programs beside them belong to a peer, and to its own environment.
        if "\nNAME = " in path.read_text("utf-8"):
            loaded = importlib.import_module(f"bench.{path.stem}")
            if hasattr(loaded, "NAME") and hasattr(loaded, "run"):
                yield cast("Benchmark", loaded)


def _section(name: str, rows: list[Row]) -> str:
    lines = [f"## {name}", "", f"{datetime.now(UTC):%Y-%m-%d}, {_machine()}.", ""]
    lines += ["| what | figure | goal | |", "|---|---|---|---|"]
    lines += [f"| {r.what} | {r.value:,.4g} {r.unit} | {r.goal} | {r.verdict} |" for r in rows]
    return "\n".join(lines) + "\n"


def _machine() -> str:
    cores = len(os.sched_getaffinity(0))
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{_processor()}, {cores} cores, {platform.system()} {platform.machine()}, {python}"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown processor"


def _write(name: str, section: str) -> None:
    """Replaces the section of this name, or adds it, keeping the others in order."""
    sections = {name: section}
    if RESULTS.exists():
        for part in RESULTS.read_text().split("\n## ")[1:]:
            title = part.partition("\n")[0]
            sections.setdefault(title, f"## {part.rstrip()}\n")
    ordered = "\n".join(sections[title] for title in sorted(sections))
    RESULTS.write_text(f"{HEADER}\n{ordered}")


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1:]) else 0)
