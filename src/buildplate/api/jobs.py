"""The paths of jobs: order, look, change, hold, release, cancel, retry, duplicate."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request
from starlette.responses import Response

from buildplate.access.model import Caller
from buildplate.api.answers import (
    Json,
    Limit,
    NumberCursor,
    check_version,
    expected_version,
    page,
    versioned,
)
from buildplate.api.expectations import Expectations
from buildplate.api.guard import LOOK, OPERATE, Operator, Viewer
from buildplate.api.job_schemas import (
    JobBody,
    JobOut,
    JobPage,
    JobPatch,
    JobStatusOut,
    OwedJob,
    changes_from,
    duplicate_key_for,
    key_for,
    order_from,
    requirements_view,
)
from buildplate.api.prints import print_view
from buildplate.api.rooms import AllRooms, Rooms
from buildplate.api.schemas import InPath
from buildplate.api.scopes import check_order, check_ordered, reaches_job, reaches_print
from buildplate.core.job_state import ENDED, JobState
from buildplate.core.jobs import Priority
from buildplate.core.print_table import ACTIVE
from buildplate.dispatch.model import JobView

router = APIRouter(prefix="/api/v1", tags=["jobs"], dependencies=[LOOK])
IfMatch = Annotated[int | None, Depends(expected_version)]
IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="the same key and body again answer the job made first; other bodies are 422",
    ),
]


def job_view(view: JobView) -> dict[str, Any]:
    """A job as it is answered."""
    job = view.job
    return {
        "id": job.id,
        "number": job.number,
        "version": job.version,
        "file_id": job.file_id,
        "name": job.name,
        "copies": job.copies,
        "priority": job.priority,
        "due": job.due,
        "requirements": requirements_view(job.requirements),
        "retries": job.retries,
        "hold": job.hold,
        "customer": job.customer,
        "reference": job.reference,
        "origin": job.origin,
        "created_at": job.created_at,
        "state": view.state,
        "finished": view.finished,
        "failed": view.counts.failed,
        "active": view.counts.active,
        "queued": view.counts.queued,
        "overdue": view.overdue,
    }


def answer(view: JobView, status: int = 200, **headers: str) -> Json:
    """A job with its version."""
    return versioned(job_view(view), view.job.version, status, **headers)


async def _receive(
    rooms: Rooms, who: Caller, body: JobBody, idempotency_key: str | None
) -> Response:
    order = order_from(body, rooms)
    check_order(rooms, who, order.requirements)
    view, created = await rooms.jobs.receive(order, key_for(body, idempotency_key))
    check_ordered(who, view.job)
    where = f"/api/v1/jobs/{view.job.id}"
    return answer(view, 201 if created else 200, location=where)


@router.post(
    "/jobs",
    status_code=201,
    responses={200: {"model": JobOut}, 201: {"model": JobOut}},
    dependencies=[OPERATE],
)
async def add_job(
    rooms: AllRooms, who: Operator, body: JobBody, idempotency_key: IdempotencyKey = None
) -> Response:
    """Order copies of a file; durable when this answers."""
    return await _receive(rooms, who, body, idempotency_key)


@router.post("/jobs/receive/", include_in_schema=False, dependencies=[OPERATE])
@router.post(
    "/jobs/receive",
    status_code=201,
    responses={200: {"model": JobOut}, 201: {"model": JobOut}},
    dependencies=[OPERATE],
)
async def receive_job(
    rooms: AllRooms, who: Operator, body: OwedJob, idempotency_key: IdempotencyKey = None
) -> Response:
    """The same as POST /jobs, for clients that say more than is known here."""
    return await _receive(rooms, who, body, idempotency_key)


@router.get("/jobs", responses={200: {"model": JobPage}})
async def list_jobs(
    rooms: AllRooms,
    who: Viewer,
    limit: Limit = 100,
    cursor: NumberCursor = None,
    state: JobState | None = None,
    file_id: str | None = None,
    priority: Priority | None = None,
    customer: str | None = None,
    reference: str | None = None,
    origin: str | None = None,
    hold: bool | None = None,  # noqa: FBT001 (a query parameter)
) -> Response:
    """List jobs, newest first."""
    asked: Mapping[str, Any] = {
        "state": state,
        "file_id": file_id,
        "priority": None if priority is None else priority.value,
        "customer": customer,
        "reference": reference,
        "origin": origin,
        "hold": hold,
    }
    filters = {name: value for name, value in asked.items() if value is not None}
    found, more = await rooms.jobs.jobs(limit, cursor, filters)
    return page([job_view(view) for view in found if reaches_job(who, view.job)], more)


@router.get("/jobs/{job_id}", responses={200: {"model": JobOut}})
async def get_job(rooms: AllRooms, job_id: InPath) -> Response:
    """Look at one job."""
    return answer(await rooms.jobs.job(job_id))


@router.patch("/jobs/{job_id}", responses={200: {"model": JobOut}})
async def patch_job(
    rooms: AllRooms, who: Operator, job_id: InPath, body: JobPatch, version: IfMatch
) -> Response:
    """Change what a job asks for; prints that have a printer are not touched."""
    view = await rooms.jobs.job(job_id)
    check_version(version, view.job.version)
    changes = changes_from(job_view(view), body, rooms)
    if "requirements" in changes:
        check_order(rooms, who, changes["requirements"])
    return answer(await rooms.jobs.edit(view.job.id, view.job.version, changes))


@router.get("/jobs/{job_id}/status/", include_in_schema=False)
@router.get("/jobs/{job_id}/status", responses={200: {"model": JobStatusOut}})
async def job_status(rooms: AllRooms, who: Viewer, request: Request, job_id: InPath) -> Response:
    """Where a job stands, print by print: those under way, and the first others, 1000 in all."""
    view = await rooms.jobs.status(job_id)
    prints = [
        print_view(rooms, print_)
        for print_ in view.prints
        if print_.printer_id is None or await reaches_print(rooms, who, print_)
    ]
    return Json(
        {
            "id": view.job.id,
            "number": view.job.number,
            "state": view.state,
            "copies": view.job.copies,
            "finished": view.finished,
            "failed": view.counts.failed,
            "active": view.counts.active,
            "progress": _progress(view, prints),
            "expected_end": await _expected_end(request, rooms, view, prints),
            "due": view.job.due,
            "overdue": view.overdue,
            "hold": view.job.hold,
            "prints": prints,
        }
    )


async def _expected_end(
    request: Request, rooms: Rooms, view: JobView, prints: list[dict[str, Any]]
) -> datetime | None:
    """When the last copy should be done; None once nothing is left, or where nobody can tell."""
    if view.state in ENDED:
        return None
    ends: list[datetime | None] = []
    for print_ in prints:
        if print_["state"] in ACTIVE:
            left = print_["time_left_s"]
            ends.append(None if left is None else rooms.clock.now() + timedelta(seconds=left))
    if view.counts.queued:
        expectations: Expectations = request.app.state.expectations
        ends.append(await expectations.end_of(view.job.id))
    known = [end for end in ends if end is not None]
    return max(known) if known and len(known) == len(ends) else None


def _progress(view: JobView, prints: list[dict[str, Any]]) -> float:
    under_way = sum(print_["progress"] or 0.0 for print_ in prints)
    return round(min((view.finished + under_way) / view.job.copies, 1.0), 4)


@router.post("/jobs/{job_id}/hold", responses={200: {"model": JobOut}}, dependencies=[OPERATE])
async def hold_job(rooms: AllRooms, job_id: InPath) -> Response:
    """Hold a job: nothing new of it starts."""
    return answer(await rooms.jobs.hold(job_id, hold=True))


@router.post("/jobs/{job_id}/release", responses={200: {"model": JobOut}}, dependencies=[OPERATE])
async def release_job(rooms: AllRooms, job_id: InPath) -> Response:
    """Release a held job."""
    return answer(await rooms.jobs.hold(job_id, hold=False))


@router.post(
    "/jobs/{job_id}/cancel",
    status_code=202,
    responses={202: {"model": JobOut}},
    dependencies=[OPERATE],
)
async def cancel_job(rooms: AllRooms, job_id: InPath) -> Response:
    """Cancel a job: queued prints end at once, running ones on their printers."""
    return answer(await rooms.jobs.cancel(job_id), 202)


@router.post("/jobs/{job_id}/retry", responses={200: {"model": JobOut}}, dependencies=[OPERATE])
async def retry_job(rooms: AllRooms, job_id: InPath) -> Response:
    """Queue again the copies that are missing."""
    return answer(await rooms.jobs.retry(job_id))


@router.post(
    "/jobs/{job_id}/duplicate",
    status_code=201,
    responses={200: {"model": JobOut}, 201: {"model": JobOut}},
    dependencies=[OPERATE],
)
async def duplicate_job(
    rooms: AllRooms, who: Operator, job_id: InPath, idempotency_key: IdempotencyKey = None
) -> Response:
    """Order the same again."""
    original = (await rooms.jobs.job(job_id)).job.id
    key = duplicate_key_for(original, idempotency_key)
    view, created = await rooms.jobs.duplicate(original, key)
    check_ordered(who, view.job)
    return answer(view, 201 if created else 200, location=f"/api/v1/jobs/{view.job.id}")
