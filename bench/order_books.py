"""Make farms and order books to measure planning on: the same seed makes the same ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from buildplate.core.jobs import Box, FileFacts, JobFacts, Priority, QueuedPrint, Requirements
from buildplate.core.materials import LoadedMaterial, MaterialNeed
from buildplate.core.printers import (
    Activity,
    Bed,
    Link,
    PrinterModel,
    PrinterSpec,
    PrinterStatus,
    Volume,
)

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

START = datetime(2030, 1, 7, 8, tzinfo=UTC)

MODELS = (
    PrinterModel("Prusa MK4", Volume(250, 210, 220), (0.4,), 290, 120),
    PrinterModel("Prusa MINI", Volume(180, 180, 180), (0.4,), 280, 100),
    PrinterModel("Prusa XL", Volume(360, 360, 360), (0.4,) * 5, 290, 120),
    PrinterModel("Voron 2.4", Volume(350, 350, 340), (0.6,), 300, 120),
    PrinterModel("Ender 3", Volume(220, 220, 250), (0.4,), 240, 100),
    PrinterModel("Kossel", Volume(240, 240, 280), (0.4,), 270, 110, "delta"),
)
TYPES = ("PLA", "PLA", "PLA", "PETG", "PETG", "ASA", "TPU")
COLORS = ("black", "white", "grey", "red", "blue", "green")
PRIORITIES = (Priority.LOW, Priority.NORMAL, Priority.HIGH, Priority.URGENT)


def ready_status(starts: int = 0) -> PrinterStatus:
    """The state of a printer that takes a print at once."""
    return PrinterStatus(Link.ONLINE, Activity.IDLE, Bed.CLEAR, bed_version=1, starts=starts)


def busy_status(starts: int, print_id: str, end: datetime) -> PrinterStatus:
    """The state of a printer that prints until `end`."""
    return PrinterStatus(
        Link.ONLINE,
        Activity.OURS,
        Bed.OCCUPIED,
        bed_version=1,
        starts=starts,
        active_print_id=print_id,
        expected_free=end,
    )


@dataclass(frozen=True, slots=True)
class Variety:
    """How mixed a farm is: how many models, materials and colours of those there are it uses."""

    models: int = len(MODELS)
    types: int = len(TYPES)
    colors: int = len(COLORS)


MIXED = Variety()
ALIKE = Variety(models=2, types=4, colors=3)


def make_fleet(rng: random.Random, size: int, variety: Variety = MIXED) -> list[PrinterSpec]:
    """A farm of printers that are idle, with what they hold."""
    return [_spec(rng, number, variety) for number in range(1, size + 1)]


def _spec(rng: random.Random, number: int, variety: Variety) -> PrinterSpec:
    model = rng.choice(MODELS[: variety.models])
    tools = range(len(model.nozzles_mm))
    return PrinterSpec(
        id=f"printer-{number}",
        number=number,
        name=f"Printer {number}",
        model=model,
        plate=rng.choice(("smooth", "textured")),
        materials=tuple(_spool(rng, tool, variety) for tool in tools),
        tags=frozenset(rng.sample(("enclosed", "quiet", "cellar", "food-safe"), rng.randint(0, 2))),
        group=rng.choice(("north", "south", "east", "west")),
    )


def _spool(rng: random.Random, tool: int, variety: Variety) -> LoadedMaterial:
    grams = rng.choice((None, float(rng.randint(50, 1000))))
    type_, color = rng.choice(TYPES[: variety.types]), rng.choice(COLORS[: variety.colors])
    return LoadedMaterial(tool, type_, color, rng.choice((None, "matte", "silk")), grams)


@dataclass(frozen=True, slots=True)
class Mix:
    """What kind of orders a book holds: hours of one print, copies, and hours to the due time.

    A due time is promised as a shop does: so many hours, but not less than the copies take on the
    printers that can make them, and half as much again.
    """

    hours: tuple[float, float] = (0.3, 12.0)
    copies: tuple[int, ...] = (1, 1, 1, 2, 3, 5, 20)
    urgent: float = 0.1
    promised_h: tuple[float, ...] = (8, 24, 24, 48, 72)
    urgent_h: tuple[float, ...] = (2, 4, 8)
    with_due: float = 0.85


def make_job(
    rng: random.Random, number: int, mix: Mix, fleet: Sequence[PrinterSpec]
) -> tuple[JobFacts, int]:
    """A job made for some printer of the fleet, without a due time yet, and its copies."""
    urgent = rng.random() < mix.urgent
    priority = Priority.URGENT if urgent else rng.choices(PRIORITIES[:3], (2, 5, 2))[0]
    file = _file(rng, number, 3600 * rng.uniform(*mix.hours))
    asks = _asks(rng, rng.choice(fleet))
    job = JobFacts(f"job-{number}", number, file, priority, requirements=asks)
    return job, rng.choice(mix.copies)


def promise(
    rng: random.Random, job: JobFacts, copies: int, printers: int, mix: Mix
) -> timedelta | None:
    """How long after it came in a job is promised, where `printers` can make its copies."""
    if rng.random() >= mix.with_due:
        return None
    hours = rng.choice(mix.urgent_h if job.priority is Priority.URGENT else mix.promised_h)
    rounds = -(-copies // max(1, printers))
    return timedelta(seconds=max(hours * 3600, 1.5 * rounds * (job.file.duration_s or 0)))


def _file(rng: random.Random, number: int, seconds: float) -> FileFacts:
    x, y, z = (rng.uniform(20, limit) for limit in (200, 190, 200))
    return FileFacts(
        id=f"file-{number}",
        size=rng.randint(10**6, 10**8),
        duration_s=seconds,
        box=Box(5, 5, 0.2, 5 + x, 5 + y, z),
        tools=frozenset({0}),
        filament_g=((0, seconds / 3600 * 12),),
        max_nozzle_c=rng.choice((215, 225, 240)),
        max_bed_c=rng.choice((60, 85, 100)),
    )


def _asks(rng: random.Random, made_for: PrinterSpec) -> Requirements:
    """What the printer it was made for has, some of it asked for and some left open."""
    spool = made_for.materials[0]
    need = MaterialNeed(
        tool=0,
        type=spool.type,
        color=spool.color if rng.random() < 0.5 else None,
        variant=spool.variant if rng.random() < 0.2 else None,
    )
    return Requirements(
        materials=(need,),
        nozzle_mm=made_for.model.nozzles_mm[0] if rng.random() < 0.6 else None,
        printer_model=made_for.model.name if rng.random() < 0.1 else None,
        group=made_for.group if rng.random() < 0.2 else None,
        tags_all=made_for.tags if rng.random() < 0.1 else frozenset(),
        plate=made_for.plate if rng.random() < 0.2 else None,
    )


def make_prints(
    job: JobFacts, copies: int, at: datetime, due: timedelta | None
) -> list[QueuedPrint]:
    """The queued prints of a job that arrives at `at`."""
    job = replace(job, due=None if due is None else at + due)
    return [
        QueuedPrint(f"print-{job.number}-{copy}", job, copy, queued_at=at)
        for copy in range(1, copies + 1)
    ]
