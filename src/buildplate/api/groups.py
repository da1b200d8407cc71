"""The paths of printer groups: made, listed, renamed, removed."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import AfterValidator, AwareDatetime, BaseModel, Field
from starlette.responses import Response

from buildplate.access.model import Group
from buildplate.api.answers import (
    Limit,
    NameCursor,
    check_version,
    expected_version,
    page,
    versioned,
)
from buildplate.api.guard import ADMIN, LOOK, Viewer
from buildplate.api.live_hub import LiveHub
from buildplate.api.problems import Refusal
from buildplate.api.rooms import AllRooms, Rooms
from buildplate.api.schemas import Body, IdInPath, PageOut, Word, visible

router = APIRouter(prefix="/api/v1", tags=["groups"], dependencies=[LOOK])
Description = Annotated[str, Field(max_length=1000), AfterValidator(visible)]
IfMatch = Annotated[int | None, Depends(expected_version)]


async def _hub(request: Request) -> LiveHub:
    hub: LiveHub = request.app.state.live
    return hub


Hub = Annotated[LiveHub, Depends(_hub)]


class GroupBody(Body):
    """A group to make."""

    name: Word
    description: Description = ""


class GroupPatch(Body):
    """What changes of a group; a new name holds for its printers, jobs, keys and users at once."""

    name: Word = ""
    description: Description | None = None


class GroupOut(BaseModel):
    """A group of printers; `printers` counts those in service."""

    id: str
    version: int
    name: str
    description: str
    printers: int
    created_at: AwareDatetime


class GroupPage(PageOut):
    """A part of the list of groups."""

    items: list[GroupOut]


def group_view(rooms: Rooms, group: Group) -> dict[str, Any]:
    """A group as it is answered."""
    sessions = rooms.fleet.sessions.values()
    return {
        "id": group.id,
        "version": group.version,
        "name": group.name,
        "description": group.description,
        "printers": sum(one.record.spec.group == group.name for one in sessions),
        "created_at": group.created_at,
    }


@router.get("/groups", responses={200: {"model": GroupPage}})
async def list_groups(
    rooms: AllRooms,
    who: Viewer,
    limit: Limit = 1000,
    cursor: NameCursor = None,
    name: str | None = None,
) -> Response:
    """List the printer groups by name; to callers who are confined, their own."""
    found = [
        group
        for group in await rooms.access.groups.groups()
        if who.reaches(group.name)
        and (cursor is None or group.name > cursor)
        and name in (None, group.name)
    ]
    more = found[limit - 1].name if len(found) > limit else None
    return page([group_view(rooms, group) for group in found[:limit]], more)


@router.post("/groups", status_code=201, responses={201: {"model": GroupOut}}, dependencies=[ADMIN])
async def add_group(rooms: AllRooms, body: GroupBody) -> Response:
    """Make a printer group. A printer, a key or a user that names a new group makes it, too."""
    made = await rooms.access.groups.create(body.name, body.description)
    location = f"/api/v1/groups/{made.id}"
    return versioned(group_view(rooms, made), made.version, 201, location=location)


@router.get("/groups/{group_id}", responses={200: {"model": GroupOut}})
async def get_group(rooms: AllRooms, group_id: IdInPath) -> Response:
    """Look at one printer group."""
    found = await rooms.access.groups.group(group_id)
    return versioned(group_view(rooms, found), found.version)


@router.patch("/groups/{group_id}", responses={200: {"model": GroupOut}}, dependencies=[ADMIN])
async def patch_group(
    rooms: AllRooms, hub: Hub, group_id: IdInPath, body: GroupPatch, version: IfMatch
) -> Response:
    """Rename a group, or describe it: printers, jobs, keys and users go with it."""
    found = await rooms.access.groups.group(group_id)
    check_version(version, found.version)
    changes = {name: getattr(body, name) or "" for name in body.model_fields_set}
    if not changes:
        detail = "the body changes nothing"
        raise Refusal(422, "invalid_request", detail, "Send name or description.")
    with hub.renaming() if "name" in changes else nullcontext():
        changed = await rooms.access.groups.edit(found, **changes)
    return versioned(group_view(rooms, changed), changed.version)


@router.delete("/groups/{group_id}", status_code=204, dependencies=[ADMIN])
async def remove_group(rooms: AllRooms, hub: Hub, group_id: IdInPath, version: IfMatch) -> Response:
    """Remove a group that no printer belongs to and nobody is confined to."""
    found = await rooms.access.groups.group(group_id)
    check_version(version, found.version)
    with hub.renaming():
        await rooms.access.groups.remove(found)
    return Response(status_code=204)
