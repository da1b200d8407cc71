"""The paths of prints: look, confirm, pause, resume, cancel, resolve, and why one waits."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, Strict
from starlette.responses import Response

from buildplate.access.model import Caller
from buildplate.api.answers import Json, Limit, NumberCursor, page, versioned
from buildplate.api.guard import LOOK, OPERATE, Operator, Viewer
from buildplate.api.printer_schemas import AssignBody
from buildplate.api.printers import in_service
from buildplate.api.problems import Refusal
from buildplate.api.rooms import AllRooms, Rooms
from buildplate.api.schemas import REFERENCE, Body, InPath, PageOut
from buildplate.api.scopes import (
    check_job,
    check_print,
    check_printer,
    reaches_print,
    reaches_printer,
)
from buildplate.core.print_table import PrintState
from buildplate.core.printers import Bed
from buildplate.core.reasons import REQUESTS, Reason, WaitReason, wait_for
from buildplate.core.upload_names import tries_of
from buildplate.dispatch.model import PrintRecord
from buildplate.fleet.model import CommandRecord

router = APIRouter(prefix="/api/v1", tags=["prints"], dependencies=[LOOK])


class PrintOut(BaseModel):
    """One physical attempt at one copy.

    `progress` is 0 to 1, `time_left_s` seconds, of a print that holds a printer now. `evidence` is
    what the printer said; `resolution` what a person said.
    """

    id: str
    number: int
    version: int
    job_id: str
    copy_no: int
    try_no: int
    state: PrintState
    printer_id: str | None
    file_name: str | None
    wants_cancel: bool
    confirmed: bool
    reason: str | None
    evidence: dict[str, Any] | None
    resolution: dict[str, Any] | None
    wanted_verdict: str | None
    not_before: AwareDatetime | None
    avoid_printer_id: str | None
    assigned_printer_id: str | None
    created_at: AwareDatetime
    claimed_at: AwareDatetime | None
    intent_at: AwareDatetime | None
    started_at: AwareDatetime | None
    ended_at: AwareDatetime | None
    progress: float | None
    time_left_s: float | None


class PrintPage(PageOut):
    """A part of the list of prints."""

    items: list[PrintOut]


class CommandAsked(BaseModel):
    """A physical command that was stored and will be sent: follow it by its id."""

    command_id: str


class UnblockOut(BaseModel):
    """What removes a reason: a request of this API, or `wait`.

    `params` is the request's body; under `ask` it names what only a person can fill in.
    """

    action: str
    target: str | None
    params: dict[str, Any]
    method: str | None
    path: str | None


class ReasonOut(BaseModel):
    """Why a print does not start on one printer; codes are open-ended."""

    printer_id: str
    code: str
    detail: str
    unblock: UnblockOut


class WaitingOut(PageOut):
    """Every reason why a print waits, printer by printer, the weightiest first."""

    items: list[ReasonOut]


class ResolveBody(Body):
    """What a person saw: how the print ended, and what lies on the bed.

    `override` also where the printer can't be reached to check the word; it is recorded as one.
    """

    outcome: Annotated[PrintState, Strict(strict=False)]
    bed: Annotated[Bed, Strict(strict=False)]
    override: bool = False


OUTCOMES = (PrintState.COMPLETED, PrintState.FAILED, PrintState.NOT_STARTED)


def who_says(who: Caller) -> str:
    """Whoever a record names as the one who asked."""
    return f"{who.kind} {who.name}"


def print_view(rooms: Rooms, print_: PrintRecord) -> dict[str, Any]:
    """A print as it is answered."""
    progress = time_left = None
    session = rooms.fleet.sessions.get(print_.printer_id or "")
    if session is not None and print_.state in (PrintState.PRINTING, PrintState.PAUSED):
        progress, time_left = session.live.progress, session.live.time_left_s
    return {
        "id": print_.id,
        "number": print_.number,
        "version": print_.version,
        "job_id": print_.job_id,
        "copy_no": print_.copy_no,
        "try_no": print_.try_no,
        "state": print_.state,
        "printer_id": print_.printer_id,
        "file_name": print_.file_name if tries_of(print_.attempt) else None,
        "wants_cancel": print_.wants_cancel,
        "confirmed": print_.confirmed,
        "reason": print_.reason,
        "evidence": print_.evidence,
        "resolution": print_.resolution,
        "wanted_verdict": print_.exit_verdict,
        "not_before": print_.not_before,
        "avoid_printer_id": print_.avoid_printer_id,
        "assigned_printer_id": print_.assigned_printer_id,
        "created_at": print_.created_at,
        "claimed_at": print_.claimed_at,
        "intent_at": print_.intent_at,
        "started_at": print_.started_at,
        "ended_at": print_.ended_at,
        "progress": progress,
        "time_left_s": time_left,
    }


def answer(rooms: Rooms, print_: PrintRecord, status: int = 200) -> Json:
    """A print with its version."""
    return versioned(print_view(rooms, print_), print_.version, status)


def asked(command: CommandRecord) -> Json:
    """The answer to a command that was stored and is still to be sent."""
    where = {"location": f"/api/v1/commands/{command.id}"}
    return Json({"command_id": command.id}, 202, where)


def reason_view(reason: WaitReason) -> dict[str, Any]:
    """A reason with the request that removes it."""
    unblock = reason.unblock
    request = REQUESTS[unblock.action]
    path = None if request is None else request.path.format(target=unblock.target)
    return {
        "printer_id": reason.printer_id,
        "code": reason.code,
        "detail": reason.detail,
        "unblock": {
            "action": unblock.action,
            "target": unblock.target,
            "params": unblock.params,
            "method": None if request is None else request.method,
            "path": path,
        },
    }


@router.get("/prints", responses={200: {"model": PrintPage}, 404: {}})
async def list_prints(
    rooms: AllRooms,
    who: Viewer,
    limit: Limit = 100,
    cursor: NumberCursor = None,
    state: PrintState | None = None,
    job: Annotated[str | None, Query(pattern=REFERENCE, description="a job's id or number")] = None,
    printer: Annotated[
        str | None, Query(pattern=REFERENCE, description="a printer's id or number")
    ] = None,
) -> Response:
    """List prints, newest first."""
    filters: dict[str, Any] = {}
    if state is not None:
        filters["state"] = state.value
    if job is not None:
        if who.groups is not None:
            await check_job(rooms, who, job)
        filters["job_id"] = (await rooms.jobs.job(job)).job.id
    if printer is not None:
        if who.groups is not None:
            await check_printer(rooms, who, printer)
        filters["printer_id"] = (await rooms.fleet.get(printer)).id
    found, more = await rooms.prints.prints(limit, cursor, filters)
    shown = [one for one in found if who.groups is None or await reaches_print(rooms, who, one)]
    return page([print_view(rooms, print_) for print_ in shown], more)


@router.get("/prints/{print_id}", responses={200: {"model": PrintOut}})
async def get_print(rooms: AllRooms, print_id: InPath) -> Response:
    """Look at one print."""
    return answer(rooms, await rooms.prints.print(print_id))


@router.get("/prints/{print_id}/waiting", responses={200: {"model": WaitingOut}})
async def waiting(rooms: AllRooms, who: Viewer, print_id: InPath) -> Response:
    """Say, printer by printer, why a queued print does not start, and what would change that."""
    found = await rooms.queue.waiting(print_id)
    shown = [
        await _told(rooms, who, one) for one in found if reaches_printer(rooms, who, one.printer_id)
    ]
    return page([reason_view(reason) for reason in shown], None)


async def _told(rooms: Rooms, who: Caller, reason: WaitReason) -> WaitReason:
    """The reason as the caller is told it: a print of others that is ahead is not named."""
    if who.groups is None or reason.code is not Reason.HIGHER_PRIORITY_FIRST:
        return reason
    params = reason.unblock.params
    ahead = str(params.get("print_id", params.get("before")))
    if await reaches_print(rooms, who, await rooms.prints.print(ahead)):
        return reason
    return replace(reason, detail="another print is ahead in the queue", unblock=wait_for("print"))


@router.post(
    "/prints/{print_id}/confirm", responses={200: {"model": PrintOut}}, dependencies=[OPERATE]
)
async def confirm(rooms: AllRooms, print_id: InPath) -> Response:
    """Let a waiting print start on a printer that asks for a person's word."""
    return answer(rooms, await rooms.prints.confirm(print_id))


