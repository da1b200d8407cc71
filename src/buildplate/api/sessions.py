"""The paths of one's own sessions: where one is logged in, and the end of it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel
from starlette.responses import Response

from buildplate.access.model import Caller, Session, SessionKind
from buildplate.api.answers import page
from buildplate.api.auth import without_cookie
from buildplate.api.guard import Viewer
from buildplate.api.rooms import AllRooms
from buildplate.api.schemas import IdInPath, PageOut

router = APIRouter(prefix="/api/v1", tags=["auth"])


class SessionOut(BaseModel):
    """One of the caller's sessions, held by a browser's cookie or by a program's tokens.

    `address` is where it was begun from; `current`: the request was made with it.
    """

    id: str
    kind: SessionKind
    address: str | None
    created_at: AwareDatetime
    seen_at: AwareDatetime
    expires_at: AwareDatetime
    current: bool


class SessionPage(PageOut):
    """The caller's sessions, the one last used first."""

    items: list[SessionOut]


def session_view(who: Caller, session: Session) -> dict[str, Any]:
    """A session as it is answered, without what opens it."""
    return {
        "id": session.id,
        "kind": session.kind,
        "address": session.address,
        "created_at": session.created_at,
        "seen_at": session.seen_at,
        "expires_at": session.expires_at,
        "current": session.id == who.session_id,
    }


@router.get("/me/sessions", responses={200: {"model": SessionPage}, 409: {}})
async def list_sessions(rooms: AllRooms, who: Viewer) -> Response:
    """List where one is logged in. A key has no sessions."""
    found = await rooms.access.sessions.sessions_of(who)
    return page([session_view(who, one) for one in found], None)


@router.delete("/me/sessions", status_code=204)
async def end_other_sessions(rooms: AllRooms, who: Viewer) -> Response:
    """End all of one's sessions but this one."""
    await rooms.access.sessions.end_others(who)
    return Response(status_code=204)


@router.delete("/me/sessions/{session_id}", status_code=204)
async def end_session(rooms: AllRooms, who: Viewer, session_id: IdInPath) -> Response:
    """End one of one's sessions: its cookie or its tokens open nothing from now on."""
    await rooms.access.sessions.end_one(who, session_id)
    answer = Response(status_code=204)
    return without_cookie(answer) if session_id == who.session_id else answer
