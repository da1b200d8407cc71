"""The path of the durable event log: gapless, in order, for whoever must miss nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel
from starlette.responses import Response

from buildplate.api.answers import Json, Limit
from buildplate.api.guard import LOOK
from buildplate.api.problems import Refusal
from buildplate.api.rooms import AllRooms, Rooms
from buildplate.api.schemas import InPath, PageOut
from buildplate.storage import PublishedEvent, Tx, log_of, read_events

router = APIRouter(prefix="/api/v1", tags=["events"], dependencies=[LOOK])


After = Annotated[int, Query(ge=0, lt=2**53, description="the last `seq` you have")]


LogId = Annotated[
    str | None, Query(max_length=64, description="the `log` that `after` was read from")
]


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
    """A part of the log; `next_cursor` is the last `seq` of a full page: more may follow.

    `log` names the log: after a restore it is another one, whose `seq` goes on from the backup's.
    """

    items: list[EventOut]
    log: str


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


@router.get("/events", responses={200: {"model": EventPage}, 409: {}})
async def list_events(
    rooms: AllRooms, after: After = 0, limit: Limit = 100, log: LogId = None
) -> Response:
    """Read the events that follow `after`, in order and without a gap.

    Whoever keeps `after` keeps `log` with it: where the farm was restored meanwhile, this says so.
    """
    return await _page(rooms, after, limit, log)


@router.get("/printers/{printer_id}/events", responses={200: {"model": EventPage}, 409: {}})
async def printer_events(
    rooms: AllRooms,
    printer_id: InPath,
    after: After = 0,
    limit: Limit = 100,
    log: LogId = None,
) -> Response:
    """Read the events of one printer that follow `after`, in order, of a retired one too."""
    printer = await rooms.fleet.get(printer_id)
    return await _page(rooms, after, limit, log, printer.id)


async def _page(
    rooms: Rooms, after: int, limit: int, log: str | None, printer_id: str | None = None
) -> Response:
    async def read(tx: Tx) -> tuple[str, int, Sequence[PublishedEvent]]:
        return *await log_of(tx), await read_events(tx, after, limit, printer_id)

    present, newest, found = await rooms.storage.read(read)
    if after > newest or log not in (None, present):
        detail = "the events after that place are of a log that is gone: the farm was restored"
        hint = f"Read everything anew, then go on with log={present} after={newest}."
        raise Refusal(409, "log_restarted", detail, hint)
    more = str(found[-1].seq) if len(found) == limit else None
    items = [event_view(published) for published in found]
    return Json({"items": items, "next_cursor": more, "log": present})
