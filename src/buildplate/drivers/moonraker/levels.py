"""Which of Klippy's objects are listened to, and what they say of a machine at work."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import islice
from types import MappingProxyType
from typing import Any, NamedTuple

from buildplate.drivers.moonraker.answers import number, numbers, text
from buildplate.drivers.sdk import Levels, Temperature

OBJECTS_LIMIT = 96
"""Objects of one machine that are listened to."""

NAME_LIMIT, COUNT_LIMIT = 60, 1_000_000
NAMES_KEPT, KINDS_KEPT = 4096, 256
"""Names of objects whose fields need not be looked up again, and kinds of machines."""

FIELDS_MOST = 8
"""Fields of one object that are looked at one by one: more is not what was subscribed to."""

HEATS, BLOWS = ("temperature", "target"), ("speed",)

ALWAYS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "webhooks": ("state", "state_message"),
        "print_stats": (
            "state",
            "filename",
            "total_duration",
            "print_duration",
            "message",
            "info",
        ),
        "virtual_sdcard": ("progress", "is_active"),
        "idle_timeout": ("state",),
        "pause_resume": ("is_paused",),
        "toolhead": ("homed_axes", "extruder", "axis_minimum", "axis_maximum"),
        "gcode_move": ("gcode_position", "speed_factor", "extrude_factor", "homing_origin"),
        "exclude_object": ("current_object", "excluded_objects"),
        "fan": BLOWS,
    }
)
"""Objects that a machine has once, with the fields that are read of them."""

BY_KIND: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "heater_generic": HEATS,
        "temperature_sensor": HEATS,
        "temperature_fan": HEATS,
        "fan_generic": BLOWS,
        "heater_fan": BLOWS,
        "controller_fan": BLOWS,
    }
)
"""Objects that carry a name of their own after their kind."""

PLANNER = ("print_time", "estimated_print_time")
"""Fields of the tool head that say whether it moves, where there is no `idle_timeout`."""

_AXES = ("x", "y", "z")
_MOVED = (*_AXES, "e")
_FLOATS = frozenset({float})
_made = tuple.__new__
"""Makes a named tuple of all its values, without the call that names would cost."""


def fields_of(name: str) -> tuple[str, ...]:
    """The fields of an object that are read; none where it is not listened to."""
    return known_fields_of(name) if len(name) <= NAME_LIMIT else ()


@lru_cache(NAMES_KEPT)
def known_fields_of(name: str) -> tuple[str, ...]:
    """The same of a name that is not too long to be remembered."""
    if (fields := ALWAYS.get(name)) is not None:
        return (*fields, *PLANNER) if name == "toolhead" else fields
    if name == "heater_bed" or is_extruder(name):
        return HEATS
    kind, _, own = name.partition(" ")
    return BY_KIND.get(kind, ()) if own else ()


def is_extruder(name: str) -> bool:
    """Whether an object is a hot end: `extruder`, `extruder1`, and so on."""
    return (name.startswith("extruder") and name[len("extruder") :].isdigit()) or name == "extruder"


def subscription(objects: Iterable[str]) -> dict[str, list[str]]:
    """What to listen to, of what the machine has; the planner's times only where they are needed.

    They change all the time, and would be told four times a second.
    """
    found = sorted(name for name in objects if fields_of(name) and len(name) <= NAME_LIMIT)
    first = [name for name in found if name in ALWAYS]
    others = [name for name in found if name not in ALWAYS]
    chosen = (first + others)[:OBJECTS_LIMIT]
    planner = "idle_timeout" not in chosen
    return {
        name: [field for field in fields_of(name) if planner or field not in PLANNER]
        for name in chosen
    }


def names_of(objects: Iterable[str]) -> Mapping[str, str]:
    """What people call each heater, sensor and fan, by the name of Klippy's object.

    Two objects that would get one name keep their kind in it, all but the heater. Machines of one
    kind share the answer.
    """
    return _names_of(frozenset(islice(objects, OBJECTS_LIMIT)))


@lru_cache(KINDS_KEPT)
def _names_of(objects: frozenset[str]) -> Mapping[str, str]:
    named: dict[str, str] = {}
    taken: set[str] = set()
    for name in sorted(objects, key=_heaters_first):
        short = _short(name)
        called = name if short in taken else short
        taken.add(called)
        named[name] = called
    return MappingProxyType(named)


def _heaters_first(name: str) -> tuple[int, str]:
    heats = name == "heater_bed" or is_extruder(name) or name.startswith("heater_generic ")
    return (0 if heats else 1), name


def _short(name: str) -> str:
    if is_extruder(name):
        return f"tool{name[len('extruder') :] or '0'}"
    fixed = {"heater_bed": "bed", "fan": "part"}
    return fixed.get(name) or name.partition(" ")[2] or name


def temperatures(
    found: Mapping[str, Mapping[str, Any]], names: Mapping[str, str], of: Iterable[str]
) -> dict[str, Temperature]:
    """These heaters and sensors of a machine (°C), by the names that people know."""
    told: dict[str, Temperature] = {}
    for name in of:
        fields = found.get(name, {})
        actual, target = fields.get("temperature"), fields.get("target")
        if type(actual) is float and type(target) is float:  # nearly always
            told[names.get(name, name)] = _made(Temperature, (actual, target))
        elif (known := number(actual)) is not None:
            told[names.get(name, name)] = Temperature(known, number(target))
    return told


class Still(NamedTuple):
    """The levels that change rarely while a machine prints: all of `Levels` but its position."""

    homed: str | None
    fans: Mapping[str, float]
    speed: float | None
    flow: float | None
    z_offset: float | None
    layer: int | None
    layers: int | None


STILL = Still(None, MappingProxyType({}), None, None, None, None, None)


def read_still(found: Mapping[str, Mapping[str, Any]], names: Mapping[str, str]) -> Still:
    """What the tool head, the fans, the factors and the layers say."""
    homed, move = found.get("toolhead", {}).get("homed_axes"), found.get("gcode_move", {})
    layer, layers = _layers(found.get("print_stats", {}).get("info"))
    shift = numbers(move.get("homing_origin"), 3)
    return Still(
        homed=_homed(homed) if isinstance(homed, str) else None,
        fans=_fans(found, names),
        speed=number(move.get("speed_factor")),
        flow=number(move.get("extrude_factor")),
        z_offset=shift[2] if shift else None,
        layer=layer,
        layers=layers,
    )


def read_levels(found: Mapping[str, Mapping[str, Any]], still: Still) -> Levels:
    """What changes while the machine works."""
    said = found.get("gcode_move", {}).get("gcode_position")
    if type(said) is list and len(said) == len(_MOVED) and _FLOATS.issuperset(map(type, said)):
        x, y, z, _ = said  # nearly always
        return _made(Levels, ({"x": x, "y": y, "z": z}, *still))
    at = numbers(said, 3)
    return Levels({"x": at[0], "y": at[1], "z": at[2]} if at else {}, *still)


@lru_cache(NAMES_KEPT)
def _homed(said: str) -> str:
    return "".join(axis for axis in _AXES if axis in said)


def _fans(found: Mapping[str, Mapping[str, Any]], names: Mapping[str, str]) -> dict[str, float]:
    return {
        names.get(name, name): min(max(speed, 0.0), 1.0)
        for name, fields in found.items()
        if known_fields_of(name) is BLOWS and (speed := number(fields.get("speed"))) is not None
    }


def _layers(info: object) -> tuple[int | None, int | None]:
    """The layer that prints and how many there are, where the slicer's G-code tells Klipper."""
    said = info if isinstance(info, dict) else {}
    return _count(said.get("current_layer")), _count(said.get("total_layer"))


def _count(value: object) -> int | None:
    return value if type(value) is int and 0 <= value <= COUNT_LIMIT else None


def heater_of(called: str, names: Mapping[str, str]) -> str | None:
    """Klippy's object that people call so, where it is a heater."""
    for name, short in names.items():
        if called == short and _heaters_first(name)[0] == 0:
            return name
    return None


def fan_of(called: str, names: Mapping[str, str]) -> str | None:
    """Klippy's object that people call so, where it is a fan whose speed can be set."""
    for name, short in names.items():
        if called == short and (name == "fan" or name.startswith("fan_generic ")):
            return name
    return None


def homed_of(found: Mapping[str, Mapping[str, Any]]) -> str:
    """The axes that know where they are; "" where the machine does not say."""
    return text(found.get("toolhead", {}).get("homed_axes"))
