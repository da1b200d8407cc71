"""What a Klipper printer offers beside printing, read out of what its Moonraker says."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import islice
from typing import Any

from buildplate.drivers.moonraker.answers import items, number, numbers, text
from buildplate.drivers.sdk import (
    BedMesh,
    CameraAddress,
    PowerDevice,
    PrintObject,
    Suggestion,
)

MACROS_LIMIT, OBJECTS_LIMIT, CAMERAS_LIMIT, POWER_LIMIT, HELP_LIMIT = 500, 500, 32, 64, 1000
CORNERS_LIMIT, ROWS_LIMIT = 200, 200
ASKED: Mapping[str, list[str]] = {
    "exclude_object": ["objects", "excluded_objects", "current_object"],
    "bed_mesh": ["profile_name", "mesh_min", "mesh_max", "probed_matrix", "mesh_matrix"],
}
"""Klippy's objects that are asked for when a person opens the panel."""

_MACRO = "gcode_macro "


def read_macros(objects: Collection[str], *, hidden: bool = False) -> tuple[str, ...]:
    """The macros that are meant for people: by custom those that begin with `_` are hidden."""
    names = (name.removeprefix(_MACRO) for name in objects if name.startswith(_MACRO))
    shown = (name for name in names if hidden or not name.startswith("_"))
    return tuple(sorted(shown))[:MACROS_LIMIT]


def read_parts(found: Mapping[str, Any]) -> tuple[PrintObject, ...]:
    """The objects of the running print, with their outlines (mm)."""
    said = found.get("exclude_object")
    said = said if isinstance(said, dict) else {}
    left_out, current = said.get("excluded_objects"), said.get("current_object")
    excluded = {text(name) for name in left_out} if isinstance(left_out, list) else set()
    return tuple(
        PrintObject(name, name in excluded, name == current, _outline(entry.get("polygon")))
        for entry in items(said.get("objects"), OBJECTS_LIMIT)
        if (name := text(entry.get("name"), 200))
    )


def _outline(polygon: object) -> tuple[tuple[float, float], ...]:
    corners = polygon if isinstance(polygon, list) else []
    found = (numbers(corner, 2) for corner in islice(corners, CORNERS_LIMIT))
    return tuple((corner[0], corner[1]) for corner in found if corner is not None)


def read_mesh(found: Mapping[str, Any]) -> BedMesh | None:
    """The bed's heights (mm) as measured; None where none is loaded."""
    said = found.get("bed_mesh")
    said = said if isinstance(said, dict) else {}
    least, most = numbers(said.get("mesh_min"), 2), numbers(said.get("mesh_max"), 2)
    rows = said.get("probed_matrix") or said.get("mesh_matrix")
    rows = rows if isinstance(rows, list) else []
    heights = [numbers(row, 1) for row in islice(rows, ROWS_LIMIT)]
    known = [row for row in heights if row is not None]
    if least is None or most is None or not known or len(known) != len(heights):
        return None
    profile = text(said.get("profile_name"), 100)
    return BedMesh(profile, (least[0], least[1]), (most[0], most[1]), known)


def read_cameras(answer: object) -> tuple[CameraAddress, ...]:
    """The cameras that Moonraker knows and that are switched on."""
    said = answer.get("webcams") if isinstance(answer, dict) else None
    return tuple(
        CameraAddress(
            name=text(entry.get("name"), 100),
            stream=text(entry.get("stream_url")),
            snapshot=text(entry.get("snapshot_url")),
            rotation=int(number(entry.get("rotation")) or 0) % 360,
            flipped=entry.get("flip_vertical") is True,
            mirrored=entry.get("flip_horizontal") is True,
        )
        for entry in items(said, CAMERAS_LIMIT)
        if entry.get("enabled") is not False
    )


def read_power(answer: object) -> tuple[PowerDevice, ...]:
    """What Moonraker can switch."""
    said = answer.get("devices") if isinstance(answer, dict) else None
    return tuple(
        PowerDevice(
            name=text(entry.get("device"), 100),
            on={"on": True, "off": False}.get(text(entry.get("status"))),
            locked=entry.get("locked_while_printing") is True,
        )
        for entry in items(said, POWER_LIMIT)
    )


def read_suggestions(answer: object) -> tuple[Suggestion, ...]:
    """The commands that Klipper explains."""
    known = answer if isinstance(answer, dict) else {}
    return tuple(
        Suggestion(text(command, 100), text(said, 300))
        for command, said in islice(sorted(known.items()), HELP_LIMIT)
    )
