"""The path of the audit: who changed what, when and from where. For administrators."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel
from starlette.responses import Response

from buildplate.access.audit import Entry
from buildplate.api.answers import IdCursor, Limit, page
from buildplate.api.guard import ADMIN
from buildplate.api.rooms import AllRooms
from buildplate.api.schemas import PageOut

router = APIRouter(prefix="/api/v1", tags=["audit"], dependencies=[ADMIN])
Filter = Annotated[str | None, Query(max_length=300)]


class ChangeOut(BaseModel):
    """A row that was changed: the columns that are different, before and after."""

    table: str
    id: str | None = None
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    more: int | None = None


class AuditOut(BaseModel):
    """Something that somebody did; secrets are hidden in what they asked for and what changed."""

    id: str
    at: AwareDatetime
    who_kind: str
    who_id: str | None
    who_name: str
    address: str | None
    action: str
    path: str
    request_id: str | None
    asked: Any
    changes: list[ChangeOut]


class AuditPage(PageOut):
    """A part of the audit, newest first."""

    items: list[AuditOut]


def entry_view(entry: Entry) -> dict[str, Any]:
    """A line of the audit as it is answered."""
    return {
        "id": entry.id,
        "at": entry.at,
        "who_kind": entry.who_kind,
        "who_id": entry.who_id,
        "who_name": entry.who_name,
        "address": entry.address,
        "action": entry.action,
        "path": entry.path,
        "request_id": entry.request_id,
        "asked": entry.asked,
        "changes": entry.changes,
    }


@router.get("/audit", responses={200: {"model": AuditPage}})
async def list_audit(
    rooms: AllRooms,
    limit: Limit = 100,
    cursor: IdCursor = None,
    who_id: Filter = None,
    action: Filter = None,
    request_id: Filter = None,
) -> Response:
    """Read who changed what, newest first; `action` is as POST /api/v1/jobs/{job_id}/cancel."""
    asked = {"who_id": who_id, "action": action, "request_id": request_id}
    filters = {name: value for name, value in asked.items() if value is not None}
    found = await rooms.access.audit.entries(limit, cursor, filters)
    more = found[-1].id if len(found) == limit else None
    return page([entry_view(entry) for entry in found], more)
