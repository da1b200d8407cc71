"""The path of physical commands: what became of one."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel
from starlette.responses import Response

from buildplate.api.answers import Json
from buildplate.api.guard import LOOK
from buildplate.api.rooms import AllRooms
from buildplate.api.schemas import InPath
from buildplate.fleet.model import CommandRecord, CommandState

router = APIRouter(prefix="/api/v1", tags=["commands"], dependencies=[LOOK])


class CommandOut(BaseModel):
    """A physical command: asked, then sent, then answered, refused, unknown or settled."""

    id: str
    printer_id: str
    print_id: str | None
    kind: str
    state: CommandState
    asked_by: str | None
    asked_at: AwareDatetime
    sent_at: AwareDatetime | None
    answered_at: AwareDatetime | None
    settled_at: AwareDatetime | None
    answer: str | None
    params: dict[str, Any]


def command_view(command: CommandRecord) -> dict[str, Any]:
    """A command as it is answered."""
    return {
        "id": command.id,
        "printer_id": command.printer_id,
        "print_id": command.print_id,
        "kind": command.kind,
        "state": command.state,
        "asked_by": command.asked_by,
        "asked_at": command.asked_at,
        "sent_at": command.sent_at,
        "answered_at": command.answered_at,
        "settled_at": command.settled_at,
        "answer": command.answer,
        "params": dict(command.params),
    }


@router.get("/commands/{command_id}", responses={200: {"model": CommandOut}})
async def get_command(rooms: AllRooms, command_id: InPath) -> Response:
    """What became of a physical command."""
    return Json(command_view(await rooms.commands.command(command_id)))
