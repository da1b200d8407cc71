"""The paths of printers: add, look, change, retire, and what people do at the machine."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from buildplate.access.model import Role
from buildplate.api.answers import (
    Json,
    Limit,
    NumberCursor,
    check_version,
    expected_version,
    page,
    versioned,
)
from buildplate.api.guard import ADMIN, LOOK, OPERATE, Operator, Viewer, require
from buildplate.api.plain_looks import PlainLook
from buildplate.api.printer_schemas import (
    ClearBedBody,
    ClearBedsBody,
    MaintenanceBody,
    PrinterBody,
    PrinterPatch,
    ProbeBody,
    check_name,
    patched,
    spec_from,
    without_kept,
)
from buildplate.api.printer_shelf import PrinterShelf, Wanted, part_of
from buildplate.api.printer_views import (
    BedsOut,
    DiscoveryOut,
    DriverPage,
    MachineOut,
    PrinterOut,
    PrinterPage,
    ProbeOut,
    StateOut,
    discovery_view,
    driver_view,
    panel_view,
    printer_view,
    retired_view,
    state_view,
)
from buildplate.api.problems import facts_of
from buildplate.api.rooms import AllRooms, Rooms
from buildplate.api.schemas import InPath
from buildplate.api.scopes import check_printer
from buildplate.drivers.sdk import BadConnectionSettings, DriverError, PrinterOffline
from buildplate.fleet.errors import FleetError, UnknownPrinter
from buildplate.fleet.service import NewPrinter
from buildplate.fleet.session import PrinterSession

router = APIRouter(prefix="/api/v1", tags=["printers"], dependencies=[LOOK])
FLOOR_WORK = {"materials", "plate", "enabled"}
"""What an operator may change of a printer; the rest of its description is an administrator's."""

IfMatch = Annotated[int | None, Depends(expected_version)]


def in_service(rooms: Rooms, reference: str) -> PrinterSession:
    """The session of the printer with this id or number; UnknownPrinter."""
    session = rooms.fleet.sessions.get(reference)
    if session is not None:
        return session
    if reference.isdecimal():
        for candidate in rooms.fleet.sessions.values():
            if candidate.record.spec.number == int(reference):
                return candidate
    message = f"there is no printer {reference} in service"
    raise UnknownPrinter(message)


def answer(rooms: Rooms, printer_id: str, status: int = 200, **headers: str) -> Json:
    """A printer in service, with its version."""
    session = in_service(rooms, printer_id)
    return versioned(printer_view(session), session.record.version, status, **headers)


@router.get("/drivers", responses={200: {"model": DriverPage}})
async def list_drivers(rooms: AllRooms) -> Response:
    """List the installed drivers, each with the form of its connection."""
    manifests = sorted(rooms.fleet.manifests.values(), key=lambda manifest: manifest.name)
    return page([driver_view(manifest) for manifest in manifests], None)


async def list_printers(
    rooms: AllRooms,
    request: Request,
    who: Viewer,
    limit: Limit = 1000,
    cursor: NumberCursor = None,
    name: str | None = None,
    live: Annotated[bool, Query(description="with each printer's `state`")] = False,  # noqa: FBT002
) -> Response:
    """List the printers in service, by number."""
    wanted = Wanted(who.groups, limit, None if cursor is None else int(cursor), name)
    if live:
        shown, more = part_of(rooms.fleet.sessions, wanted)
        return page([printer_view(one) | {"state": state_view(one)} for one in shown], more)
    shelf: PrinterShelf = request.app.state.printer_shelf
    return Json(shelf.page(rooms.fleet.sessions, wanted))


router.add_api_route(
    "/printers",
    list_printers,
    responses={200: {"model": PrinterPage}},
    route_class_override=PlainLook,
)


@router.post(
    "/printers", status_code=201, responses={201: {"model": PrinterOut}}, dependencies=[ADMIN]
)
async def add_printer(rooms: AllRooms, body: PrinterBody) -> Response:
    """Add a printer and connect to it; its bed is unknown until somebody clears it."""
    check_name(body.name)
    new = NewPrinter(spec_from(body), body.driver, body.connection)
    record = await rooms.fleet.add(new)
    return answer(rooms, record.id, 201, location=f"/api/v1/printers/{record.id}")


@router.post("/printers/probe", responses={200: {"model": ProbeOut}}, dependencies=[ADMIN])
async def probe(rooms: AllRooms, body: ProbeBody) -> Response:
    """Try a connection before it is saved: what answers there, or why nothing does.

    A stored secret is sent only to where it goes already; elsewhere it has to be typed again.
    """
    of = None if body.printer_id is None else str(body.printer_id)
    connection = body.connection if of is None else without_kept(body.connection)
    try:
        identity = await rooms.fleet.probe(body.driver, connection, of)
    except BadConnectionSettings:
        raise
    except DriverError as error:
        return Json({"ok": False, **facts_of(error)})
    except TimeoutError:
        return Json({"ok": False, **facts_of(PrinterOffline("nothing answered in time"))})
    return Json(
        {
            "ok": True,
            "software": identity.software,
            "version": identity.version,
            "name": identity.name,
            "warnings": list(identity.warnings),
        }
    )