@router.post("/prints/{print_id}/pause", status_code=202, responses={202: {"model": CommandAsked}})
async def pause(rooms: AllRooms, print_id: InPath, who: Operator) -> Response:
    """Pause a running print."""
    return asked(await rooms.prints.ask(print_id, "pause", who_says(who)))


@router.post("/prints/{print_id}/resume", status_code=202, responses={202: {"model": CommandAsked}})
async def resume(rooms: AllRooms, print_id: InPath, who: Operator) -> Response:
    """Resume a paused print."""
    return asked(await rooms.prints.ask(print_id, "resume", who_says(who)))


@router.post(
    "/prints/{print_id}/cancel",
    status_code=202,
    responses={202: {"model": PrintOut}},
    dependencies=[OPERATE],
)
async def cancel(rooms: AllRooms, print_id: InPath) -> Response:
    """Wish for a print's end; a queued one ends at once, a running one on its printer."""
    return answer(rooms, await rooms.prints.cancel_print(print_id), 202)


@router.post("/prints/{print_id}/resolve", status_code=202, responses={202: {"model": PrintOut}})
async def resolve(rooms: AllRooms, print_id: InPath, body: ResolveBody, who: Operator) -> Response:
    """Say how a print ended that nobody can tell; the word takes the same exit as evidence."""
    if body.outcome not in OUTCOMES or body.bed is Bed.UNKNOWN:
        detail = "outcome is completed, failed or not_started; bed is clear or occupied"
        raise Refusal(422, "invalid_request", detail, "Look at the printer and say what you see.")
    resolved = await rooms.prints.resolve(
        print_id, body.outcome, body.bed, override=body.override, who=who_says(who)
    )
    return answer(rooms, resolved, 202)


