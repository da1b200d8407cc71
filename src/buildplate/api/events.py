"""The path of the durable event log: gapless, in order, for whoever must miss nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel
from starlette.responses import Response

from buildplate.access.model import Caller
from buildplate.api.answers import Json, Limit
from buildplate.api.guard import LOOK, Viewer
from buildplate.api.own_events import event_view
from buildplate.api.problems import Refusal
from buildplate.api.rooms import AllRooms, Rooms
from buildplate.api.schemas import InPath, PageOut
from buildplate.api.scopes import owned_events
from buildplate.storage import PublishedEvent, Tx, log_of, read_events, read_events_back

router = APIRouter(prefix="/api/v1", tags=["events"], dependencies=[LOOK])


After = Annotated[int | None, Query(ge=0, lt=2**53, description="the last `seq` you have")]


Before = Annotated[
    int | None,
    Query(ge=0, lt=2**53, description="read back from this `seq`, the newest first"),
]


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
    `read_to` is the last `seq` that was looked at, whether it is shown or not: `after` of the next
    request, or `before` where the log is read back; 0 is its beginning.
    """

    items: list[EventOut]
    log: str
    read_to: int


@router.get("/events", responses={200: {"model": EventPage}, 409: {}})
async def list_events(
    rooms: AllRooms,
    who: Viewer,
    after: After = None,
    before: Before = None,
    limit: Limit = 100,
    log: LogId = None,
) -> Response:
    """Read the events that follow `after`, in order and without a gap; or back from `before`.

    Whoever keeps `after` keeps `log` with it: where the farm was restored meanwhile, this says so.
    Whoever is confined to printer groups is shown theirs only, and goes on from `read_to`.
    """
    return await _page(rooms, who, _Part(after, before, limit, log))


@router.get("/printers/{printer_id}/events", responses={200: {"model": EventPage}, 409: {}})
async def printer_events(
    rooms: AllRooms,
    who: Viewer,
    printer_id: InPath,
    after: After = None,
    before: Before = None,
    limit: Limit = 100,
    log: LogId = None,
) -> Response:
    """Read the events of one printer that follow `after`, or back from `before`; retired or not."""
    printer = await rooms.fleet.get(printer_id)
    return await _page(rooms, who, _Part(after, before, limit, log, printer.id))


@dataclass(frozen=True, slots=True)
class _Part:
    """Which part of the log is asked for: one way or the other."""

    after: int | None
    before: int | None
    limit: int
    log: str | None
    printer_id: str | None = None

    async def read(self, tx: Tx) -> tuple[str, int, Sequence[PublishedEvent]]:
        """The log's id, the place of its newest event, and the events of this part."""
        log = await log_of(tx)  # first: what is published meanwhile is not gone past
        if self.before is not None:
            return *log, await read_events_back(tx, self.before, self.limit, self.printer_id)
        return *log, await read_events(tx, self.after or 0, self.limit, self.printer_id)


async def _page(rooms: Rooms, who: Caller, part: _Part) -> Response:
    if part.after is not None and part.before is not None:
        detail = "after and before are two ways to read the log"
        raise Refusal(422, "invalid_request", detail, "Name one of them.")
    present, newest, found = await rooms.storage.read(part.read)
    if (part.after or 0) > newest or part.log not in (None, present):
        detail = "the events after that place are of a log that is gone: the farm was restored"
        hint = f"Read everything anew, then go on with log={present} after={newest}."
        raise Refusal(409, "log_restarted", detail, hint)
    last = found[-1].seq if found else 0
    full = len(found) == part.limit
    return Json(
        {
            "items": await _shown(rooms, who, found),
            "next_cursor": str(last) if full else None,
            "log": present,
            "read_to": last if full else 0 if part.before is not None else max(newest, last),
        }
    )


async def _shown(
    rooms: Rooms, who: Caller, found: Sequence[PublishedEvent]
) -> list[Mapping[str, Any]]:
    if who.groups is None:
        return [event_view(one) for one in found]
    owned = await owned_events(rooms, found)
    shown = [one.shown_to(who.groups) for one in owned]
    return [view for view in shown if view is not None]
