"""Small farms and queues in which all collides with all, for the properties of planning."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from buildplate.core.jobs import (
    Box,
    FileFacts,
    FileState,
    JobFacts,
    Priority,
    Queue,
    QueuedPrint,
    Requirements,
)
from buildplate.core.materials import LoadedMaterial, MaterialNeed
from buildplate.core.printers import (
    Activity,
    Bed,
    BedClearing,
    BedPolicy,
    Link,
    Origin,
    Printer,
    PrinterModel,
    PrinterSpec,
    PrinterStatus,
    StartPolicy,
    Volume,
)

NOW = datetime(2030, 6, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SMALL, LARGE = Volume(120, 120, 120), Volume(300, 300, 300)


def mostly(usual: Any, *rest: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from([usual, usual, usual, usual, usual, *rest])


USUALLY = st.integers(0, 5).map(bool)
SELDOM = st.integers(0, 5).map(lambda n: n == 5)


def printer(number: int = 1, **changes: Any) -> Printer:
    """A ready printer, but for the fields given, of its spec, its model or its status."""
    model: dict[str, Any] = {"name": "MK4", "build_volume": LARGE, "nozzles_mm": (0.4,)}
    spec: dict[str, Any] = {"materials": (LoadedMaterial(0, "PLA", "black"),)}
    status: dict[str, Any] = {
        "link": Link.ONLINE,
        "activity": Activity.IDLE,
        "bed": Bed.CLEAR,
        "bed_version": 1,
        "starts": 1,
    }
    for key, value in changes.items():
        of_model = key in PrinterModel.__dataclass_fields__
        of_status = key in PrinterStatus.__dataclass_fields__
        (model if of_model else status if of_status else spec)[key] = value
    return Printer(
        PrinterSpec(
            id=f"printer-{number}",
            number=number,
            name=f"Printer {number}",
            model=PrinterModel(**model),
            **spec,
        ),
        PrinterStatus(**status),
    )


def job(number: int = 1, **changes: Any) -> JobFacts:
    """A job for a small file that any printer can print, but for the fields given.

    They may be the job's, its file's or its requirements'.
    """
    file: dict[str, Any] = {
        "box": Box(10, 10, 0.2, 60, 60, 60),
        "duration_s": 3600.0,
        "tools": frozenset({0}),
        "size": 1000,
    }
    asks: dict[str, Any] = {}
    own: dict[str, Any] = {}
    for key, value in changes.items():
        of_file = key in FileFacts.__dataclass_fields__
        of_asks = key in Requirements.__dataclass_fields__
        (file if of_file else asks if of_asks else own)[key] = value
    return JobFacts(
        id=f"job-{number}",
        number=number,
        file=FileFacts(id=f"file-{number}", **file),
        requirements=Requirements(**asks),
        **own,
    )


def prints(of: JobFacts, copies: int = 1, **changes: Any) -> list[QueuedPrint]:
    fields: dict[str, Any] = {"queued_at": NOW - HOUR, **changes}
    return [
        QueuedPrint(id=f"{of.id}-copy-{copy}", job=of, copy=copy, **fields)
        for copy in range(1, copies + 1)
    ]


def queue(*parts: list[QueuedPrint], stopped: bool = False) -> Queue:
    return Queue(tuple(print_ for part in parts for print_ in part), stopped=stopped)


TYPES = st.sampled_from(("PLA", "PETG", "pla"))
COLORS = st.sampled_from((None, "black", "#FF0000", "ff0000"))
VARIANTS = st.sampled_from((None, None, "matte", "silk"))
GRAMS = st.sampled_from((None, 10.0, 100.0))
NAMES = st.sampled_from((None, None, None, "a", "b"))
TAGS = st.frozensets(st.sampled_from(("x", "y", "X", "z")), max_size=2)


@st.composite
def materials(draw: st.DrawFn) -> tuple[LoadedMaterial, ...]:
    tools = draw(st.sampled_from(((0,), (0,), (0, 1), ())))
    return tuple(
        LoadedMaterial(tool, draw(TYPES), draw(COLORS), draw(VARIANTS), draw(GRAMS))
        for tool in tools
    )


@st.composite
def needs(draw: st.DrawFn) -> tuple[MaterialNeed, ...]:
    tools = draw(st.sampled_from(((), (), (0,), (0,), (0, 1))))
    return tuple(
        MaterialNeed(tool, draw(TYPES), draw(COLORS), draw(VARIANTS), draw(GRAMS)) for tool in tools
    )


MODELS = st.builds(
    PrinterModel,
    name=st.sampled_from(("MK4", "mk4", "Voron")),
    build_volume=mostly(LARGE, SMALL, None),
    nozzles_mm=mostly((0.4,), (0.6,), (), (0.4, 0.6)),
    max_nozzle_c=st.sampled_from((None, 240.0, 300.0)),
    max_bed_c=st.sampled_from((None, 60.0, 120.0)),
    kinematics=mostly("cartesian", "delta"),
    origin=mostly(None, Origin.CENTRE),
)

STATUSES = st.builds(
    PrinterStatus,
    link=mostly(Link.ONLINE, *Link),
    activity=mostly(Activity.IDLE, *Activity),
    powered=USUALLY,
    bed=mostly(Bed.CLEAR, *Bed),
    bed_version=st.integers(0, 5),
    starts=st.integers(0, 5),
    active_print_id=mostly(None, "some-print"),
    unsettled_command=mostly(None, "some-command"),
    node_alive=USUALLY,
    storage_free=mostly(None, 500, 5000),
    expected_free=st.sampled_from((None, NOW + HOUR, NOW - HOUR)),
)


@st.composite
def printers(draw: st.DrawFn, number: int) -> Printer:
    spec = PrinterSpec(
        id=f"printer-{number}",
        number=number,
        name=f"Printer {number}",
        model=draw(MODELS),
        plate=draw(NAMES),
        materials=draw(materials()),
        tags=draw(TAGS),
        group=draw(NAMES),
        enabled=draw(USUALLY),
        maintenance=draw(SELDOM),
        bed_policy=BedPolicy(draw(st.sampled_from(BedClearing))),
        start_policy=draw(mostly(StartPolicy.AUTOMATIC, StartPolicy.CONFIRM)),
        can_print=draw(USUALLY),
    )
    if draw(st.booleans()):
        return Printer(spec, printer(starts=draw(st.integers(0, 5))).status)
    status = draw(STATUSES)
    if status.active_print_id is not None and draw(st.booleans()):
        status = PrinterStatus(
            link=status.link,
            activity=status.activity,
            bed=status.bed,
            bed_version=status.bed_version,
            starts=status.starts,
            active_print_id=status.active_print_id,
            needs_attention=True,
        )
    return Printer(spec, status)


FILES = st.builds(
    FileFacts,
    id=st.just("file"),
    state=mostly(FileState.READY, *FileState),
    size=st.sampled_from((100, 1000, 10_000)),
    duration_s=st.sampled_from((None, 60.0, 3600.0, 40_000.0)),
    box=st.sampled_from(
        (
            Box(10, 10, 0.2, 60, 60, 60),
            Box(-3, 10, 0.2, 110, 60, 60),
            Box(10, 10, 0.2, 200, 200, 60),
            Box(-50, -50, 0.2, 50, 50, 60),
            None,
        )
    ),
    tools=st.sampled_from((frozenset(), frozenset({0}), frozenset({0}), frozenset({0, 1}))),
    filament_g=st.sampled_from(((), ((0, 50.0),), ((0, 5.0), (1, 50.0)))),
    max_nozzle_c=st.sampled_from((None, 215.0, 260.0)),
    max_bed_c=st.sampled_from((None, 60.0, 100.0)),
)

REQUIREMENTS = st.builds(
    Requirements,
    materials=needs(),
    nozzle_mm=mostly(None, 0.4, 0.6),
    build_volume=mostly(None, SMALL, LARGE),
    printer_model=mostly(None, "MK4", "Voron"),
    printers=mostly(frozenset(), frozenset({"printer-1"}), frozenset({"printer-2", "gone"})),
    group=NAMES,
    tags_all=mostly(frozenset(), frozenset({"x"}), frozenset({"Y", "z"})),
    tags_none=mostly(frozenset(), frozenset({"y"}), frozenset({"Z"})),
    plate=NAMES,
)

AGES = st.sampled_from([timedelta(hours=hours) for hours in (0, 1, 11, 12, 13, 30, 200)])


@st.composite
def jobs(draw: st.DrawFn, number: int) -> JobFacts:
    demanding = draw(st.booleans())
    return JobFacts(
        id=f"job-{number}",
        number=number,
        file=draw(FILES) if demanding else job().file,
        priority=draw(st.sampled_from(Priority)),
        due=draw(st.sampled_from((None, NOW - HOUR, NOW + HOUR, NOW + 30 * HOUR))),
        hold=draw(SELDOM),
        requirements=draw(REQUIREMENTS) if demanding else Requirements(),
        last_start=draw(st.one_of(st.none(), AGES.map(lambda age: NOW - age))),
    )


@st.composite
def queued_prints(draw: st.DrawFn, of: JobFacts, copy: int, rank: float | None) -> QueuedPrint:
    failed = draw(mostly(None, NOW, NOW - timedelta(minutes=14), NOW - HOUR))
    return QueuedPrint(
        id=f"{of.id}-copy-{copy}",
        job=of,
        copy=copy,
        queued_at=NOW - draw(AGES),
        rank=rank,
        assigned_to=draw(mostly(None, "printer-1", "printer-2", "retired")),
        confirmed=draw(st.booleans()),
        not_before=draw(mostly(None, NOW - HOUR, NOW + HOUR)),
        failed_on=frozenset() if failed is None else draw(st.sampled_from(FAILED_ON)),
        failed_at=failed,
    )


FAILED_ON = (frozenset({"printer-1"}), frozenset({"printer-1", "printer-2", "retired"}))


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Queue, list[Printer]]:
    """A queue and a fleet; half of the fleets are ready to the last printer."""
    size = draw(st.integers(1, 5))
    if draw(st.booleans()):
        fleet = [printer(n, starts=draw(st.integers(0, 4))) for n in range(1, size + 1)]
    else:
        fleet = [draw(printers(number=n)) for n in range(1, size + 1)]
    found: list[QueuedPrint] = []
    for number in range(1, draw(st.integers(1, 4)) + 1):
        of = draw(jobs(number=number))
        copies = draw(st.integers(1, 3))
        rank = draw(st.sampled_from((None, None, float(number), -float(number))))
        found += [draw(queued_prints(of, copy, rank)) for copy in range(1, copies + 1)]
    shuffled = draw(st.permutations(found))
    return Queue(tuple(shuffled), stopped=draw(SELDOM)), fleet
