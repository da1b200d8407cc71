"""The paths of the queue: its order and what to expect, reordering, stopping the farm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import AfterValidator, AwareDatetime, BaseModel, Field, model_validator
from starlette.responses import Response

from buildplate.access.model import Groups
from buildplate.api.answers import Json, Limit, PrintsCursor
from buildplate.api.guard import LOOK, OPERATE, Operator, Viewer
from buildplate.api.prints import who_says
from buildplate.api.rooms import AllRooms
from buildplate.api.schemas import Body, PageOut, Reference, visible
from buildplate.core.jobs import Priority
from buildplate.dispatch.queue_service import QueueRow

router = APIRouter(prefix="/api/v1", tags=["queue"], dependencies=[LOOK])


REMEMBERED = 8
"""So many prints a cursor names."""


class WaitCount(BaseModel):
    """How many printers do not start a print, by their weightiest reason."""

    code: str
    count: int


class QueueOut(BaseModel):
    """A print's place in the queue, from 1; `slack_s` seconds it may still wait and be in time."""

    print_id: str
    job_id: str
    job_number: int
    copy_no: int
    position: int
    priority: Priority
    due: AwareDatetime | None
    slack_s: float | None
    late: bool
    expected_start: AwareDatetime | None
    expected_end: AwareDatetime | None
    printer_id: str | None
    waiting_summary: list[WaitCount]


class QueuePage(PageOut):
    """A part of the queue, and whether the whole farm is stopped, and why."""

    items: list[QueueOut]
    stopped: bool
    stopped_reason: str | None


class ReorderBody(Body):
    """Which job goes ahead of which; a print names its job, `before` null undoes it."""

    job_id: Reference | None = None
    print_id: Reference | None = None
    before: Reference | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> ReorderBody:
        if (self.job_id is None) == (self.print_id is None):
            raise ValueError(NAME_ONE)
        return self


NAME_ONE = "name either a job_id or a print_id"


class StopBody(Body):
    """Why the farm is stopped."""

    reason: Annotated[str, Field(max_length=500), AfterValidator(visible)] = ""


class ReleaseBody(Body):
    """`anyway`: also while printers were not compared with a restored database yet."""

    anyway: bool = False


class FarmOut(BaseModel):
    """Whether the whole farm is stopped."""

    stopped: bool


def queue_view(row: QueueRow, groups: Groups = None) -> dict[str, Any]:
    """A place in the queue as it is answered to whoever is confined to these groups.

    They are not told how many printers others have: only those of the job's own group count.
    """
    item = row.item
    summary = (row.summary if groups is None else row.in_group) or {}
    job = item.print.job
    return {
        "print_id": item.print.id,
        "job_id": job.id,
        "job_number": job.number,
        "copy_no": item.print.copy,
        "position": item.position,
        "priority": job.priority,
        "due": job.due,
        "slack_s": item.slack_s,
        "late": item.late,
        "expected_start": item.expected_start,
        "expected_end": item.expected_end,
        "printer_id": item.printer_id,
        "waiting_summary": [{"code": code, "count": count} for code, count in summary.items()],
    }


@router.get("/queue", responses={200: {"model": QueuePage}})
async def queue(
    rooms: AllRooms, who: Viewer, limit: Limit = 100, cursor: PrintsCursor = None
) -> Response:
    """The queue in its order: what to expect of each print, and in short why it waits."""
    rows = [row for row in await rooms.queue.queue() if who.reaches(group_of(row))]
    after = _place_after(rows, cursor)
    shown = rows[after : after + limit]
    more = _cursor(shown) if len(rows) > after + limit else None
    why = await rooms.queue.why_stopped()
    return Json(
        {
            "items": [queue_view(row, who.groups) for row in shown],
            "next_cursor": more,
            "stopped": why is not None,
            # It may name a printer of other groups.
            "stopped_reason": (why or None) if who.groups is None else None,
        }
    )


def group_of(row: QueueRow) -> str | None:
    """The group that a print in the queue belongs to."""
    return row.item.print.job.requirements.group


def _cursor(shown: Sequence[QueueRow]) -> str:
    """The last prints of a page, the very last one first: some may have left by the next one."""
    return ".".join(row.item.print.id for row in shown[: -REMEMBERED - 1 : -1])


def _place_after(rows: Sequence[QueueRow], cursor: str | None) -> int:
    """Where a page goes on; at the beginning if none is left of those: no print is passed over."""
    places = {row.item.print.id: place for place, row in enumerate(rows)} if cursor else {}
    for print_id in (cursor or "").split("."):
        if print_id in places:
            return places[print_id] + 1
    return 0


@router.post("/queue/reorder", status_code=204, dependencies=[OPERATE])
async def reorder(rooms: AllRooms, body: ReorderBody) -> Response:
    """Put a job right ahead of another one of its priority, or back into the plan's own order."""
    moved = await _job_of(rooms, body.job_id, body.print_id)
    before = None if body.before is None else str(body.before)
    await rooms.queue.reorder(moved, before)
    return Response(status_code=204)


async def _job_of(rooms: AllRooms, job: str | int | None, print_: str | int | None) -> str:
    if print_ is not None:
        return (await rooms.prints.print(str(print_))).job_id
    return str(job)


@router.post("/queue/stop", responses={200: {"model": FarmOut}})
async def stop(rooms: AllRooms, who: Operator, body: StopBody | None = None) -> Response:
    """Stop the whole farm: nothing new is claimed or started; running prints go on."""
    reason = (body.reason if body else "") or f"stopped by {who_says(who)}"
    await rooms.queue.stop(stopped=True, reason=reason)
    return Json({"stopped": True})


@router.post("/queue/release", responses={200: {"model": FarmOut}})
async def release(rooms: AllRooms, who: Operator, body: ReleaseBody | None = None) -> Response:
    """Release the farm; after a restore once every printer was compared with it, or `anyway`."""
    anyway = body is not None and body.anyway
    await rooms.queue.release(reason=f"released by {who_says(who)}", anyway=anyway)
    return Json({"stopped": False})
