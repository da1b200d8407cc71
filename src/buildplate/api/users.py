"""The paths of users: made, listed, changed, removed. For administrators."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import AwareDatetime, BaseModel, Field, Strict
from starlette.responses import Response

from buildplate.access.model import Groups, Role, User
from buildplate.access.passwords import LONGEST, SHORTEST
from buildplate.access.user_service import normal_name
from buildplate.api.answers import (
    Limit,
    check_version,
    expected_version,
    page,
    versioned,
)
from buildplate.api.guard import ADMIN
from buildplate.api.problems import Refusal
from buildplate.api.rooms import AllRooms
from buildplate.api.schemas import Body, IdInPath, PageOut, Word

router = APIRouter(prefix="/api/v1", tags=["users"], dependencies=[ADMIN])
NewPassword = Annotated[str, Field(min_length=SHORTEST, max_length=LONGEST)]
GroupNames = Annotated[
    list[Word],
    Field(min_length=1, max_length=50, description="printer groups; null is the whole farm"),
]
IfMatch = Annotated[int | None, Depends(expected_version)]


class UserBody(Body):
    """A user to make."""

    name: Annotated[Word, Field(max_length=100)]
    role: Annotated[Role, Strict(strict=False)]
    password: NewPassword
    groups: GroupNames | None = None


class UserPatch(Body):
    """What changes of a user.

    A new password ends their sessions; so does `disabled`, with which they log in no more.
    """

    role: Annotated[Role, Strict(strict=False)] = Role.VIEWER
    password: NewPassword = ""
    groups: GroupNames | None = None
    disabled: bool = False


class UserOut(BaseModel):
    """A user, without the password."""

    id: str
    version: int
    name: str
    role: Role
    groups: list[str] | None
    disabled: bool
    created_at: AwareDatetime
    password_at: AwareDatetime


class UserPage(PageOut):
    """Users, by name."""

    items: list[UserOut]


def user_view(user: User) -> dict[str, Any]:
    """A user as it is answered."""
    return {
        "id": user.id,
        "version": user.version,
        "name": user.name,
        "role": user.role,
        "groups": None if user.groups is None else sorted(user.groups),
        "disabled": user.disabled,
        "created_at": user.created_at,
        "password_at": user.password_at,
    }


def as_groups(names: list[str] | None) -> Groups:
    """Groups as the rooms keep them."""
    return None if names is None else frozenset(names)


@router.get("/users", responses={200: {"model": UserPage}})
async def list_users(
    rooms: AllRooms,
    limit: Limit = 1000,
    cursor: Annotated[str | None, Field(max_length=100)] = None,
    name: str | None = None,
    role: Role | None = None,
) -> Response:
    """List the users by name."""
    wanted = None if name is None else normal_name(name)
    found = [
        user
        for user in await rooms.access.users.users()
        if (cursor is None or user.name > cursor)
        and wanted in (None, user.name)
        and role in (None, user.role)
    ]
    more = found[limit - 1].name if len(found) > limit else None
    return page([user_view(user) for user in found[:limit]], more)


@router.post("/users", status_code=201, responses={201: {"model": UserOut}})
async def add_user(rooms: AllRooms, body: UserBody) -> Response:
    """Make a user. Upper and lower case do not tell names apart."""
    made = await rooms.access.users.create(
        body.name, body.role, body.password, as_groups(body.groups)
    )
    return versioned(user_view(made), made.version, 201, location=f"/api/v1/users/{made.id}")


@router.get("/users/{user_id}", responses={200: {"model": UserOut}})
async def get_user(rooms: AllRooms, user_id: IdInPath) -> Response:
    """Look at one user."""
    found = await rooms.access.users.user(user_id)
    return versioned(user_view(found), found.version)


@router.patch("/users/{user_id}", responses={200: {"model": UserOut}})
async def patch_user(
    rooms: AllRooms, user_id: IdInPath, body: UserPatch, version: IfMatch
) -> Response:
    """Change a user's role, groups or password, or disable them; the last admin stays one."""
    found = await rooms.access.users.user(user_id)
    check_version(version, found.version)
    changes = {name: getattr(body, name) for name in body.model_fields_set}
    if not changes:
        detail = "the body changes nothing"
        raise Refusal(422, "invalid_request", detail, "Send role, groups, password or disabled.")
    if "groups" in changes:
        changes["groups"] = as_groups(body.groups)
    changed = await rooms.access.users.edit(found, changes)
    return versioned(user_view(changed), changed.version)


@router.delete("/users/{user_id}", status_code=204)
async def remove_user(rooms: AllRooms, user_id: IdInPath) -> Response:
    """Remove a user, whose sessions end at once; the last administrator stays."""
    await rooms.access.users.remove(user_id)
    return Response(status_code=204)