# --- the print that a printer holds now ------------------------------------------------------


def _held(rooms: Rooms, printer_id: str) -> str:
    session = in_service(rooms, printer_id)
    print_id = session.as_printer().status.active_print_id
    if print_id is None:
        detail = f"printer {session.record.spec.number} has no print of ours"
        hint = "A print that somebody else started is controlled where it was started."
        raise Refusal(409, "no_active_print", detail, hint)
    return print_id


@router.post(
    "/printers/{printer_id}/pause", status_code=202, responses={202: {"model": CommandAsked}}
)
async def pause_printer(rooms: AllRooms, printer_id: InPath, who: Operator) -> Response:
    """Pause the print that this printer runs."""
    return asked(await rooms.prints.ask(_held(rooms, printer_id), "pause", who_says(who)))


@router.post(
    "/printers/{printer_id}/resume", status_code=202, responses={202: {"model": CommandAsked}}
)
async def resume_printer(rooms: AllRooms, printer_id: InPath, who: Operator) -> Response:
    """Resume the print that this printer has paused."""
    return asked(await rooms.prints.ask(_held(rooms, printer_id), "resume", who_says(who)))


@router.post(
    "/printers/{printer_id}/cancel",
    status_code=202,
    responses={202: {"model": PrintOut}},
    dependencies=[OPERATE],
)
async def cancel_printer(rooms: AllRooms, printer_id: InPath) -> Response:
    """Wish for the end of the print that this printer holds."""
    return answer(rooms, await rooms.prints.cancel_print(_held(rooms, printer_id)), 202)


@router.post("/printers/{printer_id}/assign/", include_in_schema=False, dependencies=[OPERATE])
@router.post(
    "/printers/{printer_id}/assign", responses={200: {"model": PrintOut}}, dependencies=[OPERATE]
)
async def assign(rooms: AllRooms, who: Operator, printer_id: InPath, body: AssignBody) -> Response:
    """Give a queued print, or a job's next one, to this printer only, ahead of its class."""
    job = None if body.job_id is None else str(body.job_id)
    print_ = None if body.print_id is None else str(body.print_id)
    session = in_service(rooms, printer_id)
    if who.groups is not None and job is not None:
        await check_job(rooms, who, job)
    if who.groups is not None and print_ is not None:
        await check_print(rooms, who, print_)
    return answer(rooms, await rooms.prints.assign(session.id, job=job, print_=print_))
