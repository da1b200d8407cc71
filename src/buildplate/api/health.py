"""The paths of the farm's health: from memory, answered within a second whatever hangs."""

from __future__ import annotations

import asyncio
import platform
import sqlite3
import ssl
from collections.abc import Awaitable, Callable
from enum import StrEnum
from functools import partial
from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import AwareDatetime, BaseModel
from starlette.responses import Response

from buildplate.api.answers import Json
from buildplate.api.books import books
from buildplate.api.guard import LOOK
from buildplate.api.rooms import AllRooms, Rooms
from buildplate.api.survey import InThread, Question
from buildplate.api.vitals import Room, room
from buildplate.core.printers import Activity, Link
from buildplate.fleet.sealing import NO_KEY
from buildplate.fleet.session import PrinterSession
from buildplate.storage import last_seq

router = APIRouter(tags=["health"])
AT_WORK = frozenset({Activity.OURS, Activity.PAUSED})
LITTLE_ROOM = 1_000_000_000
"""Bytes: two of the largest print files."""


class Health(StrEnum):
    """`degraded`: a printer in service needs a person or cannot be reached; `down`: no database."""

    OK = "ok"
    DEGRADED = "degraded"
    DOWN = "down"


class PrintersOut(BaseModel):
    """Printers by what they are doing."""

    total: int
    online: int
    printing: int
    attention: int


class HealthOut(BaseModel):
    """How the farm is."""

    status: Health
    version: str
    printers: PrintersOut


class DatabaseOut(BaseModel):
    """Whether the database answers, and how quickly (s); its file's size in bytes."""

    status: Health
    answer_s: float | None
    size_bytes: int | None


class StorageOut(BaseModel):
    """The disk of the data, in bytes; null where it does not answer."""

    status: Health
    free_bytes: int | None
    total_bytes: int | None


class WorkOut(BaseModel):
    """Prints that wait and prints that have a printer; null without the database."""

    waiting: int | None
    active: int | None


class OnePrinterOut(BaseModel):
    """How one printer is; `age_s` is how long ago it last said anything (s)."""

    id: str
    number: int
    name: str
    status: Health
    link: Link
    activity: Activity
    problem: str
    problem_code: str
    hint: str
    needs_attention: bool
    lost_links: int
    age_s: float | None


class NotUsedOut(BaseModel):
    """A part that this farm does without."""

    status: Literal["not_used"] = "not_used"


class SecretsOut(BaseModel):
    """Whether there is a key that opens the printers' secrets; `problem` says why not."""

    status: Health
    problem: str
    hint: str


class SystemOut(BaseModel):
    """What the server runs on, and its clock."""

    python: str
    sqlite: str
    openssl: str
    time: AwareDatetime


class DetailedOut(HealthOut):
    """How each part of the farm is."""

    secrets: SecretsOut
    system: SystemOut

    database: DatabaseOut
    broker: NotUsedOut
    cache: NotUsedOut
    storage: StorageOut
    queue: WorkOut
    event_loop_lag_s: float | None
    each_printer: list[OnePrinterOut]


class Checks:
    """What the farm is asked about itself, by /health, /health/detailed and /metrics."""

    def __init__(self, rooms: Rooms) -> None:
        self.pulse = Question(lambda: rooms.storage.read(last_seq))
        self.books = Question(lambda: rooms.storage.read(books))
        self.room: Question[Room] = Question(_looking(rooms))


def _looking(rooms: Rooms) -> Callable[[], Awaitable[Room]]:
    async def nowhere() -> Room:
        raise FileNotFoundError

    vitals = rooms.vitals
    return nowhere if vitals is None else InThread(partial(room, vitals.places))


def count(rooms: Rooms) -> dict[str, int]:
    """The printers in service, by what they are doing."""
    found = {"total": 0, "online": 0, "printing": 0, "attention": 0}
    for session in rooms.fleet.sessions.values():
        live = session.live
        occupant = session.parts.steward.occupant(session.id)
        found["total"] += 1
        found["online"] += live.link is Link.ONLINE
        if occupant is not None:
            found["printing"] += live.activity in AT_WORK
            found["attention"] += occupant[1]
    return found


