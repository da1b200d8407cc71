"""What requests say of printers, and how it becomes the fleet's values and back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

from pydantic import AfterValidator, Field, Strict

from buildplate.api.schemas import (
    Body,
    Celsius,
    Grams,
    Length,
    OwedBody,
    Reference,
    Tool,
    Version,
    VolumeBody,
    Word,
    Words,
    checked,
    visible,
)
from buildplate.core.materials import LoadedMaterial
from buildplate.core.printers import (
    BedClearing,
    BedPolicy,
    FloorPosition,
    Origin,
    PrinterModel,
    PrinterSpec,
    StartPolicy,
    Volume,
)
from buildplate.fleet.errors import InvalidPrinter

Nozzles = Annotated[list[Length], Field(max_length=64)]
Connection = Annotated[
    dict[str, Any], Field(max_length=50, description="as the driver's form says")
]
ModelName = Annotated[str, Field(max_length=200), AfterValidator(visible)]
_Lax = Strict(strict=False)


class ModelBody(Body):
    """What the machine is able to do; None is unknown."""

    name: ModelName = ""
    build_volume: VolumeBody | None = None
    nozzles_mm: Nozzles = Field(default_factory=list)
    max_nozzle_c: Celsius | None = None
    max_bed_c: Celsius | None = None
    kinematics: Word = "cartesian"
    origin: Annotated[Origin, _Lax] | None = None


class LoadedBody(Body):
    """What one tool holds."""

    tool: Tool
    type: Word
    color: Word | None = None
    variant: Word | None = None
    remaining_g: Grams | None = None


class BedPolicyBody(Body):
    """How the bed gets clear after a print."""

    clear: Annotated[BedClearing, _Lax] = BedClearing.MANUAL
    macro: Word | None = None


FloorId = Annotated[str, Field(pattern=r"^[0-9a-f-]{36}$", description="the floor's id")]
OnFloor = Annotated[float, Field(ge=0, le=1e5, description="mm")]
Turn = Annotated[float, Field(ge=0, lt=360, description="degrees, clockwise")]


class FloorPositionBody(Body):
    """Where a printer stands: its middle, in mm from the left and from the top of the plan.

    `rotation` 0: its front faces the plan's lower edge.
    """

    floor: FloorId
    x: OnFloor
    y: OnFloor
    rotation: Turn = 0.0


class PrinterBody(Body):
    """A printer as people describe it."""

    name: Word
    driver: Word
    connection: Connection = Field(default_factory=dict)
    model: ModelBody = Field(default_factory=ModelBody)
    plate: Word | None = None
    materials: Annotated[list[LoadedBody], Field(max_length=256)] = Field(default_factory=list)
    tags: Words = Field(default_factory=list)
    location: Word | None = None
    group: Word | None = None
    floor_position: FloorPositionBody | None = None
    enabled: bool = True
    bed_policy: BedPolicyBody = Field(default_factory=BedPolicyBody)
    start_policy: Annotated[StartPolicy, _Lax] = StartPolicy.AUTOMATIC


class ModelPatch(Body):
    """A change of what the machine is able to do."""

    name: ModelName | None = None
    build_volume: VolumeBody | None = None
    nozzles_mm: Nozzles | None = None
    max_nozzle_c: Celsius | None = None
    max_bed_c: Celsius | None = None
    kinematics: Word | None = None
    origin: Annotated[Origin, _Lax] | None = None


class BedPolicyPatch(Body):
    """A change of how the bed gets clear."""

    clear: Annotated[BedClearing, _Lax] | None = None
    macro: Word | None = None


class FloorPositionPatch(Body):
    """A change of where a printer stands."""

    floor: FloorId | None = None
    x: OnFloor | None = None
    y: OnFloor | None = None
    rotation: Turn | None = None


class PrinterPatch(Body):
    """A merge patch (RFC 7396): what is left out stays, null takes it back to its default.

    A secret of the connection that is left out, or sent back as `{"set": true}`, stays.
    """

    name: Word | None = None
    connection: Connection | None = None
    model: ModelPatch | None = None
    plate: Word | None = None
    materials: Annotated[list[LoadedBody], Field(max_length=256)] | None = None
    tags: Words | None = None
    location: Word | None = None
    group: Word | None = None
    floor_position: FloorPositionPatch | None = None
    enabled: bool | None = None
    bed_policy: BedPolicyPatch | None = None
    start_policy: Annotated[StartPolicy, _Lax] | None = None


class ProbeBody(Body):
    """A connection to try before it is saved.

    With `printer_id` it is one that the printer is to have: secrets left out, or sent back as
    `{"set": true}`, are the stored ones, as long as it leads to where they are sent already.
    """

    driver: Word
    connection: Connection = Field(default_factory=dict)
    printer_id: Reference | None = None


class ClearBedBody(Body):
    """Which bed was seen: its version is read with the printer, so the click names the part."""

    bed_version: Version


class SeenBed(Body):
    """One bed that a person has seen clear."""

    printer_id: Reference
    bed_version: Version


class ClearBedsBody(Body):
    """Many beds that a person has seen clear."""

    beds: Annotated[list[SeenBed], Field(min_length=1, max_length=1000)]


class MaintenanceBody(Body):
    """Whether the printer is taken out of the farm's work for a while."""

    on: bool


