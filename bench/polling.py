"""T2: 1,000 OctoPrint printers looked at once a second in one process, in CPU time of a look.

Simulated OctoPrints in a process of their own answer. A look is two requests: what is compared
makes the same two, on connections that are kept open. See `poll_clients` for who is compared.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import uvloop

from bench.rows import Row
from buildplate_sim.launch import octoprints

NAME = "T2 polling OctoPrint"
PRINTERS, SECONDS, ROUNDS = 1000, 8.0, 3
KINDS = ("raw", "aiohttp", "ours")
SILENT_S = 1e6
GOAL = 2.2


def run() -> list[Row]:
    """Measures the three in turns."""
    rounds = uvloop.run(_rounds())
    raw, plain, ours = (statistics.median(rounds[kind]) for kind in KINDS)
    ratios = [mine / least for mine, least in zip(rounds["ours"], rounds["raw"], strict=True)]
    ratio = statistics.median(ratios)
    return [
        Row("one look, httptools by hand (CPU)", raw, "µs"),
        Row("one look, plain aiohttp (CPU)", plain, "µs"),
        Row("one look, our driver (CPU)", ours, "µs"),
        Row("our driver, the best and the worst round", min(rounds["ours"]), "µs"),
        Row("", max(rounds["ours"]), "µs"),
        Row("our driver ÷ httptools by hand", ratio, "×", f"≤ {GOAL}", ratio <= GOAL),
        Row("the best round", min(ratios), "×"),
        Row("the worst round", max(ratios), "×"),
        Row("plain aiohttp ÷ httptools by hand", plain / raw, "×"),
    ]


async def _rounds() -> dict[str, list[float]]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 16384)), hard))
    found: dict[str, list[float]] = {kind: [] for kind in KINDS}
    with tempfile.TemporaryDirectory() as name:
        folder, more = Path(name), [f"--push-interval={SILENT_S}"]
        async with octoprints(
            folder / "sim", count=PRINTERS, time_factor=1.0, base_address="127.0.8.10", more=more
        ) as simulator:
            file = folder / "printers.json"
            file.write_text(json.dumps(simulator.printers))
            for _ in range(ROUNDS):
                for kind in KINDS:
                    found[kind].append(_one(kind, file))
    return found


def _one(kind: str, file: Path) -> float:
    command = [sys.executable, "-m", "bench.poll_clients", kind, str(file), str(SECONDS)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=120)
    return float(done.stdout)
