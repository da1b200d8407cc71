"""D4: plan 10,000 waiting prints over 1,000 printers, and how late orders get that way.

Lateness is the sum over prints of hours past the due time, weighted 1 (low), 2, 4 and 8 (urgent).
The order books come at three loads, the share of the farm's hours that is asked for; at 1.1 no
planner can be in time with everything. In some books the due times were promised without regard to
how many printers can make the job: those are late whatever anybody does.
"""

from __future__ import annotations

import random
import time
from datetime import timedelta
from functools import partial
from statistics import median
from typing import TYPE_CHECKING

from bench.floor import First, Ours, Outcome, play
from bench.order_books import (
    ALIKE,
    MIXED,
    START,
    Mix,
    Variety,
    busy_status,
    make_fleet,
    make_job,
    make_prints,
    promise,
    ready_status,
)
from bench.rows import Row
from buildplate.core.eligibility import Eligibility
from buildplate.core.explaining import Summaries, reasons
from buildplate.core.forecast import forecast
from buildplate.core.jobs import Queue, QueuedPrint
from buildplate.core.printers import Printer, PrinterSpec
from buildplate.core.survey import Survey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

NAME = "D4 plan"
PRINTS, PRINTERS, RUNS = 10_000, 1_000, 7
FLOOR, DAYS = 40, 4
FARMS = {
    "printers much alike": (ALIKE, None),
    "printers all different": (MIXED, None),
    "all different, promised as if four could make it": (MIXED, 4),
}
LOADS = (0.8, 0.95, 1.1)
SEEDS = (1, 2, 3)


def run() -> list[Row]:
    """Measures the planner's speed and the lateness of its plans."""
    return [*_speed(), *_lateness()]


# --- speed -----------------------------------------------------------------------------------


def _waiting(rng: random.Random, specs: Sequence[PrinterSpec], mix: Mix) -> Queue:
    prints: list[QueuedPrint] = []
    number = 0
    while len(prints) < PRINTS:
        number += 1
        at = START - timedelta(hours=rng.uniform(0, 30))
        job, copies = make_job(rng, number, mix, specs)
        prints += make_prints(job, copies, at, promise(rng, job, copies, 10, mix))
    return Queue(tuple(prints[:PRINTS]))


def _fleet(rng: random.Random, specs: Sequence[PrinterSpec], free: int) -> list[Printer]:
    idle = set(rng.sample(range(len(specs)), free))
    fleet = []
    for n, spec in enumerate(specs):
        end = START + timedelta(hours=rng.uniform(0, 8))
        busy = busy_status(spec.number, f"active-{spec.number}", end)
        fleet.append(Printer(spec, ready_status(spec.number) if n in idle else busy))
    return fleet


def _cpu_ms(work: Callable[[], object]) -> float:
    """The median CPU time of several runs, in ms."""
    times = []
    for _ in range(RUNS):
        begun = time.process_time()
        work()
        times.append(1000 * (time.process_time() - begun))
    return median(times)


def _plan(queue: Queue, fleet: Sequence[Printer]) -> object:
    return Survey(queue, fleet, START).plan


def _speed() -> list[Row]:
    rng = random.Random(4)
    specs = make_fleet(rng, PRINTERS)
    books = {
        "jobs of 1 to 20 copies": _waiting(rng, specs, Mix()),
        "as many jobs as prints": _waiting(rng, specs, Mix(copies=(1,))),
    }
    rows = []
    for name, queue in books.items():
        for free in (1, 50, PRINTERS):
            cost = _cpu_ms(partial(_plan, queue, _fleet(rng, specs, free)))
            what = f"re-plan of {PRINTS:,} over {PRINTERS:,}, {free:,} free, {name}"
            rows.append(Row(what, cost, "ms CPU", "≤ 100", cost <= 100))
    survey = Survey(books["jobs of 1 to 20 copies"], _fleet(rng, specs, 50), START)
    waiting = survey.plan.waiting
    return [
        *rows,
        Row("forecast of that queue, on demand", _cpu_ms(partial(forecast, survey)), "ms CPU"),
        Row("counted reasons of it, on demand", _cpu_ms(partial(_count, survey)), "ms CPU"),
        Row(
            "all reasons of one print, on demand",
            _cpu_ms(partial(reasons, survey, waiting[-1])),
            "ms CPU",
        ),
    ]


def _count(survey: Survey) -> None:
    summaries = Summaries(survey)
    for print_ in survey.plan.waiting:
        summaries.of(print_)


# --- lateness --------------------------------------------------------------------------------


def _book(
    rng: random.Random, specs: Sequence[PrinterSpec], load: float, blindly: int | None
) -> list[QueuedPrint]:
    """Orders that come in over some days and ask for a share of the hours the farm has.

    `blindly` is how many printers a due time counts on, whoever can make it; None: it is known.
    """
    eligible = Eligibility([Printer(spec, ready_status()) for spec in specs])
    hours = load * len(specs) * DAYS * 24
    mix, number = Mix(), 0
    book: list[QueuedPrint] = []
    while hours > 0:
        number += 1
        at = START + timedelta(days=rng.uniform(0, DAYS))
        job, copies = make_job(rng, number, mix, specs)
        printers = eligible.of(job).bit_count()
        if printers:
            due = promise(rng, job, copies, blindly or printers, mix)
            book += make_prints(job, copies, at, due)
            hours -= copies * (job.file.duration_s or 0) / 3600
    return book


def _both(seed: int, load: float, variety: Variety, blindly: int | None) -> tuple[Outcome, Outcome]:
    rng = random.Random(seed)
    specs = make_fleet(rng, FLOOR, variety)
    book = _book(rng, specs, load, blindly)
    return play(book, specs, Ours(specs)), play(book, specs, First(specs))


def _lateness() -> list[Row]:
    rows = []
    every: list[tuple[Outcome, Outcome]] = []
    for farm, (variety, blindly) in FARMS.items():
        for load in LOADS:
            pairs = [_both(seed, load, variety, blindly) for seed in SEEDS]
            every += pairs
            rows.append(_compared(f"weighted lateness, {farm}, load {load}", pairs))
            rows += _in_time(f"prints in time, {farm}, load {load}", pairs)
    return [*rows, _compared("weighted lateness, all order books", every, goal=70)]


def _in_time(what: str, pairs: Sequence[tuple[Outcome, Outcome]]) -> Iterator[Row]:
    for who, outcomes in zip(("ours", "first come"), zip(*pairs, strict=True), strict=True):
        share = 100 * sum(o.in_time for o in outcomes) / sum(o.due for o in outcomes)
        yield Row(f"{what}, {who}", share, "%")


def _compared(
    what: str, pairs: Sequence[tuple[Outcome, Outcome]], goal: float | None = None
) -> Row:
    ours, first = (sum(outcome.late for outcome in side) for side in zip(*pairs, strict=True))
    share = 100 * ours / first
    unit = "% of first come, first served"
    if goal is None:
        return Row(what, share, unit)
    return Row(what, share, unit, f"≤ {goal:g}", share <= goal)