def _wanted(rooms: Rooms) -> int:
    return sum(session.record.spec.enabled for session in rooms.fleet.sessions.values())


def status_of(rooms: Rooms, *, beats: bool) -> Health:
    """How the farm is; `beats`: its database answers."""
    if not beats:
        return Health.DOWN
    printers = count(rooms)
    trouble = printers["attention"] or printers["online"] < _wanted(rooms)
    return Health.DEGRADED if trouble else Health.OK


async def _in_short(rooms: Rooms, checks: Checks) -> dict[str, Any]:
    beats = await checks.pulse.answer() is not None
    status = status_of(rooms, beats=beats)
    return {"status": status, "version": rooms.version, "printers": count(rooms)}


def _code(content: dict[str, Any]) -> int:
    return 503 if content["status"] is Health.DOWN else 200


@router.get("/health/", include_in_schema=False)
@router.get("/health", responses={200: {"model": HealthOut}, 503: {"model": HealthOut}})
async def health(rooms: AllRooms, request: Request) -> Response:
    """How the farm is. Needs no key; 503 where the database does not answer."""
    content = await _in_short(rooms, request.app.state.checks)
    return Json(content, _code(content))


@router.get("/health/detailed/", include_in_schema=False, dependencies=[LOOK])
@router.get(
    "/health/detailed",
    responses={200: {"model": DetailedOut}, 503: {"model": DetailedOut}},
    dependencies=[LOOK],
)
async def health_detailed(rooms: AllRooms, request: Request) -> Response:
    """How each part of the farm is; answered in a second, whatever hangs."""
    checks: Checks = request.app.state.checks
    content, counted, disk = await asyncio.gather(
        _in_short(rooms, checks), checks.books.answer(), checks.room.answer()
    )
    beats = content["status"] is not Health.DOWN
    content |= {
        "database": {
            "status": Health.OK if beats else Health.DOWN,
            "answer_s": checks.pulse.took_s if beats else None,
            "size_bytes": None if disk is None else disk.database,
        },
        "broker": {"status": "not_used"},
        "cache": {"status": "not_used"},
        "storage": _storage(disk),
        "queue": {
            "waiting": None if counted is None else counted.waiting,
            "active": None if counted is None else counted.active,
        },
        "secrets": _secrets(rooms),
        "system": {
            "python": platform.python_version(),
            "sqlite": sqlite3.sqlite_version,
            "openssl": ssl.OPENSSL_VERSION,
            "time": rooms.clock.now(),
        },
        "event_loop_lag_s": None if rooms.vitals is None else rooms.vitals.lag_s,
        "each_printer": [_printer(one) for one in rooms.fleet.sessions.values()],
    }
    return Json(content, _code(content))


def _secrets(rooms: Rooms) -> dict[str, Any]:
    trouble = rooms.fleet.seals.trouble
    status = Health.DEGRADED if trouble else Health.OK
    return {"status": status, "problem": trouble, "hint": NO_KEY if trouble else ""}


def _storage(disk: Room | None) -> dict[str, Any]:
    if disk is None:
        return {"status": Health.DOWN, "free_bytes": None, "total_bytes": None}
    status = Health.DEGRADED if disk.free < LITTLE_ROOM else Health.OK
    return {"status": status, "free_bytes": disk.free, "total_bytes": disk.total}


def _printer(session: PrinterSession) -> dict[str, Any]:
    live, spec = session.live, session.record.spec
    occupant = session.parts.steward.occupant(session.id)
    asks = occupant is not None and occupant[1]
    fine = not asks and (live.link is Link.ONLINE or not spec.enabled)
    now = session.parts.clock.boot()
    return {
        "id": session.id,
        "number": spec.number,
        "name": spec.name,
        "status": Health.OK if fine else Health.DEGRADED,
        "link": live.link,
        "activity": live.activity,
        "problem": live.problem,
        "problem_code": live.problem_code,
        "hint": live.hint,
        "needs_attention": asks,
        "lost_links": session.connection.lost,
        "age_s": None if live.told_at is None else round(max(now - live.told_at, 0.0), 3),
    }
