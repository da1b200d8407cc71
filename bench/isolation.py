"""Four bad printers among fifty: one never answers, one drips, one floods, one flaps.

All are online when the run begins; then the four turn bad, for the whole run, and are given prints
of their own again and again, besides those of the common queue that they catch. What counts is how
much longer the other 46 wait, from an order to the physical start that the printer has recorded,
than in the same run without the four. Left out is only an order that a bad printer had first: its
delay is that printer's own. Pairs of runs, with and without, take turns; the ratio is taken pair by
pair.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from statistics import median
from typing import TYPE_CHECKING

import uvloop

from bench.rows import Row
from bench.simulated_farm import SimulatedFarm, gcode, once, simulated_farm
from buildplate.app.logs import set_up_logs
from buildplate.core.job_state import ENDED
from buildplate.core.jobs import Requirements
from buildplate.dispatch.model import JobView, NewJob, PrintRecord
from buildplate.storage import EventRecord, read_events

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


NAME = "isolation of bad printers"
BAD = ("silent", "dripping", "flooding", "flapping")
PAIRS = 5
GOAL = 1.2
ALL = 1_000_000
FOR_EVER = -1
OWN_JOBS = 3
MOST_RETRIES = 100
UP_S, DOWN_S = 3.0, 1.0
FLOOD_PER_S, BURST = 2000.0, 100


@dataclass(frozen=True, slots=True)
class Load:
    """How much is asked of the farm: printers, orders, how many of them large, orders a second.

    Prints last `seconds` of simulated time.
    """

    printers: int = 50
    jobs: int = 200
    large: int = 8
    large_bytes: int = 50_000_000
    per_second: float = 4.0
    seconds: float = 40.0
    time_factor: float = 20.0
    within_s: float = 240.0


@dataclass(frozen=True, slots=True)
class Run:
    """What came of one run.

    `waits`: seconds from order to start of each order that no bad printer had first. `uploads` and
    `starts`: how often each bad printer was given a print to take, and to start.
    """

    waits: list[float]
    uploads: Mapping[str, int] = field(default_factory=dict)
    starts: Mapping[str, int] = field(default_factory=dict)


def run() -> list[Row]:
    """Measures; takes some minutes."""
    set_up_logs("error")
    pairs = [(one_run(Load(), bad=True), one_run(Load(), bad=False)) for _ in range(PAIRS)]
    ratios = [p99(with_bad.waits) / p99(without.waits) for with_bad, without in pairs]
    middle = median(ratios)
    first = pairs[0][0]
    return [
        Row("p99 from order to start, with four bad printers", _ms(pairs, 0), "ms"),
        Row("the same without them", _ms(pairs, 1), "ms"),
        Row("ratio, median of five pairs", middle, "×", f"≤ {GOAL}", middle <= GOAL),
        Row("ratio, worst pair", max(ratios), "×"),
        Row("orders that count, of 200", len(first.waits), ""),
        *(Row(f"uploads to the {name} printer", n, "") for name, n in first.uploads.items()),
        *(Row(f"starts on the {name} printer", n, "") for name, n in first.starts.items()),
    ]


def _ms(pairs: Sequence[tuple[Run, Run]], which: int) -> float:
    return median(p99(pair[which].waits) for pair in pairs) * 1000


def p99(values: Sequence[float]) -> float:
    """The 99th percentile of at least one value."""
    ordered = sorted(values)
    return ordered[max(0, round(len(ordered) * 0.99) - 1)]


def one_run(load: Load, *, bad: bool) -> Run:
    """One run of the load, with the four bad printers or without them."""
    return uvloop.run(_run(load, BAD if bad else ()))


async def _run(load: Load, bad: Sequence[str]) -> Run:
    count = load.printers if bad else load.printers - len(BAD)
    async with simulated_farm(count, time_factor=load.time_factor) as farm:
        sick = dict(zip(farm.ids.values(), bad, strict=False))
        small = await farm.farm.files.receive(once(gcode(load.seconds)), "small.gcode")
        big = gcode(load.seconds, pad_bytes=load.large_bytes)
        large = await farm.farm.files.receive(once(big), "large.gcode")
        await _analysed(farm, large.file.id)
        for name, fault in zip(farm.ids, bad, strict=False):
            await _turn_bad(farm, name, fault, load.time_factor)
        for printer in sick:
            await _order_there(farm, small.file.id, printer)
        counted = await _order_all(farm, load, small.file.id, large.file.id)
        return await _result(farm, load, counted, sick)


async def _turn_bad(farm: SimulatedFarm, name: str, fault: str, factor: float) -> None:
    """From now on for ever; durations are told to the simulator in its own seconds."""
    admin = farm.simulator.admin
    if fault == "silent":
        await admin.rule(name, "request", "lose", times=FOR_EVER)
        await admin.do(name, "hush")
    elif fault == "dripping":
        await admin.do(name, "drip", interval_s=factor)
    elif fault == "flooding":
        await admin.do(name, "flood", per_s=FLOOD_PER_S / factor, burst=BURST)
    else:
        await admin.do(name, "flap", up_s=UP_S * factor, down_s=DOWN_S * factor)


async def _order_there(farm: SimulatedFarm, file_id: str, printer: str) -> None:
    """Orders that only one printer may have: a bad one is never without something to do."""
    only = Requirements(printers=frozenset({printer}))
    for _ in range(OWN_JOBS):
        await farm.farm.jobs.receive(NewJob(file_id, requirements=only, retries=MOST_RETRIES))


async def _order_all(farm: SimulatedFarm, load: Load, small: str, large: str) -> set[str]:
    """The orders that count: their ids."""
    order = [large] * load.large + [small] * (load.jobs - load.large)
    random.Random(1).shuffle(order)
    found = set()
    for file_id in order:
        view, _ = await farm.farm.jobs.receive(NewJob(file_id, retries=MOST_RETRIES))
        found.add(view.job.id)
        await asyncio.sleep(1 / load.per_second)
    return found


async def _analysed(farm: SimulatedFarm, file_id: str) -> None:
    async with asyncio.timeout(120):
        while (await farm.farm.files.get(file_id)).state == "analysing":
            await asyncio.sleep(0.1)


async def _result(
    farm: SimulatedFarm, load: Load, counted: set[str], sick: Mapping[str, str]
) -> Run:
    async with asyncio.timeout(load.within_s):
        while any(_is_waited_for(view, sick) for view in await _views(farm, counted)):
            await asyncio.sleep(0.5)
    events = await _events(farm)
    first_at: dict[str | None, str | None] = {}
    for event in events:
        if event.kind == "print.claimed":
            first_at.setdefault(event.job_id, event.printer_id)
    starts = await _physical_starts(farm)
    waits = [
        min(starts[print_.path] for print_ in view.prints if print_.path in starts)
        - view.job.created_at.timestamp()
        for view in await _views(farm, counted)
        if first_at[view.job.id] not in sick
    ]
    return Run(waits, _given(events, sick, "transferring"), _given(events, sick, "starting"))


def _is_waited_for(view: JobView, sick: Mapping[str, str]) -> bool:
    """Whether an order has neither ended nor a print on a bad printer, which may take for ever."""
    return view.state not in ENDED and not any(p.printer_id in sick for p in view.prints)


def _given(events: Sequence[EventRecord], sick: Mapping[str, str], what: str) -> dict[str, int]:
    times = Counter(sick.get(e.printer_id or "") for e in events if e.kind == f"print.{what}")
    return {name: times[name] for name in sick.values()}


async def _views(farm: SimulatedFarm, counted: set[str]) -> list[JobView]:
    """The orders that count, each with its prints, oldest first."""
    views, _ = await farm.farm.jobs.jobs(ALL, None, {})
    prints, _ = await farm.farm.prints.prints(ALL, None, {})
    of_job: dict[str, list[PrintRecord]] = defaultdict(list)
    for print_ in reversed(prints):
        of_job[print_.job_id].append(print_)
    return [
        replace(view, prints=tuple(of_job[view.job.id])) for view in views if view.job.id in counted
    ]


async def _events(farm: SimulatedFarm) -> list[EventRecord]:
    published = await farm.farm.storage.read(read_events, 0, ALL)
    return [one.event for one in published]


async def _physical_starts(farm: SimulatedFarm) -> dict[str | None, float]:
    """When each path began to be printed (unix s), as the printers have recorded it."""
    return {
        entry["path"]: entry["t"]
        for name in farm.ids
        for entry in await farm.simulator.admin.log(name, "start")
    }