@router.get("/printers/discover", responses={200: {"model": DiscoveryOut}}, dependencies=[ADMIN])
async def discover(
    rooms: AllRooms,
    seconds: Annotated[
        float, Query(ge=1, le=10, description="how long the network is listened to (s)")
    ] = 3.0,
) -> Response:
    """Look around for printers: what announces itself in the local network, and serial ports.

    Nothing that is found is connected to: that is what a probe is for.
    """
    return Json(discovery_view(await rooms.discovery.discover(seconds)))


@router.post("/printers/clear-beds", responses={200: {"model": BedsOut}})
async def clear_beds(rooms: AllRooms, who: Operator, body: ClearBedsBody) -> Response:
    """Clear many beds that a person has seen; each answers for itself."""
    results = []
    for seen in body.beds:
        result: dict[str, Any] = {"printer_id": str(seen.printer_id)}
        try:
            if who.groups is not None:
                await check_printer(rooms, who, str(seen.printer_id))
            record = await rooms.fleet.clear_bed(str(seen.printer_id), seen.bed_version)
        except FleetError as error:
            result |= {"ok": False, **facts_of(error)}
        else:
            result |= {"ok": True, "bed": record.bed, "bed_version": record.bed_version}
        results.append(result)
    return Json({"results": results})


@router.get("/printers/{printer_id}", responses={200: {"model": PrinterOut}})
async def get_printer(rooms: AllRooms, printer_id: InPath) -> Response:
    """Look at one printer, a retired one too."""
    record = await rooms.fleet.get(printer_id)
    if record.id in rooms.fleet.sessions:
        return answer(rooms, record.id)
    manifest = rooms.fleet.manifests.get(record.driver)
    return versioned(retired_view(record, manifest), record.version)


@router.patch("/printers/{printer_id}", responses={200: {"model": PrinterOut}})
async def patch_printer(
    rooms: AllRooms, printer_id: InPath, body: PrinterPatch, who: Operator, version: IfMatch
) -> Response:
    """Change a printer's description; other fields than what lies on it need an administrator."""
    others = sorted(body.model_fields_set - FLOOR_WORK)
    if others:
        require(who, Role.ADMIN, f"changing {', '.join(others)}")
    record = in_service(rooms, printer_id).record
    check_version(version, record.version)
    if body.name is not None:
        check_name(body.name)
    wanted = patched(record.spec, record.driver, record.connection, body)
    spec = replace(
        spec_from(wanted, maintenance=record.spec.maintenance),
        id=record.id,
        number=record.spec.number,
    )
    await rooms.fleet.edit(record.id, spec, wanted.connection, record.version)
    return answer(rooms, record.id)


@router.delete("/printers/{printer_id}", status_code=204, dependencies=[ADMIN])
async def retire_printer(rooms: AllRooms, printer_id: InPath) -> Response:
    """Take a printer out of service; its history stays."""
    await rooms.fleet.retire(printer_id)
    return Response(status_code=204)


@router.get("/printers/{printer_id}/state", responses={200: {"model": MachineOut}})
async def printer_state(rooms: AllRooms, printer_id: InPath) -> Response:
    """What is known of a printer now, and how old that is."""
    session = in_service(rooms, printer_id)
    return Json(state_view(session) | panel_view(session))


@router.post(
    "/printers/{printer_id}/connect",
    status_code=202,
    responses={202: {"model": StateOut}},
    dependencies=[OPERATE],
)
async def connect(rooms: AllRooms, printer_id: InPath) -> Response:
    """Try to reach a printer now, not at the end of its pause; one that is off is switched on."""
    session = in_service(rooms, printer_id)
    await rooms.fleet.connect(session.id)
    return Json(state_view(in_service(rooms, session.id)), 202)


@router.post(
    "/printers/{printer_id}/disconnect",
    responses={200: {"model": StateOut}},
    dependencies=[OPERATE],
)
async def disconnect(rooms: AllRooms, printer_id: InPath) -> Response:
    """Switch a printer off in the farm: its link is closed, its port free, until it is connected.

    It is what `enabled: false` does. Refused while a print is streamed to it, which would end.
    """
    record = await rooms.fleet.get(in_service(rooms, printer_id).id)
    if record.spec.enabled:
        spec = replace(record.spec, enabled=False)
        await rooms.fleet.edit(record.id, spec, record.connection, record.version)
    return Json(state_view(in_service(rooms, record.id)))


@router.post(
    "/printers/{printer_id}/clear-bed",
    responses={200: {"model": PrinterOut}},
    dependencies=[OPERATE],
)
async def clear_bed(rooms: AllRooms, printer_id: InPath, body: ClearBedBody) -> Response:
    """Say that the bed you saw is clear; its version is in the printer you read."""
    record = await rooms.fleet.clear_bed(printer_id, body.bed_version)
    return answer(rooms, record.id)


@router.post(
    "/printers/{printer_id}/maintenance",
    responses={200: {"model": PrinterOut}},
    dependencies=[OPERATE],
)
async def maintenance(rooms: AllRooms, printer_id: InPath, body: MaintenanceBody) -> Response:
    """Begin or end maintenance: no new print while it lasts."""
    record = in_service(rooms, printer_id).record
    if record.spec.maintenance is not body.on:
        spec = replace(record.spec, maintenance=body.on)
        await rooms.fleet.edit(record.id, spec, record.connection, record.version)
    return answer(rooms, record.id)
