"""The paths of the past in numbers: temperatures, how time was spent, a dashboard's numbers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import AwareDatetime, BaseModel
from starlette.responses import Response

from buildplate.api.answers import Json, Limit, page
from buildplate.api.expectations import Expectations
from buildplate.api.guard import LOOK
from buildplate.api.printer_views import TemperatureOut
from buildplate.api.rooms import AllRooms
from buildplate.api.schemas import InPath, Moment, PageOut
from buildplate.core.print_table import PrintState
from buildplate.core.spells import Pastime, utilization
from buildplate.history.model import By, Tally

router = APIRouter(prefix="/api/v1", tags=["history"], dependencies=[LOOK])
SINCE = timedelta(hours=1)
A_WEEK = timedelta(days=7)
Since = Annotated[Moment | None, Query(description="RFC 3339")]
Every = Annotated[
    float,
    Query(
        ge=0,
        le=86400,
        description="only the first of each part of so many seconds, counted from 1970, after the"
        " part that `since` is in: so the time of a page's last one begins the next; 0: all",
    ),
]


class SampleOut(BaseModel):
    """Temperatures at a moment, by heater."""

    at: AwareDatetime
    temperatures: dict[str, TemperatureOut]


class SamplePage(PageOut):
    """Samples, oldest first; `next_cursor` is the `since` of the next page."""

    items: list[SampleOut]


class SpentOut(BaseModel):
    """How time was spent, in seconds; `utilization` is the printing share of the working time.

    `key` is a printer's id, a group's name (null: no group), or a day (UTC). Disabled and unwatched
    time is no working time.
    """

    key: str | None
    printing_s: float
    foreign_s: float
    idle_s: float
    waiting_s: float
    offline_s: float
    disabled_s: float
    unwatched_s: float
    utilization: float | None


class UtilizationOut(BaseModel):
    """How printers spent their time from `since` to `until`."""

    since: AwareDatetime
    until: AwareDatetime
    by: By
    items: list[SpentOut]
    total: SpentOut


class TallyOut(BaseModel):
    """Prints that ended, by how; `success_rate` is the completed share of completed and failed."""

    completed: int
    failed: int
    cancelled: int
    not_started: int
    printed_s: float
    success_rate: float | None


class StatsOut(BaseModel):
    """Numbers for a dashboard: printers by what they do now, unfinished jobs, the queue."""

    printers: dict[str, int]
    jobs: dict[str, int]
    queued_prints: int
    late_prints: int
    last_day: TallyOut
    last_week: TallyOut


@router.get("/printers/{printer_id}/temperatures", responses={200: {"model": SamplePage}})
async def temperatures(
    rooms: AllRooms,
    printer_id: InPath,
    since: Since = None,
    limit: Limit = 1000,
    every: Every = 0.0,
) -> Response:
    """Temperatures after `since` (an hour ago, if left out), one a second where they changed."""
    after = rooms.clock.now() - SINCE if since is None else since.astimezone(UTC)
    found = await rooms.history.temperatures(printer_id, after, limit, every)
    items = [
        {
            "at": sample.at,
            "temperatures": {
                name: {"actual": actual, "target": target}
                for name, (actual, target) in sample.readings.items()
            },
        }
        for sample in found
    ]
    more = found[-1].at.isoformat().replace("+00:00", "Z") if len(found) == limit else None
    return page(items, more)


@router.get("/analytics/utilization/", include_in_schema=False)
@router.get("/analytics/utilization", responses={200: {"model": UtilizationOut}})
async def utilizations(
    rooms: AllRooms, since: Since = None, until: Since = None, by: By = By.PRINTER
) -> Response:
    """How printers spent their time: the last seven days, if nothing is said."""
    now = rooms.clock.now()
    last = now if until is None else min(until.astimezone(UTC), now)
    first = last - A_WEEK if since is None else since.astimezone(UTC)
    found = await rooms.history.utilization(first, last, by)
    whole: dict[Pastime, float] = {}
    for spent in found:
        for what, seconds in spent.seconds.items():
            whole[what] = whole.get(what, 0.0) + seconds
    items = [_spent(one.key, one.seconds) for one in found]
    answer = {"since": first, "until": last, "by": by, "items": items}
    return Json(answer | {"total": _spent(None, whole)})


@router.get("/dashboard/stats/", include_in_schema=False)
@router.get("/dashboard/stats", responses={200: {"model": StatsOut}})
async def stats(rooms: AllRooms, request: Request) -> Response:
    """The farm in a few numbers; those of the queue may be some seconds old."""
    expectations: Expectations = request.app.state.expectations
    found = await rooms.history.now()
    jobs = await rooms.jobs.counts()
    queued, late = await expectations.count()
    return Json(
        {
            "printers": {what.value: count for what, count in found.printers.items()},
            "jobs": {state.value: count for state, count in jobs.items()},
            "queued_prints": queued,
            "late_prints": late,
            "last_day": tally_view(found.day),
            "last_week": tally_view(found.week),
        }
    )


def _spent(key: str | None, seconds: Mapping[Pastime, float]) -> dict[str, Any]:
    named = {f"{what.value}_s": round(seconds.get(what, 0.0), 3) for what in Pastime}
    share = utilization(seconds)
    return {"key": key, **named, "utilization": None if share is None else round(share, 4)}


def tally_view(tally: Tally) -> dict[str, Any]:
    """Prints that ended, as they are answered."""
    ended = {
        state.value: tally.ended.get(state, 0)
        for state in (
            PrintState.COMPLETED,
            PrintState.FAILED,
            PrintState.CANCELLED,
            PrintState.NOT_STARTED,
        )
    }
    done, failed = ended["completed"], ended["failed"]
    rate = None if not done + failed else round(done / (done + failed), 4)
    return {**ended, "printed_s": round(tally.printed_s, 3), "success_rate": rate}
