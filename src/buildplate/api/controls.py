"""The paths of a printer's panel: orders of people, its console, and what it has to offer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from pydantic import AwareDatetime, BaseModel, Field
from starlette.responses import Response

from buildplate.access.audit import noted_beside
from buildplate.access.model import Caller
from buildplate.api.answers import Json
from buildplate.api.control_schemas import (
    ExcludeObjectBody,
    ExtrudeBody,
    FanBody,
    GcodeBody,
    HomeBody,
    JogBody,
    MacroBody,
    OrderBody,
    PaceBody,
    PowerBody,
    ShiftZBody,
    TemperatureBody,
)
from buildplate.api.guard import LOOK, Operator
from buildplate.api.printers import in_service
from buildplate.api.prints import CommandAsked, asked, who_says
from buildplate.api.problems import Refusal
from buildplate.api.rooms import AllRooms, Rooms
from buildplate.api.schemas import InPath
from buildplate.api.web_files import matches
from buildplate.drivers.sdk import Equipment, HostFile, Speaker
from buildplate.fleet.console import KEPT_LINES, Line
from buildplate.fleet.pictures import tag_of

router = APIRouter(prefix="/api/v1", tags=["controls"], dependencies=[LOOK])

Key = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="the same key and order again answer the first command; others are 422",
    ),
]
Point = Annotated[list[float], Field(min_length=2, max_length=2, description="x and y, mm")]
ASKED: dict[int | str, dict[str, Any]] = {202: {"model": CommandAsked}}


class ConsoleLineOut(BaseModel):
    """One line of a printer's console; numbers grow, and begin anew when the server does."""

    seq: int
    at: AwareDatetime
    text: str
    speaker: Speaker
    error: bool


class ConsoleOut(BaseModel):
    """The last lines of a printer's console; `last` is the newest number there is."""

    items: list[ConsoleLineOut]
    last: int


class ObjectOut(BaseModel):
    """One object of the running print; `outline` in mm on the bed."""

    name: str
    excluded: bool
    current: bool
    outline: list[Point]


class MeshOut(BaseModel):
    """A measured bed: heights in mm, rows from front to back, over the area from least to most."""

    profile: str
    least: Point
    most: Point
    heights: list[list[float]]


class CameraOut(BaseModel):
    """A camera that the host knows; addresses may be relative to the host's own."""

    name: str
    stream: str
    snapshot: str
    rotation: int
    flipped: bool
    mirrored: bool


class PowerOut(BaseModel):
    """Something the host can switch; null where it does not say whether it is on."""

    name: str
    on: bool | None
    locked: bool


class SuggestionOut(BaseModel):
    """A command that the host knows, with its own word on it."""

    command: str
    help: str


class FileOnPrinterOut(BaseModel):
    """The file that the printer prints, or printed last, as its host has read it; null: not told.

    `name` as the host names it. `tag` names it with its content, for the address of its picture.
    Files of the farm's own prints are not told here.
    """

    name: str
    tag: str
    slicer: str | None
    estimated_s: float | None
    filament_mm: float | None
    filament_g: float | None
    layers: int | None
    layer_height: float | None
    first_layer_height: float | None
    object_height: float | None
    first_layer_nozzle_c: float | None
    first_layer_bed_c: float | None
    chamber_c: float | None
    has_thumbnail: bool


class EquipmentOut(BaseModel):
    """What a printer's host has to offer; `capabilities` is what its driver can be asked for."""

    capabilities: list[str]
    macros: list[str]
    objects: list[ObjectOut]
    mesh: MeshOut | None
    cameras: list[CameraOut]
    power: list[PowerOut]
    file: FileOnPrinterOut | None
    suggestions: list[SuggestionOut]


async def _order(
    rooms: Rooms, printer_id: str, body: OrderBody, who: Caller, key: str | None
) -> Response:
    session = in_service(rooms, printer_id)
    return asked(await rooms.controls.order(session.id, body.order(), who_says(who), key))


@router.post("/printers/{printer_id}/home", status_code=202, responses=ASKED)
async def home(
    rooms: AllRooms, printer_id: InPath, body: HomeBody, who: Operator, idempotency_key: Key = None
) -> Response:
    """Send axes to their end stops; only while nothing prints."""
    return await _order(rooms, printer_id, body, who, idempotency_key)


