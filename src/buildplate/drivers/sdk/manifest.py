"""What a driver says of itself: its name, its connection form and what it can do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from buildplate.drivers.sdk.finding import Finds

if TYPE_CHECKING:
    from buildplate.drivers.sdk.contract import Driver
    from buildplate.drivers.sdk.timing import DriverTimings


class Capability(StrEnum):
    """What a printer family offers through its driver; the service asks before it offers it."""

    PAUSE = "pause"
    BARRIER = "barrier"
    FETCH_BACK = "fetch_back"
    TEMPERATURES = "temperatures"
    PUSH = "push"
    HOME = "home"
    JOG = "jog"
    EXTRUDE = "extrude"
    HEAT = "heat"
    FAN = "fan"
    PACE = "pace"
    MACRO = "macro"
    EXCLUDE_OBJECT = "exclude_object"
    SHIFT_Z = "shift_z"
    GCODE = "gcode"
    POWER = "power"
    EMERGENCY_STOP = "emergency_stop"
    CONSOLE = "console"
    EQUIPMENT = "equipment"


@dataclass(frozen=True, slots=True)
class Manifest:
    """One driver: identity, the JSON Schema of its connection settings, capabilities, factory.

    `secrets` names the connection fields that are never answered, logged or shown again. `make`
    builds a driver for one printer from checked connection settings (BadConnectionSettings when
    they don't fit). `one_upload_per_host` holds where concurrent uploads can mix,
    `streams` where a print lives and dies with the process that drives it. `finds` is what
    the driver looks for in the network and among serial ports when somebody asks what is there.
    """

    name: str
    title: str
    description: str
    connection_schema: Mapping[str, Any]
    make: Callable[[Mapping[str, Any], DriverTimings], Driver]
    capabilities: frozenset[Capability] = field(default_factory=frozenset)
    secrets: frozenset[str] = field(default_factory=frozenset)
    one_upload_per_host: bool = False
    streams: bool = False
    finds: Finds = field(default_factory=Finds)
