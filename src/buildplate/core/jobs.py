"""Describe what was ordered: the print file, the job with its requirements, and a waiting print."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from buildplate.core.materials import MaterialNeed
    from buildplate.core.printers import Volume


class Priority(StrEnum):
    """How much a job matters; a higher class goes first, ageing aside (see core/order.py)."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    URGENT = "urgent"

    @property
    def level(self) -> int:
        """0 for low to 3 for urgent."""
        return _LEVELS[self]


_LEVELS = {priority: level for level, priority in enumerate(Priority)}


class FileState(StrEnum):
    """Whether a print file can be sent: here, still arriving or being read, or gone."""

    READY = "ready"
    PREPARING = "preparing"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Box:
    """The space the extruding moves of a file run through, in mm, in the printer's coordinates."""

    min_x: float
    min_y: float
    min_z: float
    max_x: float
    max_y: float
    max_z: float


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What planning needs of a print file's analysis; None and empty mean unknown.

    Sizes in bytes, `duration_s` in seconds, temperatures in °C, `filament_g` in grams per tool.
    """

    id: str
    state: FileState = FileState.READY
    size: int = 0
    duration_s: float | None = None
    box: Box | None = None
    tools: frozenset[int] = frozenset()
    filament_g: tuple[tuple[int, float], ...] = ()
    max_nozzle_c: float | None = None
    max_bed_c: float | None = None


@dataclass(frozen=True, slots=True)
class Requirements:
    """What a job asks of a printer; a field left empty or None accepts any.

    `nozzle_mm` and `build_volume` in mm; `printers` are the ids of the only printers allowed.
    """

    materials: tuple[MaterialNeed, ...] = ()
    nozzle_mm: float | None = None
    build_volume: Volume | None = None
    printer_model: str | None = None
    printers: frozenset[str] = frozenset()
    group: str | None = None
    tags_all: frozenset[str] = frozenset()
    tags_none: frozenset[str] = frozenset()
    plate: str | None = None


@dataclass(frozen=True, slots=True)
class JobFacts:
    """What planning needs of a job.

    `last_start` is when any print of the job was last started; ageing counts from there.
    """

    id: str
    number: int
    file: FileFacts
    priority: Priority = Priority.NORMAL
    due: datetime | None = None
    hold: bool = False
    requirements: Requirements = field(default_factory=Requirements)
    last_start: datetime | None = None


@dataclass(frozen=True, slots=True)
class QueuedPrint:
    """A print in state `queued`.

    `queued_at` is when its copy first came to wait: a replacement keeps its predecessor's, so that
    a failure costs no place in the queue. `rank` is a person's explicit order, smallest first,
    within a priority class. `not_before` is the end of a retry's back-off. `failed_on` are the
    printers on which this copy did not succeed, `failed_at` the last such time. `assigned_to` is
    the only printer that may have it, by a person's word: it overrides the job's own list, and
    puts the print ahead of all others of its class.
    """

    id: str
    job: JobFacts
    copy: int
    queued_at: datetime
    rank: float | None = None
    assigned_to: str | None = None
    confirmed: bool = False
    not_before: datetime | None = None
    failed_on: frozenset[str] = frozenset()
    failed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Queue:
    """All queued prints of the farm, and whether a person (or a restore) has stopped it."""

    prints: tuple[QueuedPrint, ...]
    stopped: bool = False