@router.post("/printers/{printer_id}/jog", status_code=202, responses=ASKED)
async def jog(
    rooms: AllRooms, printer_id: InPath, body: JogBody, who: Operator, idempotency_key: Key = None
) -> Response:
    """Move the head; only while nothing prints."""
    return await _order(rooms, printer_id, body, who, idempotency_key)


@router.post("/printers/{printer_id}/extrude", status_code=202, responses=ASKED)
async def extrude(
    rooms: AllRooms,
    printer_id: InPath,
    body: ExtrudeBody,
    who: Operator,
    idempotency_key: Key = None,
) -> Response:
    """Push or pull filament; only while nothing prints. What is pushed lies on the bed."""
    return await _order(rooms, printer_id, body, who, idempotency_key)


@router.post("/printers/{printer_id}/temperature", status_code=202, responses=ASKED)
async def temperature(
    rooms: AllRooms,
    printer_id: InPath,
    body: TemperatureBody,
    who: Operator,
    idempotency_key: Key = None,
) -> Response:
    """Set a heater's target, also while something prints."""
    return await _order(rooms, printer_id, body, who, idempotency_key)


@router.post("/printers/{printer_id}/fan", status_code=202, responses=ASKED)
async def fan(
    rooms: AllRooms, printer_id: InPath, body: FanBody, who: Operator, idempotency_key: Key = None
) -> Response:
    """Set a fan's speed, also while something prints."""
    return await _order(rooms, printer_id, body, who, idempotency_key)


@router.post("/printers/{printer_id}/speed", status_code=202, responses=ASKED)
async def speed(
    rooms: AllRooms, printer_id: InPath, body: PaceBody, who: Operator, idempotency_key: Key = None
) -> Response:
    """Set the share of the file's own speed or flow, also while something prints."""
    return await _order(rooms, printer_id, body, who, idempotency_key)


@router.post("/printers/{printer_id}/macro", status_code=202, responses=ASKED)
async def macro(
    rooms: AllRooms, printer_id: InPath, body: MacroBody, who: Operator, idempotency_key: Key = None
) -> Response:
    """Run one of the host's own macros."""
    return await _order(rooms, printer_id, body, who, idempotency_key)


@router.post("/printers/{printer_id}/exclude-object", status_code=202, responses=ASKED)
async def exclude_object(
    rooms: AllRooms,
    printer_id: InPath,
    body: ExcludeObjectBody,
    who: Operator,
    idempotency_key: Key = None,
) -> Response:
    """Leave one object out of the rest of the running print."""
    return await _order(rooms, printer_id, body, who, idempotency_key)


@router.post("/printers/{printer_id}/z-offset", status_code=202, responses=ASKED)
async def z_offset(
    rooms: AllRooms,
    printer_id: InPath,
    body: ShiftZBody,
    who: Operator,
    idempotency_key: Key = None,
) -> Response:
    """Raise or lower the nozzle for all moves to come."""
    return await _order(rooms, printer_id, body, who, idempotency_key)


@router.post("/printers/{printer_id}/gcode", status_code=202, responses=ASKED)
async def gcode(
    rooms: AllRooms, printer_id: InPath, body: GcodeBody, who: Operator, idempotency_key: Key = None
) -> Response:
    """Send G-code; what prints, selects or deletes files, or stops the machine, is refused."""
    return await _order(rooms, printer_id, body, who, idempotency_key)


@router.post("/printers/{printer_id}/power", status_code=202, responses=ASKED)
async def power(
    rooms: AllRooms, printer_id: InPath, body: PowerBody, who: Operator, idempotency_key: Key = None
) -> Response:
    """Switch a power device of the host; off only while the printer is known to be at rest."""
    return await _order(rooms, printer_id, body, who, idempotency_key)


@router.post("/printers/{printer_id}/emergency-stop", status_code=202, responses=ASKED)
async def emergency_stop(rooms: AllRooms, printer_id: InPath, who: Operator) -> Response:
    """Stop the machine at once, whatever it does and whatever else is in flight."""
    session = in_service(rooms, printer_id)
    with noted_beside():
        return asked(await rooms.controls.emergency_stop(session.id, who_says(who)))


