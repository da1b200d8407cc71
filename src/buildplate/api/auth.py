"""The paths of logging in and out, and of who one is: cookies for pages, tokens for programs."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import AwareDatetime, BaseModel, Field
from starlette.responses import Response

from buildplate.access.errors import LoginFailed, NoSession
from buildplate.access.model import Caller, CallerKind, Role
from buildplate.access.session_service import LoggedIn, TokenPair
from buildplate.api.answers import Json
from buildplate.api.credentials import COOKIE, address_of, shown_by
from buildplate.api.guard import Viewer
from buildplate.api.rooms import AllRooms
from buildplate.api.schemas import Body, Word

router = APIRouter(prefix="/api/v1", tags=["auth"])
Password = Annotated[str, Field(min_length=1, max_length=200)]


class LoginBody(Body):
    """Who one says to be."""

    name: Word
    password: Password


class RefreshBody(Body):
    """A refresh token, which is spent with this."""

    refresh_token: Annotated[str, Field(max_length=200)]


class NewPasswordBody(Body):
    """A new password for oneself."""

    old_password: Password
    new_password: Password


class MeOut(BaseModel):
    """Who calls; `csrf_token` goes with every change that is made with a cookie."""

    kind: CallerKind
    id: str | None
    name: str
    role: Role
    groups: list[str] | None
    expires_at: AwareDatetime | None
    csrf_token: str | None


class TokensOut(BaseModel):
    """An access token for `Authorization: Bearer`, and the one that buys the next pair."""

    access_token: str
    token_type: str
    expires_in: int
    refresh_token: str


def me_view(caller: Caller) -> dict[str, Any]:
    """A caller as it is answered."""
    return {
        "kind": caller.kind,
        "id": caller.id,
        "name": caller.name,
        "role": caller.role,
        "groups": None if caller.groups is None else sorted(caller.groups),
        "expires_at": caller.expires_at,
        "csrf_token": caller.csrf,
    }


def tokens_view(pair: TokenPair) -> dict[str, Any]:
    """A pair of tokens as OAuth 2.0 words it (RFC 6749, 5.1)."""
    return {
        "access_token": pair.access,
        "token_type": "bearer",
        "expires_in": pair.expires_in,
        "refresh_token": pair.refresh,
    }


def with_cookie(request: Request, found: LoggedIn, status: int = 200) -> Response:
    """The answer that gives a browser its session."""
    answer = Json(me_view(found.caller), status)
    answer.set_cookie(
        COOKIE,
        found.secret,
        expires=found.expires_at,
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="lax",
    )
    return answer


def without_cookie(answer: Response) -> Response:
    """The answer that takes a browser's session from it."""
    answer.delete_cookie(COOKIE, path="/")
    return answer


@router.post("/auth/login", responses={200: {"model": MeOut}, 401: {}})
async def login(rooms: AllRooms, request: Request, body: LoginBody) -> Response:
    """Log a browser in: the answer sets an HttpOnly cookie, and tells the CSRF token."""
    before = shown_by(request.scope["headers"]).cookie
    where = address_of(request.scope)
    found = await rooms.access.sessions.login(body.name, body.password, where, before)
    return with_cookie(request, found)


@router.post("/auth/token", responses={200: {"model": TokensOut}, 401: {}})
async def token(rooms: AllRooms, request: Request, body: LoginBody) -> Response:
    """Log a program in: a short-lived access token, and a refresh token that works once."""
    where = address_of(request.scope)
    pair = await rooms.access.sessions.token(body.name, body.password, where)
    return Json(tokens_view(pair))


@router.post("/auth/refresh", responses={200: {"model": TokensOut}, 401: {}})
async def refresh(rooms: AllRooms, request: Request, body: RefreshBody) -> Response:
    """Spend a refresh token for a new pair; one that is spent twice ends the session."""
    where = address_of(request.scope)
    return Json(tokens_view(await rooms.access.sessions.refresh(body.refresh_token, where)))


@router.post("/auth/logout", status_code=204)
async def logout(rooms: AllRooms, who: Viewer) -> Response:
    """End the session: its cookie or its tokens open nothing from now on."""
    await rooms.access.sessions.logout(who)
    return without_cookie(Response(status_code=204))


@router.get("/me", responses={200: {"model": MeOut}})
async def me(who: Viewer) -> Response:
    """Who the caller is, and what they may do."""
    return Json(me_view(who))


@router.post("/me/password", status_code=204)
async def change_password(
    rooms: AllRooms, request: Request, who: Viewer, body: NewPasswordBody
) -> Response:
    """Choose a new password for oneself. Every session ends, this one too: log in again."""
    if who.kind is not CallerKind.USER or who.id is None:
        message = "a key has no password"
        raise NoSession(message, "Log in as a user first.")
    user = await rooms.access.users.user(who.id)
    if not await rooms.access.sessions.knows(user, body.old_password, address_of(request.scope)):
        message = "the old password is not right"
        raise LoginFailed(message)
    await rooms.access.users.edit(user, {"password": body.new_password})
    return without_cookie(Response(status_code=204))
