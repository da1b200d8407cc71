"""The paths of ended prints: the list, the same as CSV, sums of it, lateness, and notes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import AfterValidator, AwareDatetime, BaseModel, Field
from starlette.responses import Response, StreamingResponse

from buildplate.access.model import Caller
from buildplate.api.answers import Json, Limit, page
from buildplate.api.guard import LOOK, Operator, Viewer
from buildplate.api.history import Since, TallyOut, tally_view
from buildplate.api.prints import who_says
from buildplate.api.rooms import AllRooms, Rooms
from buildplate.api.schemas import BLANK, REFERENCE, Body, InPath, PageOut, rfc3339
from buildplate.api.scopes import check_printer
from buildplate.api.spreadsheets import BOM, line
from buildplate.core.print_table import PrintState
from buildplate.history.model import Ending, Note, Of, Promise, Tally, Wanted
from buildplate.history.service import EndingsPage

router = APIRouter(prefix="/api/v1", tags=["history"], dependencies=[LOOK])
CSV = "text/csv; charset=utf-8"
A_MONTH = timedelta(days=30)
BATCH = 500
MOST_LATE = 1000
EXAMPLE = {"schema": {"type": "string"}, "example": "print,state,ended_at\r\n12,completed,…\r\n"}
EndState = Literal["completed", "failed", "cancelled", "not_started"]
Cursor = Annotated[
    str | None,
    Query(pattern=r"^[0-9]{1,18}\.[0-9a-f-]{36}$", description="`next_cursor` of the page before"),
]


def _remark(value: str) -> str:
    """Lines of visible characters; ValueError."""
    text = value.strip()
    if not text or not all(part.isprintable() for part in text.split("\n")):
        raise ValueError(BLANK)
    return text


class NoteBody(Body):
    """What to write to a print."""

    text: Annotated[str, Field(min_length=1, max_length=2000), AfterValidator(_remark)]


class NoteOut(BaseModel):
    """What somebody wrote to a print. Notes are added, never changed."""

    id: str
    at: AwareDatetime
    by: str
    text: str


class EndingOut(BaseModel):
    """A print that ended, with the names of its job, file and printer.

    `materials` are the types that the job asked for, else those that the file was sliced for.
    `printed_s` is from the start to the end.
    """

    id: str
    number: int
    state: EndState
    ended_at: AwareDatetime
    started_at: AwareDatetime | None
    printed_s: float | None
    reason: str | None
    copy_no: int
    try_no: int
    job_id: str
    job_number: int
    job_name: str
    customer: str | None
    reference: str | None
    due: AwareDatetime | None
    file_id: str
    file_name: str
    materials: list[str]
    printer_id: str | None
    printer_number: int | None
    printer_name: str | None
    notes: list[NoteOut]


class EndingPage(PageOut):
    """A part of the list of ended prints."""

    items: list[EndingOut]


class OutcomeOut(TallyOut):
    """How the prints of one `key` ended: a printer's id, materials, a reason; null: unknown."""

    key: str | None


class OutcomesOut(BaseModel):
    """How prints ended from `since` to `until`, the most first."""

    since: AwareDatetime
    until: AwareDatetime
    by: Of
    items: list[OutcomeOut]
    total: TallyOut


class PromiseOut(BaseModel):
    """A job that was due; `late_s` is below 0 for one made in time, and grows until it is made."""

    job_id: str
    number: int
    name: str
    customer: str | None
    due: AwareDatetime
    copies: int
    made: int
    finished_at: AwareDatetime | None
    late_s: float


class LatenessOut(BaseModel):
    """Jobs that were due from `since` to `until`: the counts of all, and the latest due 1000.

    A job that is neither made nor due yet counts as neither.
    """

    since: AwareDatetime
    until: AwareDatetime
    in_time: int
    late: int
    items: list[PromiseOut]


