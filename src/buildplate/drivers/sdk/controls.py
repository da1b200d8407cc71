"""What a person may tell a printer directly, as values: checked before any driver sees them.

A driver that lists the capability of an order carries it out through `Driver.control`; every other
order it never gets. Lengths are mm, speeds mm/s, temperatures °C, shares 0-1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from buildplate.drivers.sdk.manifest import Capability


@dataclass(frozen=True, slots=True)
class Home:
    """Send these axes (`x`, `y`, `z`) to their end stops; none named is all of them."""

    axes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Jog:
    """Move the head by so much along each named axis, at `speed`; None is the driver's choice."""

    by: Mapping[str, float]
    speed: float | None = None


@dataclass(frozen=True, slots=True)
class Extrude:
    """Push `length` of filament through a tool; a negative length pulls it back."""

    length: float
    speed: float | None = None
    tool: int = 0


@dataclass(frozen=True, slots=True)
class Heat:
    """Set a heater's target: `tool0`, `tool1`, ..., `bed`, `chamber`; 0 switches it off."""

    heater: str
    target: float


@dataclass(frozen=True, slots=True)
class Fan:
    """Set a fan's share of its full speed; `part` is the one that cools the part."""

    speed: float
    name: str = "part"


@dataclass(frozen=True, slots=True)
class Pace:
    """Set the share of the file's own speed (`speed`) and flow (`flow`); 1 is as in the file."""

    speed: float | None = None
    flow: float | None = None


@dataclass(frozen=True, slots=True)
class Macro:
    """Run one of the host's own macros with these parameters."""

    name: str
    params: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class ExcludeObject:
    """Leave one object out of the rest of the running print."""

    name: str


@dataclass(frozen=True, slots=True)
class ShiftZ:
    """Raise the nozzle by so much for all moves to come (negative lowers it)."""

    by: float


@dataclass(frozen=True, slots=True)
class Gcode:
    """Lines of G-code as a person typed them, already held against what is allowed."""

    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Power:
    """Switch one of the host's power devices.

    Accepted once the host, asked afterwards, says that the device is so; Refused only where nothing
    was switched, and nothing will be.
    """

    device: str
    on: bool


@dataclass(frozen=True, slots=True)
class EmergencyStop:
    """Stop everything at once: heaters off, motors off. Goes first, whatever is in flight."""


Control = (
    Home
    | Jog
    | Extrude
    | Heat
    | Fan
    | Pace
    | Macro
    | ExcludeObject
    | ShiftZ
    | Gcode
    | Power
    | EmergencyStop
)

CAPABILITY_OF: Mapping[type[Control], Capability] = MappingProxyType(
    {
        Home: Capability.HOME,
        Jog: Capability.JOG,
        Extrude: Capability.EXTRUDE,
        Heat: Capability.HEAT,
        Fan: Capability.FAN,
        Pace: Capability.PACE,
        Macro: Capability.MACRO,
        ExcludeObject: Capability.EXCLUDE_OBJECT,
        ShiftZ: Capability.SHIFT_Z,
        Gcode: Capability.GCODE,
        Power: Capability.POWER,
        EmergencyStop: Capability.EMERGENCY_STOP,
    }
)
"""What a driver has to offer for each order."""
