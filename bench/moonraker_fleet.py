"""T1: 1,000 printers behind Moonrakers in one process, each telling of its print once a second.

Simulated Moonrakers in a process of their own push; all of them print. See `moonraker_clients` for
who is compared.
"""

from __future__ import annotations

import asyncio
import json
import resource
import statistics
import sys
import tempfile
from pathlib import Path

import uvloop

from bench.rows import Row
from buildplate_sim.launch import Simulator, moonrakers

NAME = "T1 1,000 Moonrakers"
PRINTERS, SECONDS, ROUNDS = 1000, 10.0, 3
KINDS = ("raw", "aiohttp", "ours")
CLIENT_LIMIT_S = 400.0
TICK_S, PRINTING_S = 1.0, 2.0
GOAL, WIRE_KB, SESSION_KB = 2.0, 20.0, 60.0
GCODE = "SET_KINEMATIC_POSITION X=0 Y=0 Z=1\nM140 S60\nM104 S210\n" + "".join(
    f"G1 X{120 if turn % 2 else 20} Y{turn % 200} F3000\n" for turn in range(1800)
)
"""An hour of moves of two seconds."""

Figures = dict[str, float]


def run() -> list[Row]:
    """Measures the three in turns, and the whole session once."""
    rounds, session = uvloop.run(_rounds())
    raw, plain, ours = (_median(rounds[kind], "us") for kind in KINDS)
    pairs = zip(rounds["ours"], rounds["raw"], strict=True)
    ratios = [mine["us"] / least["us"] for mine, least in pairs]
    ratio, held = statistics.median(ratios), _median(rounds["ours"], "kb")
    return [
        Row("one push, a protocol by hand (CPU)", raw, "µs"),
        Row("one push, plain aiohttp (CPU)", plain, "µs"),
        Row("one push, our driver (CPU)", ours, "µs"),
        Row("our driver ÷ by hand", ratio, "×", f"≤ {GOAL}", ratio <= GOAL),
        Row("the best round", min(ratios), "×"),
        Row("the worst round", max(ratios), "×"),
        Row("plain aiohttp ÷ by hand", plain / raw, "×"),
        Row("a printer, a protocol by hand", _median(rounds["raw"], "kb"), "kB"),
        Row("a printer, plain aiohttp", _median(rounds["aiohttp"], "kb"), "kB"),
        Row("a printer, our driver", held, "kB", f"≤ {WIRE_KB}", held <= WIRE_KB),
        Row(
            "a printer, the whole session",
            session["kb"],
            "kB",
            f"≤ {SESSION_KB}",
            session["kb"] <= SESSION_KB,
        ),
        Row("a printer and second, the whole session (CPU)", session["us"], "µs"),
    ]


def _median(figures: list[Figures], name: str) -> float:
    return statistics.median(figure[name] for figure in figures)


async def _rounds() -> tuple[dict[str, list[Figures]], Figures]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 16384)), hard))
    found: dict[str, list[Figures]] = {kind: [] for kind in KINDS}
    with tempfile.TemporaryDirectory() as name:
        folder, more = Path(name), [f"--tick={TICK_S}", "--no-load"]
        async with moonrakers(
            folder / "sim", count=PRINTERS, time_factor=1.0, base_address="127.0.12.10", more=more
        ) as simulator:
            file = folder / "printers.json"
            file.write_text(json.dumps(simulator.printers))
            await _all_print(simulator)
            for _ in range(ROUNDS):
                for kind in KINDS:
                    found[kind].append(await _one(kind, file))
            return found, await _one("session", file)


async def _all_print(simulator: Simulator) -> None:
    for printer in simulator.printers:
        await simulator.admin.do(printer["name"], "print", path="hour.gcode", gcode=GCODE)
    await asyncio.sleep(PRINTING_S)
    states = [printer["print_state"] for printer in await simulator.admin.printers()]
    assert states.count("printing") == len(states), states


async def _one(kind: str, file: Path) -> Figures:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bench.moonraker_clients",
        kind,
        str(file),
        str(SECONDS),
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await asyncio.wait_for(process.communicate(), CLIENT_LIMIT_S)
    assert process.returncode == 0
    figures: Figures = json.loads(said.splitlines()[-1])  # the farm logs before it
    return figures