@router.get("/printers/{printer_id}/console", responses={200: {"model": ConsoleOut}})
async def console(
    rooms: AllRooms,
    printer_id: InPath,
    after: Annotated[int, Query(ge=0, lt=2**53, description="lines after this number")] = 0,
    limit: Annotated[int, Query(ge=1, le=KEPT_LINES)] = KEPT_LINES,
) -> Response:
    """Read what the printer's console has said lately; it is kept in memory only."""
    said = in_service(rooms, printer_id).console
    return Json({"items": [line_view(one) for one in said.since(after, limit)], "last": said.last})


@router.get(
    "/printers/{printer_id}/equipment",
    responses={200: {"model": EquipmentOut}, 409: {"description": "the host does not answer"}},
)
async def equipment(rooms: AllRooms, printer_id: InPath) -> Response:
    """See what the printer's host has: macros, objects, bed mesh, cameras, power, last file."""
    session = in_service(rooms, printer_id)
    found = await rooms.controls.equipment(session.id)
    view = equipment_view(found, sorted(session.manifest.capabilities))
    return Json({**view, "file": file_view(session.id, found.file)})


@router.get(
    "/printers/{printer_id}/thumbnail",
    response_class=Response,
    responses={
        200: {"content": {"image/png": {}, "image/jpeg": {}}},
        304: {"description": "It is the one that If-None-Match names."},
        409: {"description": "the host does not answer"},
    },
)
async def printer_thumbnail(
    rooms: AllRooms,
    printer_id: InPath,
    tag: Annotated[
        str | None, Query(max_length=64, description="only while the printer's file has this tag")
    ] = None,
    if_none_match: Annotated[str | None, Header(include_in_schema=False)] = None,
) -> Response:
    """Fetch the slicer's picture of what was begun at the printer itself, now or last.

    Not of the farm's own prints: their picture is that of their file.
    """
    session = in_service(rooms, printer_id)
    found = await rooms.controls.picture(session.id, tag)
    if found is None:
        hint = "Of the farm's own prints see the thumbnail of their file."
        raise Refusal(404, "no_printer_thumbnail", "the printer's host shows no picture", hint)
    known, picture = found
    # Under its tag it stays what it is; without one the printer's next file is another picture.
    lives = "private, no-cache" if tag is None else "private, max-age=86400"
    headers = {"cache-control": lives, "etag": f'"{known}"'}
    if matches(if_none_match, headers["etag"]):
        return Response(status_code=304, headers=headers)
    return Response(picture.data, media_type=picture.media_type, headers=headers)


def line_view(line: Line) -> dict[str, Any]:
    """A line of a console as it is answered."""
    return {
        "seq": line.seq,
        "at": line.at,
        "text": line.text,
        "speaker": line.speaker,
        "error": line.error,
    }


def file_view(printer_id: str, file: HostFile | None) -> Mapping[str, Any] | None:
    """The file on a printer as it is answered."""
    if file is None:
        return None
    plain = asdict(file)
    del plain["path"], plain["version"], plain["has_picture"]
    return plain | {
        "name": file.path,
        "tag": tag_of(printer_id, file),
        "slicer": file.slicer or None,
        "has_thumbnail": file.has_picture,
    }


def equipment_view(found: Equipment, capabilities: list[str]) -> Mapping[str, Any]:
    """A printer's equipment as it is answered."""
    mesh = found.mesh
    return {
        "capabilities": capabilities,
        "macros": list(found.macros),
        "objects": [
            {
                "name": one.name,
                "excluded": one.excluded,
                "current": one.current,
                "outline": [list(point) for point in one.outline],
            }
            for one in found.objects
        ],
        "mesh": None
        if mesh is None
        else {
            "profile": mesh.profile,
            "least": list(mesh.least),
            "most": list(mesh.most),
            "heights": [list(row) for row in mesh.heights],
        },
        "cameras": [
            {
                "name": one.name,
                "stream": _without_user(one.stream),
                "snapshot": _without_user(one.snapshot),
                "rotation": one.rotation,
                "flipped": one.flipped,
                "mirrored": one.mirrored,
            }
            for one in found.cameras
        ],
        "power": [{"name": one.name, "on": one.on, "locked": one.locked} for one in found.power],
        "suggestions": [{"command": one.command, "help": one.help} for one in found.suggestions],
    }


def _without_user(address: str) -> str:
    """An address without the user and the password that may stand in it: viewers see it, too."""
    head, slashes, rest = address.partition("//")
    place, slash, path = rest.partition("/")
    return f"{head}{slashes}{place.rpartition('@')[2]}{slash}{path}" if slashes else address
