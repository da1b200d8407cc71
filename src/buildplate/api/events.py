"""The path of the durable event log: gapless, in order, for whoever must miss nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel
from starlette.responses import Response

from buildplate.api.answers import Limit, page
from buildplate.api.guard import LOOK
from buildplate.api.rooms import AllRooms
from buildplate.api.schemas import InPath, PageOut
from buildplate.storage import PublishedEvent, read_events

router = APIRouter(prefix="/api/v1", tags=["events"], dependencies=[LOOK])


After = Annotated[int, Query(ge=0, lt=2**53, description="the last `seq` you have")]


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
async def list_events(rooms: AllRooms, after: After = 0, limit: Limit = 100) -> Response:
    """Read the events that follow `after`, in order and without a gap."""
    return _page(await rooms.storage.read(read_events, after, limit), limit)


@router.get("/printers/{printer_id}/events", responses={200: {"model": EventPage}})
async def printer_events(
    rooms: AllRooms, printer_id: InPath, after: After = 0, limit: Limit = 100
) -> Response:
    """Read the events of one printer that follow `after`, in order, of a retired one too."""
    printer = await rooms.fleet.get(printer_id)
    return _page(await rooms.storage.read(read_events, after, limit, printer.id), limit)


def _page(found: Sequence[PublishedEvent], limit: int) -> Response:
    more = str(found[-1].seq) if len(found) == limit else None
    return page([event_view(published) for published in found], more)
