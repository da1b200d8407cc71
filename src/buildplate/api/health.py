"""The path of the farm's health: open, from memory, answered within a second whatever hangs."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import Response

from buildplate.api.answers import Json
from buildplate.api.rooms import AllRooms, Rooms
from buildplate.core.printers import Activity, Link
from buildplate.storage import Storage, StorageError, last_seq

router = APIRouter(tags=["health"])
AT_WORK = frozenset({Activity.OURS, Activity.PAUSED})
PATIENCE_S = 0.5
FRESH_S = 1.0


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


class Pulse:
    """Whether the database answers: asked at most once a second, for all who want to know.

    A question is given up before the next one may be asked, so one hangs at most.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._asked_at = float("-inf")
        self._beats = True

    async def beats(self) -> bool:
        """Whether the database answered the last question."""
        now = asyncio.get_running_loop().time()
        if now >= self._asked_at + FRESH_S:
            self._asked_at = now
            self._beats = await self._answers()
        return self._beats

    async def _answers(self) -> bool:
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._storage.read(last_seq)
        except (TimeoutError, StorageError):
            return False
        return True


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


@router.get("/health/", include_in_schema=False)
@router.get("/health", responses={200: {"model": HealthOut}, 503: {"model": HealthOut}})
async def health(rooms: AllRooms, request: Request) -> Response:
    """How the farm is. Needs no key; 503 where the database does not answer."""
    pulse: Pulse = request.app.state.pulse
    beats = await pulse.beats()
    printers = count(rooms)
    status = Health.OK
    if not beats:
        status = Health.DOWN
    elif printers["attention"] or printers["online"] < _wanted(rooms):
        status = Health.DEGRADED
    content: dict[str, Any] = {"status": status, "version": rooms.version, "printers": printers}
    return Json(content, 503 if status is Health.DOWN else 200)