class AssignBody(OwedBody):
    """The print, or the job whose next print, shall go to this printer."""

    print_id: Reference | None = None
    job_id: Reference | None = None


_LIKE_A_REFERENCE = re.compile(r"\d+|[0-9a-f-]{36}")


def check_name(name: str) -> None:
    """Refuse a name that would be taken for a number or an id; InvalidPrinter."""
    if _LIKE_A_REFERENCE.fullmatch(name.strip().lower()):
        message = f"the name {name.strip()} would be taken for a printer's number or id"
        raise InvalidPrinter(message, "Choose a name with a letter in it, as in Left or MK4-3.")


def spec_from(body: PrinterBody, *, maintenance: bool = False) -> PrinterSpec:
    """The description in the fleet's words; id and number are the fleet's to give."""
    model = body.model
    volume = model.build_volume
    place = body.floor_position
    return PrinterSpec(
        id="",
        number=0,
        name=body.name.strip(),
        model=PrinterModel(
            name=model.name,
            build_volume=None if volume is None else Volume(volume.x, volume.y, volume.z),
            nozzles_mm=tuple(model.nozzles_mm),
            max_nozzle_c=model.max_nozzle_c,
            max_bed_c=model.max_bed_c,
            kinematics=model.kinematics,
            origin=model.origin,
        ),
        plate=body.plate,
        materials=tuple(LoadedMaterial(**one.model_dump()) for one in body.materials),
        tags=frozenset(body.tags),
        location=body.location,
        group=body.group,
        floor_position=None if place is None else FloorPosition(**place.model_dump()),
        enabled=body.enabled,
        maintenance=maintenance,
        bed_policy=BedPolicy(body.bed_policy.clear, body.bed_policy.macro),
        start_policy=body.start_policy,
    )


def description(spec: PrinterSpec, driver: str, connection: Mapping[str, Any]) -> dict[str, Any]:
    """A printer's description as plain values, in the shape of `PrinterBody`."""
    return {
        "name": spec.name,
        "driver": driver,
        "connection": dict(connection),
        "model": model_view(spec.model),
        "plate": spec.plate,
        "materials": [material_view(material) for material in spec.materials],
        "tags": sorted(spec.tags),
        "location": spec.location,
        "group": spec.group,
        "floor_position": None if spec.floor_position is None else asdict(spec.floor_position),
        "enabled": spec.enabled,
        "bed_policy": {"clear": spec.bed_policy.clear.value, "macro": spec.bed_policy.macro},
        "start_policy": spec.start_policy.value,
    }


def model_view(model: PrinterModel) -> dict[str, Any]:
    """What the machine is able to do, as plain values."""
    volume = model.build_volume
    return {
        "name": model.name,
        "build_volume": None if volume is None else {"x": volume.x, "y": volume.y, "z": volume.z},
        "nozzles_mm": list(model.nozzles_mm),
        "max_nozzle_c": model.max_nozzle_c,
        "max_bed_c": model.max_bed_c,
        "kinematics": model.kinematics,
        "origin": None if model.origin is None else model.origin.value,
    }


def material_view(material: LoadedMaterial) -> dict[str, Any]:
    """What one tool holds, as plain values."""
    return {
        "tool": material.tool,
        "type": material.type,
        "color": material.color,
        "variant": material.variant,
        "remaining_g": material.remaining_g,
    }


def merged(current: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """A merge patch (RFC 7396) applied to plain values."""
    result = dict(current)
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        elif isinstance(value, Mapping) and isinstance(result.get(name), Mapping):
            result[name] = merged(result[name], value)
        else:
            result[name] = value
    return result


KEPT_SECRET = {"set": True}


def without_kept(connection: Mapping[str, Any]) -> dict[str, Any]:
    """A connection as sent, without the signs that stand for secrets."""
    return {name: value for name, value in connection.items() if value != KEPT_SECRET}


def patched(
    spec: PrinterSpec, driver: str, connection: Mapping[str, Any], patch: PrinterPatch
) -> PrinterBody:
    """The printer's description after the patch."""
    change = patch.model_dump(exclude_unset=True, mode="json")
    if isinstance(change.get("connection"), dict):
        change["connection"] = without_kept(change["connection"])
    elif "connection" in change:
        del change["connection"]
    return checked(PrinterBody, merged(description(spec, driver, connection), change))
