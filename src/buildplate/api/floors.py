"""The paths of floors: the plans on which printers have their places."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import AwareDatetime, BaseModel
from starlette.responses import Response

from buildplate.access.model import Caller
from buildplate.api.answers import (
    Limit,
    NameCursor,
    check_version,
    expected_version,
    page,
    versioned,
)
from buildplate.api.guard import ADMIN, LOOK, Admin, Viewer
from buildplate.api.problems import Refusal
from buildplate.api.rooms import AllRooms, Rooms
from buildplate.api.schemas import Body, IdInPath, Length, PageOut, Word
from buildplate.api.scopes import reaches_floor, stands_on
from buildplate.fleet.model import Floor

router = APIRouter(prefix="/api/v1", tags=["floors"], dependencies=[LOOK])
IfMatch = Annotated[int | None, Depends(expected_version)]


class FloorBody(Body):
    """A floor to make; its size in mm. Positions count from the plan's upper left corner."""

    name: Word
    width_mm: Length
    depth_mm: Length


class FloorPatch(Body):
    """What changes of a floor."""

    name: Word = ""
    width_mm: Length = 0
    depth_mm: Length = 0


class FloorOut(BaseModel):
    """A floor; `printers` counts those that stand on it."""

    id: str
    version: int
    name: str
    width_mm: float
    depth_mm: float
    printers: int
    created_at: AwareDatetime


class FloorPage(PageOut):
    """A part of the list of floors."""

    items: list[FloorOut]


def floor_view(rooms: Rooms, who: Caller, floor: Floor) -> dict[str, Any]:
    """A floor as it is answered: with as many printers as the caller sees there."""
    standing = stands_on(rooms, floor.id)
    return {
        "id": floor.id,
        "version": floor.version,
        "name": floor.name,
        "width_mm": floor.width_mm,
        "depth_mm": floor.depth_mm,
        "printers": sum(who.reaches(one.record.spec.group) for one in standing),
        "created_at": floor.created_at,
    }


@router.get("/floors", responses={200: {"model": FloorPage}})
async def list_floors(
    rooms: AllRooms,
    who: Viewer,
    limit: Limit = 1000,
    cursor: NameCursor = None,
    name: str | None = None,
) -> Response:
    """List the floors by name; to callers who are confined, those where printers of theirs are."""
    found = [
        floor
        for floor in await rooms.floors.floors()
        if reaches_floor(rooms, who, floor.id)
        and (cursor is None or floor.name > cursor)
        and name in (None, floor.name)
    ]
    more = found[limit - 1].name if len(found) > limit else None
    return page([floor_view(rooms, who, floor) for floor in found[:limit]], more)


@router.post("/floors", status_code=201, responses={201: {"model": FloorOut}})
async def add_floor(rooms: AllRooms, body: FloorBody, who: Admin) -> Response:
    """Make a floor; printers get their places on it as their `floor_position`."""
    made = await rooms.floors.create(body.name, body.width_mm, body.depth_mm)
    location = f"/api/v1/floors/{made.id}"
    return versioned(floor_view(rooms, who, made), made.version, 201, location=location)


@router.get("/floors/{floor_id}", responses={200: {"model": FloorOut}})
async def get_floor(rooms: AllRooms, floor_id: IdInPath, who: Viewer) -> Response:
    """Look at one floor."""
    found = await rooms.floors.floor(floor_id)
    return versioned(floor_view(rooms, who, found), found.version)


@router.patch("/floors/{floor_id}", responses={200: {"model": FloorOut}})
async def patch_floor(
    rooms: AllRooms, floor_id: IdInPath, body: FloorPatch, who: Admin, version: IfMatch
) -> Response:
    """Rename a floor, or give it another size; every printer on it has to stay on it."""
    found = await rooms.floors.floor(floor_id)
    check_version(version, found.version)
    changes = {name: getattr(body, name) for name in body.model_fields_set}
    if not changes:
        detail = "the body changes nothing"
        raise Refusal(422, "invalid_request", detail, "Send name, width_mm or depth_mm.")
    changed = await rooms.floors.edit(found, changes)
    return versioned(floor_view(rooms, who, changed), changed.version)


@router.delete("/floors/{floor_id}", status_code=204, dependencies=[ADMIN])
async def remove_floor(rooms: AllRooms, floor_id: IdInPath, version: IfMatch) -> Response:
    """Remove a floor on which no printer stands."""
    found = await rooms.floors.floor(floor_id)
    check_version(version, found.version)
    await rooms.floors.remove(found)
    return Response(status_code=204)