async def _wanted(
    rooms: AllRooms,
    who: Viewer,
    state: EndState | None = None,
    printer: Annotated[
        str | None, Query(pattern=REFERENCE, description="a printer's id or number")
    ] = None,
    file: Annotated[
        str | None, Query(pattern=r"^[0-9a-f-]{36}$", description="a file's id")
    ] = None,
    since: Since = None,
    until: Since = None,
    text: Annotated[
        str | None,
        Query(max_length=200, description="part of a name, customer, reference or reason"),
    ] = None,
) -> Wanted:
    if printer is not None and who.groups is not None:
        await check_printer(rooms, who, printer)
    return Wanted(
        state=None if state is None else PrintState(state),
        printer_id=None if printer is None else (await rooms.fleet.get(printer)).id,
        file_id=file,
        since=None if since is None else since.astimezone(UTC),
        until=None if until is None else until.astimezone(UTC),
        text=text,
        groups=who.groups,
    )


WantedPrints = Annotated[Wanted, Depends(_wanted)]
Place = tuple[int, str] | None


def _told(who: Caller, wanted: Wanted, one: Ending) -> Ending | None:
    """An ended print as the caller is told of it; None: not at all.

    It is its printer's group's, or its job's where it never had a printer. Whose job is others' is
    told the file's name for the job's, and neither whom nor what the job is for.
    """
    if not who.reaches(one.job_group if one.printer_id is None else one.printer_group):
        return None
    if who.reaches(one.job_group):
        return one
    plain = replace(one, job_name=one.file_name, customer=None, reference=None, due=None)
    text = (wanted.text or "").lower()
    shows = any(text in (said or "").lower() for said in (plain.file_name, plain.reason))
    return plain if shows else None


def _told_all(who: Caller, wanted: Wanted, found: Sequence[Ending]) -> list[Ending]:
    told = (_told(who, wanted, one) for one in found)
    return [one for one in told if one is not None]


def note_view(note: Note) -> dict[str, Any]:
    """A note as it is answered."""
    return {"id": note.id, "at": note.at, "by": note.by, "text": note.text}


def ending_view(one: Ending, notes: Sequence[Note]) -> dict[str, Any]:
    """An ended print as it is answered."""
    return {
        "id": one.id,
        "number": one.number,
        "state": one.state,
        "ended_at": one.ended_at,
        "started_at": one.started_at,
        "printed_s": one.printed_s,
        "reason": one.reason,
        "copy_no": one.copy_no,
        "try_no": one.try_no,
        "job_id": one.job_id,
        "job_number": one.job_number,
        "job_name": one.job_name,
        "customer": one.customer,
        "reference": one.reference,
        "due": one.due,
        "file_id": one.file_id,
        "file_name": one.file_name,
        "materials": one.materials,
        "printer_id": one.printer_id,
        "printer_number": one.printer_number,
        "printer_name": one.printer_name,
        "notes": [note_view(note) for note in notes],
    }


