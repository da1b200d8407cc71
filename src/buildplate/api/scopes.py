"""What a caller who is confined to printer groups reaches: printers, their prints, their jobs.

A printer belongs to its group, a job to the group that its requirements name, a print to its
printer's group, or to its job's while it has none, and a floor to all whose printers stand on it.
Whatever else there is concerns the whole farm: a path is closed to such callers unless it is named
here, so that a new one cannot be forgotten.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress

from fastapi import Request
from fastapi.routing import APIRoute

from buildplate.access.errors import ScopeTooNarrow, UnknownGroup
from buildplate.access.model import Caller
from buildplate.api.own_events import OwnedEvent, event_view
from buildplate.api.problems import Refusal
from buildplate.api.rooms import Rooms
from buildplate.core.jobs import Requirements
from buildplate.dispatch.errors import UnknownJob, UnknownPrint
from buildplate.dispatch.model import JobRecord, PrintRecord
from buildplate.fleet.errors import UnknownCommand, UnknownFloor, UnknownPrinter
from buildplate.fleet.session import PrinterSession
from buildplate.storage import PublishedEvent

# These look at the caller's groups themselves, or show nothing of the farm.
SORTED_OUT = frozenset(
    {
        ("GET", "/api/v1/printers"),
        ("POST", "/api/v1/printers/clear-beds"),
        ("GET", "/api/v1/jobs"),
        ("GET", "/api/v1/prints"),
        ("GET", "/api/v1/history"),
        ("GET", "/api/v1/history/export"),
        ("GET", "/api/v1/queue"),
        ("GET", "/api/v1/events"),
        ("POST", "/api/v1/live/ticket"),
        ("POST", "/api/v1/jobs"),
        ("POST", "/api/v1/jobs/receive"),
        ("GET", "/api/v1/groups"),
        ("GET", "/api/v1/floors"),
        ("GET", "/api/v1/drivers"),
        ("GET", "/api/v1/me"),
        ("POST", "/api/v1/me/password"),
        ("GET", "/api/v1/me/sessions"),
        ("DELETE", "/api/v1/me/sessions"),
        ("DELETE", "/api/v1/me/sessions/{session_id}"),
        ("POST", "/api/v1/auth/logout"),
        # Files are the farm's: the same content twice is one file, whoever sends it.
        ("GET", "/api/v1/files"),
        ("POST", "/api/v1/files"),
        ("GET", "/api/v1/files/{file_id}"),
        ("GET", "/api/v1/files/{file_id}/analysis"),
        ("GET", "/api/v1/files/{file_id}/content"),
        ("GET", "/api/v1/files/{file_id}/layers"),
        ("GET", "/api/v1/files/{file_id}/thumbnail"),
        # Uploads are their caller's.
        ("OPTIONS", "/api/v1/uploads"),
        ("POST", "/api/v1/uploads"),
        ("HEAD", "/api/v1/uploads/{upload_id}"),
        ("PATCH", "/api/v1/uploads/{upload_id}"),
        ("DELETE", "/api/v1/uploads/{upload_id}"),
    }
)

# Websockets that do so.
SORTED_SOCKETS = frozenset({"/api/v1/live"})


async def check_scope(request: Request, caller: Caller) -> None:
    """Refuse what the caller's groups do not reach.

    Raises ScopeTooNarrow for what concerns the whole farm, and the room's "unknown" for what
    belongs to other groups: it is not told that it exists.
    """
    rooms: Rooms = request.app.state.rooms
    check_confined(request.scope["route"], request.method, caller)
    for name in request.path_params:
        if name in CHECKS:
            await CHECKS[name](rooms, caller, request.path_params[name])


def check_confined(route: APIRoute, method: str, caller: Caller) -> None:
    """Refuse a path that concerns the whole farm to whoever is confined; ScopeTooNarrow."""
    names = {field.name for field in route.dependant.path_params}
    if not names & CHECKS.keys() and (method, route.path.rstrip("/")) not in SORTED_OUT:
        message = f"this concerns the whole farm, and {caller.name} is confined to printer groups"
        raise ScopeTooNarrow(message)


async def check_printer(rooms: Rooms, caller: Caller, printer_id: str) -> None:
    """UnknownPrinter for a printer of other groups."""
    if not caller.reaches((await rooms.fleet.get(printer_id)).spec.group):
        message = f"there is no printer {printer_id}"
        raise UnknownPrinter(message)


async def check_job(rooms: Rooms, caller: Caller, job_id: str) -> None:
    """UnknownJob for a job of other groups."""
    if not reaches_job(caller, (await rooms.jobs.job(job_id)).job):
        message = f"there is no job {job_id}"
        raise UnknownJob(message)


async def check_print(rooms: Rooms, caller: Caller, print_id: str) -> None:
    """UnknownPrint for a print of other groups."""
    if not await reaches_print(rooms, caller, await rooms.prints.print(print_id)):
        message = f"there is no print {print_id}"
        raise UnknownPrint(message)


async def _check_command(rooms: Rooms, caller: Caller, command_id: str) -> None:
    command = await rooms.commands.command(command_id)
    if not caller.reaches((await rooms.fleet.get(command.printer_id)).spec.group):
        message = f"there is no command {command_id}"
        raise UnknownCommand(message)


async def _check_group(rooms: Rooms, caller: Caller, group_id: str) -> None:
    if not caller.reaches((await rooms.access.groups.group(group_id)).name):
        message = f"there is no group {group_id}"
        raise UnknownGroup(message)


async def _check_floor(rooms: Rooms, caller: Caller, floor_id: str) -> None:
    if not reaches_floor(rooms, caller, floor_id):
        message = f"there is no floor {floor_id}"
        raise UnknownFloor(message)


Check = Callable[[Rooms, Caller, str], Awaitable[None]]
CHECKS: Mapping[str, Check] = {
    "printer_id": check_printer,
    "job_id": check_job,
    "print_id": check_print,
    "command_id": _check_command,
    "group_id": _check_group,
    "floor_id": _check_floor,
}


def reaches_job(caller: Caller, job: JobRecord) -> bool:
    """Whether a job is the caller's to see."""
    return caller.reaches(job.requirements.group)


