"""Four bad printers among fifty: one never answers, one drips, one floods, one flaps.

What counts is how much longer the other 46 wait from an order to their start than in the same run
without the four. Pairs of runs, with and without, take turns; the ratio is taken pair by pair.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, replace
from statistics import median

import uvloop

from bench.rows import Row
from bench.simulated_farm import SimulatedFarm, gcode, once, simulated_farm
from buildplate.app.logs import set_up_logs
from buildplate.core.job_state import ENDED
from buildplate.dispatch.model import JobView, NewJob

NAME = "isolation of bad printers"
BAD = ("hush", "drip", "flood", "flap")
PAIRS = 5
GOAL = 1.2


@dataclass(frozen=True, slots=True)
class Load:
    """How much is asked of the farm: printers, orders, how many of them large, orders a second."""

    printers: int = 50
    jobs: int = 200
    large: int = 8
    large_bytes: int = 50_000_000
    per_second: float = 4.0
    time_factor: float = 20.0
    within_s: float = 240.0


def run() -> list[Row]:
    """Measures; takes some minutes."""
    set_up_logs("error")
    pairs = [(waits(Load(), bad=True), waits(Load(), bad=False)) for _ in range(PAIRS)]
    ratios = [p99(with_bad) / p99(without) for with_bad, without in pairs]
    middle = median(ratios)
    return [
        Row("p99 from order to start, with four bad printers", _ms(pairs, 0), "ms"),
        Row("the same without them", _ms(pairs, 1), "ms"),
        Row("ratio, median of five pairs", middle, "×", f"≤ {GOAL}", middle <= GOAL),
        Row("ratio, worst pair", max(ratios), "×"),
    ]


def _ms(pairs: list[tuple[list[float], list[float]]], which: int) -> float:
    return median(p99(pair[which]) for pair in pairs) * 1000


def p99(values: list[float]) -> float:
    """The 99th percentile of at least one value."""
    ordered = sorted(values)
    return ordered[max(0, round(len(ordered) * 0.99) - 1)]


def waits(load: Load, *, bad: bool) -> list[float]:
    """Seconds from order to start of every print that started on one of the good printers."""
    return uvloop.run(_waits(load, BAD if bad else ()))


async def _waits(load: Load, bad: tuple[str, ...]) -> list[float]:
    count = load.printers if bad else load.printers - len(BAD)
    async with simulated_farm(count, time_factor=load.time_factor, bad=bad) as farm:
        await _order_all(farm, load)
        good = {farm.ids[name] for name in list(farm.ids)[len(bad) :]}
        return await _starts(farm, load, good)


async def _order_all(farm: SimulatedFarm, load: Load) -> None:
    small = await farm.farm.files.receive(once(gcode(40)), "small.gcode")
    big = gcode(40, pad_bytes=load.large_bytes)
    large = await farm.farm.files.receive(once(big), "large.gcode")
    await _analysed(farm, large.file.id)
    order = [large.file.id] * load.large + [small.file.id] * (load.jobs - load.large)
    random.Random(1).shuffle(order)
    for file_id in order:
        await farm.farm.jobs.receive(NewJob(file_id, retries=5))
        await asyncio.sleep(1 / load.per_second)


async def _analysed(farm: SimulatedFarm, file_id: str) -> None:
    async with asyncio.timeout(120):
        while (await farm.farm.files.get(file_id)).state == "analysing":
            await asyncio.sleep(0.1)


async def _starts(farm: SimulatedFarm, load: Load, good: set[str]) -> list[float]:
    async with asyncio.timeout(load.within_s):
        while await _unfinished(farm, load, good):
            await asyncio.sleep(0.5)
    found = []
    for view in await _views(farm, load):
        if _was_on_a_bad_one(view, good):
            continue
        for print_ in view.prints:
            if print_.intent_at is not None:
                found.append((print_.intent_at - view.job.created_at).total_seconds())
                break
    return found


async def _views(farm: SimulatedFarm, load: Load) -> list[JobView]:
    """The orders, newest first, each with its prints, oldest first."""
    jobs, _ = await farm.farm.jobs.jobs(load.jobs, None, {})
    prints, _ = await farm.farm.prints.prints(10 * load.jobs, None, {})
    return [
        replace(view, prints=tuple(p for p in reversed(prints) if p.job_id == view.job.id))
        for view in jobs
    ]


def _was_on_a_bad_one(view: JobView, good: set[str]) -> bool:
    """Whether a bad printer had this order first: its delay is that printer's own."""
    places = {p.printer_id for p in view.prints} | {p.avoid_printer_id for p in view.prints}
    return not places - {None} <= good


async def _unfinished(farm: SimulatedFarm, load: Load, good: set[str]) -> bool:
    """Whether an order has neither ended nor its print on a bad printer."""
    jobs = await _views(farm, load)
    return any(
        view.state not in ENDED
        and not any(p.printer_id is not None and p.printer_id not in good for p in view.prints)
        for view in jobs
    )
