"""What OctoPrint is told for each order of a person: pure, one request or two for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from buildplate.drivers.sdk import (
    Capability,
    Control,
    EmergencyStop,
    Extrude,
    Fan,
    Gcode,
    Heat,
    Home,
    Jog,
    Pace,
)

AXES = ("x", "y", "z")
FULL_FAN = 255
OFFERED = frozenset(
    {
        Capability.HOME,
        Capability.JOG,
        Capability.EXTRUDE,
        Capability.HEAT,
        Capability.FAN,
        Capability.PACE,
        Capability.GCODE,
        Capability.EMERGENCY_STOP,
    }
)
"""OctoPrint itself knows no macros and no objects, and not whether a firmware can shift Z."""


@dataclass(frozen=True, slots=True)
class Wish:
    """One request of the REST interface: where to, and its body."""

    path: str
    body: Mapping[str, Any]


def wishes(order: Control, *, several_tools: bool) -> tuple[Wish, ...]:
    """The requests of an order, in their order; none for one that this driver does not offer.

    `several_tools`: the tool has to be chosen before filament is pushed. Speeds are mm/min there,
    factors percent.
    """
    match order:
        case Home(axes):
            return (_head({"command": "home", "axes": list(axes or AXES)}),)
        case Jog(by, speed):
            return (_head({"command": "jog", **by, "absolute": False, **_per_minute(speed)}),)
        case Extrude(length, speed, tool):
            choose = _tool({"command": "select", "tool": f"tool{tool}"})
            push = _tool({"command": "extrude", "amount": length, **_per_minute(speed)})
            return (choose, push) if several_tools else (push,)
        case Heat("bed" | "chamber" as heater, target):
            return (Wish(f"api/printer/{heater}", {"command": "target", "target": target}),)
        case Heat(heater, target):
            return (_tool({"command": "target", "targets": {heater: target}}),)
        case Fan(speed, "part"):
            return (_code(f"M106 S{round(speed * FULL_FAN)}" if speed > 0 else "M107"),)
        case Pace():
            return _pace(order)
        case Gcode(lines):
            return (_code(*lines),)
        case EmergencyStop():
            return (_code("M112"),)
        case _:
            return ()


def _pace(order: Pace) -> tuple[Wish, ...]:
    found = []
    if order.speed is not None:
        found.append(_head({"command": "feedrate", "factor": round(order.speed * 100)}))
    if order.flow is not None:
        found.append(_tool({"command": "flowrate", "factor": round(order.flow * 100)}))
    return tuple(found)


def _head(body: Mapping[str, Any]) -> Wish:
    return Wish("api/printer/printhead", body)


def _tool(body: Mapping[str, Any]) -> Wish:
    return Wish("api/printer/tool", body)


def _code(*lines: str) -> Wish:
    return Wish("api/printer/command", {"commands": list(lines)})


def _per_minute(speed: float | None) -> dict[str, float]:
    return {} if speed is None else {"speed": speed * 60}
