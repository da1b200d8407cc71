"""Describe a printer as values: what it is, what it is doing, whether it may be given a print."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from buildplate.core.materials import LoadedMaterial


class Link(StrEnum):
    """How well we are connected to a printer's host."""

    CONNECTING = "connecting"
    SYNCING = "syncing"
    ONLINE = "online"
    DEGRADED = "degraded"
    OFFLINE = "offline"
    AUTH_REQUIRED = "auth_required"
    DISABLED = "disabled"


class Activity(StrEnum):
    """What the machine itself was last seen doing; `unknown` is never taken for `idle`."""

    IDLE = "idle"
    OURS = "ours"
    FOREIGN = "foreign"
    PAUSED = "paused"
    BUSY = "busy"
    HALTED = "halted"
    UNKNOWN = "unknown"


class Bed(StrEnum):
    """Whether something lies on the bed; only `clear` may be printed on."""

    CLEAR = "clear"
    OCCUPIED = "occupied"
    UNKNOWN = "unknown"


class Origin(StrEnum):
    """Where x = 0, y = 0 lies on the bed: at its front left corner, or in its middle."""

    CORNER = "corner"
    CENTRE = "centre"


class BedClearing(StrEnum):
    """Who clears a bed after a print: a person, nobody (it clears itself), or a macro."""

    MANUAL = "manual"
    AUTOMATIC = "automatic"
    MACRO = "macro"


class StartPolicy(StrEnum):
    """Whether a print may start by itself or waits for a person's word."""

    AUTOMATIC = "automatic"
    CONFIRM = "confirm"


@dataclass(frozen=True, slots=True)
class BedPolicy:
    """How the bed gets clear after a print; `macro` names the routine where one does it."""

    clear: BedClearing = BedClearing.MANUAL
    macro: str | None = None


@dataclass(frozen=True, slots=True)
class Volume:
    """A size in mm along the printer's axes."""

    x: float
    y: float
    z: float


@dataclass(frozen=True, slots=True)
class PrinterModel:
    """What the machine is able to do: lengths in mm, temperatures in °C, None where unknown.

    `nozzles_mm` holds one diameter per hot end; tools that share one hot end share its only entry.
    """

    name: str
    build_volume: Volume | None = None
    nozzles_mm: tuple[float, ...] = ()
    max_nozzle_c: float | None = None
    max_bed_c: float | None = None
    kinematics: str = "cartesian"
    origin: Origin | None = None
    """None stands for what is usual: the middle on a delta, the corner on anything else."""

    @property
    def centred(self) -> bool:
        """Whether x and y count from the middle of the bed."""
        if self.origin is None:
            return self.kinematics.casefold() == "delta"
        return self.origin is Origin.CENTRE


@dataclass(frozen=True, slots=True)
class FloorPosition:
    """Where a printer stands: its middle, in mm from the left and from the top of the floor's plan.

    `floor` is the floor's id; `rotation` turns the printer clockwise, in degrees from 0 up to 360.
    At 0 its front faces the plan's lower edge.
    """

    floor: str
    x: float
    y: float
    rotation: float = 0.0


@dataclass(frozen=True, slots=True)
class PrinterSpec:
    """A printer as its people described it."""

    id: str
    number: int
    name: str
    model: PrinterModel
    plate: str | None = None
    materials: tuple[LoadedMaterial, ...] = ()
    tags: frozenset[str] = frozenset()
    location: str | None = None
    group: str | None = None
    floor_position: FloorPosition | None = None
    enabled: bool = True
    maintenance: bool = False
    bed_policy: BedPolicy = field(default_factory=BedPolicy)
    start_policy: StartPolicy = StartPolicy.AUTOMATIC
    can_print: bool = True
    """Whether its driver can take a file and start it; a printer that is only watched cannot."""


@dataclass(frozen=True, slots=True)
class PrinterStatus:
    """What is known of a printer at this moment.

    `starts` counts the prints started on it since the program began (a re-plan needs it to hand out
    turns fairly); `storage_free` is in bytes, `expected_free` when the running print should end;
    None is unknown. `seen`: it has answered at least once.
    """

    link: Link
    activity: Activity
    bed: Bed
    bed_version: int
    starts: int
    active_print_id: str | None = None
    needs_attention: bool = False
    unsettled_command: str | None = None
    node_alive: bool = True
    storage_free: int | None = None
    expected_free: datetime | None = None
    seen: bool = True
    powered: bool = True


@dataclass(frozen=True, slots=True)
class Printer:
    """A printer's description and its present state, as the planner sees them."""

    spec: PrinterSpec
    status: PrinterStatus

    @property
    def id(self) -> str:
        """The printer's id."""
        return self.spec.id


def is_ready(spec: PrinterSpec, status: PrinterStatus) -> bool:
    """Tell whether a print may be claimed for this printer now.

    Ready is: online, idle, bed clear, enabled, not in maintenance, no active print, no unsettled
    command, and the node that owns it is alive. Nothing unknown ever counts as ready.
    """
    return (
        status.link is Link.ONLINE
        and status.activity is Activity.IDLE
        and status.powered
        and status.bed is Bed.CLEAR
        and spec.enabled
        and not spec.maintenance
        and status.active_print_id is None
        and not status.needs_attention
        and status.unsettled_command is None
        and status.node_alive
    )


def is_in_service(spec: PrinterSpec, status: PrinterStatus) -> bool:
    """Tell whether a printer takes part in the farm's work, though it may be busy just now.

    It is when it is seen working and only its present print or its bed stands in the way.
    """
    return (
        status.link is Link.ONLINE
        and status.activity not in {Activity.HALTED, Activity.UNKNOWN}
        and status.powered
        and spec.enabled
        and not spec.maintenance
        and not status.needs_attention
        and status.node_alive
    )