def reaches_printer(rooms: Rooms, caller: Caller, printer_id: str | None) -> bool:
    """Whether a printer in service is the caller's to see; what concerns none is everybody's."""
    session = rooms.fleet.sessions.get(printer_id or "")
    return session is None or caller.reaches(session.record.spec.group)


def stands_on(rooms: Rooms, floor_id: str) -> list[PrinterSession]:
    """The printers in service that have their place on a floor."""
    return [
        session
        for session in rooms.fleet.sessions.values()
        if session.record.spec.floor_position is not None
        and session.record.spec.floor_position.floor == floor_id
    ]


def reaches_floor(rooms: Rooms, caller: Caller, floor_id: str) -> bool:
    """Whether a floor is the caller's to see: a printer of theirs stands on it."""
    return caller.groups is None or any(
        caller.reaches(session.record.spec.group) for session in stands_on(rooms, floor_id)
    )


async def reaches_print(rooms: Rooms, caller: Caller, print_: PrintRecord) -> bool:
    """Whether a print is the caller's to see."""
    if caller.groups is None:
        return True
    if print_.printer_id is not None:
        return caller.reaches(await _group_of(rooms, print_.printer_id))
    return reaches_job(caller, (await rooms.jobs.job(print_.job_id)).job)


async def owned_events(rooms: Rooms, events: Sequence[PublishedEvent]) -> list[OwnedEvent]:
    """Events with the groups of their printers and jobs, as these are now."""
    jobs = await rooms.jobs.groups_of({one.event.job_id for one in events if one.event.job_id})
    printers: dict[str, str | None] = {}
    for printer_id in {one.event.printer_id for one in events if one.event.printer_id}:
        with suppress(UnknownPrinter):  # nobody's
            printers[printer_id] = await _group_of(rooms, printer_id)
    return [
        OwnedEvent(
            event_view(one),
            printers.get(one.event.printer_id or ""),
            *jobs.get(one.event.job_id or "", (None, 0)),
        )
        for one in events
    ]


async def _group_of(rooms: Rooms, printer_id: str) -> str | None:
    session = rooms.fleet.sessions.get(printer_id)
    record = await rooms.fleet.get(printer_id) if session is None else session.record
    return record.spec.group


def check_ordered(caller: Caller, job: JobRecord) -> None:
    """Refuse to answer a repeated order with its job, which asks for a group of others by now."""
    if not reaches_job(caller, job):
        detail = "the job that was ordered with this key is in a group of yours no longer"
        raise Refusal(422, "group_not_yours", detail, "Order with another key.")


def check_order(rooms: Rooms, caller: Caller, asked: Requirements) -> None:
    """Refuse an order that other groups' printers might take, or that names one of them.

    A printer that is not there is answered alike: the caller is not told whether it exists.
    """
    if caller.groups is None:
        return
    mine = ", ".join(sorted(caller.groups))
    if not caller.reaches(asked.group):
        detail = f"{caller.name} orders only for its own printer groups"
        hint = f"Name one of them as requirements.group: {mine}."
        raise Refusal(422, "group_not_yours", detail, hint)
    for printer_id in asked.printers:
        session = rooms.fleet.sessions.get(printer_id)
        if session is None or not caller.reaches(session.record.spec.group):
            detail = f"requirements.printers names a printer that is not in {mine}"
            hint = "List the printers to see which you may name, or leave them out."
            raise Refusal(422, "group_not_yours", detail, hint)
