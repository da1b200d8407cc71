"""The path of the durable event log: gapless, in order, for whoever must miss nothing."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel
from starlette.responses import Response

from buildplate.api.answers import Limit, page
from buildplate.api.guard import LOOK
from buildplate.api.rooms import AllRooms
from buildplate.api.schemas import PageOut
from buildplate.storage import PublishedEvent, read_events

router = APIRouter(prefix="/api/v1", tags=["events"], dependencies=[LOOK])


class EventOut(BaseModel):
    """Something that happened; `seq` is its place in the farm's one gapless sequence."""

    seq: int
    id: str
    at: AwareDatetime
    kind: str
    printer_id: str | None
    job_id: str | None
    print_id: str | None
    data: dict[str, Any]


class EventPage(PageOut):
    """A part of the log; `next_cursor` is the last `seq` of a full page: more may follow."""

    items: list[EventOut]


def event_view(published: PublishedEvent) -> dict[str, Any]:
    """An event as it is answered."""
    event = published.event
    return {
        "seq": published.seq,
        "id": event.id,
        "at": event.at,
        "kind": event.kind,
        "printer_id": event.printer_id,
        "job_id": event.job_id,
        "print_id": event.print_id,
        "data": event.data,
    }


@router.get("/events", responses={200: {"model": EventPage}})
async def list_events(
    rooms: AllRooms,
    after: Annotated[int, Query(ge=0, lt=2**53, description="the last `seq` you have")] = 0,
    limit: Limit = 100,
) -> Response:
    """Read the events that follow `after`, in order and without a gap."""
    found = await rooms.storage.read(read_events, after, limit)
    more = str(found[-1].seq) if len(found) == limit else None
    return page([event_view(published) for published in found], more)
