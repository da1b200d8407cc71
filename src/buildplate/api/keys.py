"""The paths of API keys: made and shown once, listed, revoked. For administrators."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, Strict
from starlette.responses import Response

from buildplate.access.model import ApiKey, Role
from buildplate.api.answers import Json, page
from buildplate.api.guard import ADMIN
from buildplate.api.rooms import AllRooms
from buildplate.api.schemas import Body, InPath, Moment, PageOut, Word
from buildplate.api.users import GroupNames, as_groups

router = APIRouter(prefix="/api/v1", tags=["keys"], dependencies=[ADMIN])


class KeyBody(Body):
    """A key to make."""

    name: Word
    role: Annotated[Role, Strict(strict=False)]
    expires_at: Moment | None = None
    groups: GroupNames | None = None


class KeyOut(BaseModel):
    """A key, without the key itself."""

    id: str
    name: str
    role: Role
    created_at: AwareDatetime
    groups: list[str] | None
    expires_at: AwareDatetime | None
    revoked_at: AwareDatetime | None


class NewKeyOut(KeyOut):
    """A key just made; `key` is shown this once."""

    key: str


class KeyPage(PageOut):
    """All keys."""

    items: list[KeyOut]


def key_view(key: ApiKey) -> dict[str, Any]:
    """A key as it is answered."""
    return {
        "id": key.id,
        "name": key.name,
        "role": key.role,
        "created_at": key.created_at,
        "groups": None if key.groups is None else sorted(key.groups),
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
    }


@router.get("/keys", responses={200: {"model": KeyPage}})
async def list_keys(
    rooms: AllRooms,
    name: str | None = None,
    role: Role | None = None,
    revoked: bool | None = None,  # noqa: FBT001 (a query parameter)
) -> Response:
    """List every key ever made, newest first, in one page."""
    found = [
        key_view(key)
        for key in await rooms.keys.keys()
        if name in (None, key.name)
        and role in (None, key.role)
        and revoked in (None, key.revoked_at is not None)
    ]
    return page(found, None)


@router.post("/keys", status_code=201, responses={201: {"model": NewKeyOut}})
async def add_key(rooms: AllRooms, body: KeyBody) -> Response:
    """Make a key. This answer is the only place where it is ever to be seen."""
    made = await rooms.keys.create(body.name, body.role, body.expires_at, as_groups(body.groups))
    return Json({**key_view(made.key), "key": made.secret}, 201)


@router.delete("/keys/{key_id}", responses={200: {"model": KeyOut}})
async def revoke_key(rooms: AllRooms, key_id: InPath) -> Response:
    """Revoke a key: it opens nothing from now on. The last admin key stays."""
    return Json(key_view(await rooms.keys.revoke(key_id)))