@router.get("/history", responses={200: {"model": EndingPage}, 404: {}})
async def list_endings(
    rooms: AllRooms,
    who: Viewer,
    wanted: WantedPrints,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """List the prints that ended, the last one first."""
    found, notes, place = await rooms.history.endings(wanted, _place(cursor), limit)
    shown = [ending_view(one, notes.get(one.id, ())) for one in _told_all(who, wanted, found)]
    return page(shown, None if place is None else f"{place[0]}.{place[1]}")


def _place(cursor: str | None) -> Place:
    if cursor is None:
        return None
    at, _, print_id = cursor.partition(".")
    return int(at), print_id


@router.get(
    "/history/export",
    response_class=Response,
    responses={200: {"content": {"text/csv": EXAMPLE}}, 404: {}},
)
async def export_endings(rooms: AllRooms, who: Viewer, wanted: WantedPrints) -> Response:
    """The list of ended prints as CSV, for spreadsheets: whole, the last one first."""
    name = f"buildplate-history-{rooms.clock.now():%Y-%m-%d}.csv"
    headers = {
        "content-disposition": f'attachment; filename="{name}"',
        "cache-control": "no-store",
    }
    # Before the answer begins: later the only sign of an error is that the connection breaks.
    first = await rooms.history.endings(wanted, None, BATCH)
    return StreamingResponse(_rows(rooms, who, wanted, first), headers=headers, media_type=CSV)


COLUMNS = (
    *("print", "state", "ended_at", "started_at", "printed_s", "printer", "job", "job_name"),
    *("copy", "try", "file", "materials", "customer", "reference", "due", "reason", "notes"),
)


async def _rows(
    rooms: Rooms, who: Caller, wanted: Wanted, first: EndingsPage
) -> AsyncIterator[bytes]:
    """Read part by part: nothing waits for a slow reader, and no list is held whole."""
    yield BOM + line(COLUMNS)
    found, notes, place = first
    while True:
        lines = (_row(one, notes.get(one.id, ())) for one in _told_all(who, wanted, found))
        yield b"".join(lines)
        if place is None:
            return
        found, notes, place = await rooms.history.endings(wanted, place, BATCH)


def _row(one: Ending, notes: Sequence[Note]) -> bytes:
    printed = None if one.printed_s is None else round(one.printed_s)
    said = "\n".join(f"{note.by}: {note.text}" for note in notes)
    return line(
        (
            *(one.number, one.state.value, rfc3339(one.ended_at), rfc3339(one.started_at)),
            *(printed, one.printer_name, one.job_number, one.job_name, one.copy_no, one.try_no),
            *(one.file_name, " + ".join(one.materials), one.customer, one.reference),
            *(rfc3339(one.due), one.reason, said),
        )
    )


@router.post("/prints/{print_id}/notes", status_code=201, responses={201: {"model": NoteOut}})
async def add_note(rooms: AllRooms, who: Operator, print_id: InPath, body: NoteBody) -> Response:
    """Write something to a print, whatever its state; it stays as it was said."""
    by = who_says(who)
    note_id, at = await rooms.prints.note(print_id, body.text, by)
    return Json({"id": note_id, "at": at, "by": by, "text": body.text}, 201)


def _span(rooms: Rooms, since: datetime | None, until: datetime | None) -> tuple[datetime, ...]:
    last = rooms.clock.now() if until is None else until.astimezone(UTC)
    return last - A_MONTH if since is None else since.astimezone(UTC), last


@router.get("/analytics/outcomes", responses={200: {"model": OutcomesOut}})
async def outcomes(
    rooms: AllRooms, since: Since = None, until: Since = None, by: Of = Of.PRINTER
) -> Response:
    """How prints ended: those of the last 30 days, if nothing is said."""
    first, last = _span(rooms, since, until)
    found = await rooms.history.outcomes(by, first, last)
    items = [{"key": key, **tally_view(tally)} for key, tally in found.items()]
    items.sort(key=lambda one: (-_count(found[one["key"]]), one["key"] or ""))
    answer = {"since": first, "until": last, "by": by, "items": items}
    return Json(answer | {"total": tally_view(_sum(found))})


def _count(tally: Tally) -> int:
    return sum(tally.ended.values())


def _sum(found: Mapping[str | None, Tally]) -> Tally:
    ended: dict[PrintState, int] = {}
    for tally in found.values():
        for state, how_many in tally.ended.items():
            ended[state] = ended.get(state, 0) + how_many
    return Tally(ended, sum(tally.printed_s for tally in found.values()))


@router.get("/analytics/lateness", responses={200: {"model": LatenessOut}})
async def lateness(rooms: AllRooms, since: Since = None, until: Since = None) -> Response:
    """Whether jobs were made in time: those due in the last 30 days, if nothing is said."""
    first, last = _span(rooms, since, until)
    found = await rooms.history.lateness(first, last, MOST_LATE)
    now = rooms.clock.now()
    return Json(
        {
            "since": first,
            "until": last,
            "in_time": found.in_time,
            "late": found.late,
            "items": [_promise(one, now) for one in found.promises],
        }
    )


def _promise(one: Promise, now: datetime) -> dict[str, Any]:
    return {
        "job_id": one.job_id,
        "number": one.number,
        "name": one.name,
        "customer": one.customer,
        "due": one.due,
        "copies": one.copies,
        "made": one.made,
        "finished_at": one.finished_at,
        "late_s": round(one.late_s(now), 3),
    }
