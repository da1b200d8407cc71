"""How printers look in answers: as described, and live."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, Field

from buildplate.api.printer_schemas import (
    BedPolicyBody,
    FloorPositionBody,
    LoadedBody,
    ModelBody,
    description,
)
from buildplate.api.schemas import PageOut
from buildplate.core.printers import Activity, Bed, Link, Printer, StartPolicy, is_ready
from buildplate.drivers.sdk import Manifest
from buildplate.fleet.discovery import Discovery
from buildplate.fleet.found import Found, Kind, Remark
from buildplate.fleet.model import PrinterRecord
from buildplate.fleet.sealing import Sealed
from buildplate.fleet.session import PrinterSession


class TemperatureOut(BaseModel):
    """One heater or sensor, in °C."""

    actual: float
    target: float | None


class StateOut(BaseModel):
    """What is known of a printer now; `age_s` is how long ago it last said anything (s).

    `powered` is false where it is known that its power is switched off: then it is out of reach,
    whatever its host says of the machine.
    """

    printer_id: str
    number: int
    link: Link
    problem: str
    problem_code: str
    hint: str
    activity: Activity
    powered: bool
    detail: str
    ready: bool
    bed: Bed
    bed_version: int
    bed_reason: str | None
    temperatures: dict[str, TemperatureOut]
    progress: float | None
    time_left_s: float | None
    print_id: str | None
    needs_attention: bool
    command_id: str | None
    software: str
    warnings: list[str]
    age_s: float | None


Share = Annotated[float, Field(description="a share: 1 is as in the file")]


class PanelOut(BaseModel):
    """What changes while a machine works, as far as its host tells it.

    `position` in mm by axis, `homed` the axes that know where they are; `fans`, `speed` and `flow`
    are shares, where 1 is full or as in the file; `z_offset` in mm; `layer` from 1, of `layers`.
    """

    position: dict[str, float]
    homed: str | None
    fans: dict[str, float]
    speed: Share | None
    flow: Share | None
    z_offset: Annotated[float, Field(description="mm")] | None
    layer: int | None
    layers: int | None


class MachineOut(StateOut, PanelOut):
    """All that is known of one printer now: its state, and the levels of its panel."""


class PrinterOut(BaseModel):
    """A printer: as people described it, and what it is doing.

    `connection` shows `{"set": true}` in the place of a secret; `link` is null once retired.
    """

    id: str
    number: int
    version: int
    name: str
    driver: str
    connection: dict[str, Any]
    model: ModelBody
    plate: str | None
    materials: list[LoadedBody]
    tags: list[str]
    location: str | None
    group: str | None
    floor_position: FloorPositionBody | None
    enabled: bool
    maintenance: bool
    bed_policy: BedPolicyBody
    start_policy: StartPolicy
    created_at: AwareDatetime
    retired_at: AwareDatetime | None
    bed: Bed
    bed_version: int
    bed_reason: str | None
    link: Link | None
    activity: Activity
    powered: bool
    ready: bool
    problem: str
    problem_code: str
    hint: str
    print_id: str | None
    needs_attention: bool
    state: StateOut | None = None


class PrinterPage(PageOut):
    """A part of the list of printers."""

    items: list[PrinterOut]


class DriverOut(BaseModel):
    """A driver: what it is for, the form of its connection, what it can do."""

    name: str
    title: str
    description: str
    connection_schema: dict[str, Any]
    secrets: list[str]
    capabilities: list[str]
    streams: bool


class DriverPage(PageOut):
    """The installed drivers."""

    items: list[DriverOut]


class ProbeOut(BaseModel):
    """What answered at a connection; where nothing did, `code`, `detail` and `hint` say why."""

    ok: bool
    software: str | None = None
    version: str | None = None
    name: str | None = None
    warnings: list[str] = []
    code: str | None = None
    detail: str | None = None
    hint: str | None = None


class FoundOut(BaseModel):
    """Something around the server that may be a printer; a stranger's own word.

    `driver` and `connection` begin a new printer: `connection` has what is known of it already.
    `printer_id` is the printer that it is already. `code`, `detail` and `hint` say what stands in
    the way: no driver, no permission.
    """

    kind: Kind
    family: str
    name: str
    where: str
    host: str | None
    driver: str | None
    connection: dict[str, Any]
    printer_id: str | None
    code: str | None
    detail: str | None
    hint: str | None


class RemarkOut(BaseModel):
    """Where nothing could be looked for, and what to do."""

    code: str
    detail: str
    hint: str


class DiscoveryOut(BaseModel):
    """What was found; `more` holds where so much was announced that this is a part."""

    items: list[FoundOut]
    remarks: list[RemarkOut]
    more: bool


class BedOut(BaseModel):
    """What became of one bed of many."""

    printer_id: str
    ok: bool
    bed: Bed | None = None
    bed_version: int | None = None
    code: str | None = None
    detail: str | None = None
    hint: str | None = None


class BedsOut(BaseModel):
    """What became of many beds, in the order of the request."""

    results: list[BedOut]


def hidden(connection: Mapping[str, Any], manifest: Manifest | None) -> dict[str, Any]:
    """A connection without its secrets; of an unknown driver everything is one."""
    secrets = connection.keys() if manifest is None else manifest.secrets
    return {
        name: {"set": True} if name in secrets or isinstance(value, Sealed) else value
        for name, value in connection.items()
    }


def described(record: PrinterRecord, manifest: Manifest | None) -> dict[str, Any]:
    """The stored half of a printer."""
    return {
        "id": record.id,
        "number": record.spec.number,
        "version": record.version,
        **description(record.spec, record.driver, hidden(record.connection, manifest)),
        "maintenance": record.spec.maintenance,
        "created_at": record.created_at,
        "retired_at": record.retired_at,
        "bed": record.bed,
        "bed_version": record.bed_version,
        "bed_reason": record.bed_reason,
    }


def _doing(printer: Printer, session: PrinterSession) -> dict[str, Any]:
    status = printer.status
    return {
        "link": status.link,
        "activity": status.activity,
        "powered": status.powered,
        "ready": is_ready(printer.spec, status),
        "problem": session.live.problem,
        "problem_code": session.live.problem_code,
        "hint": session.live.hint,
        "print_id": status.active_print_id,
        "needs_attention": status.needs_attention,
    }


RETIRED = {
    "link": None,
    "activity": Activity.UNKNOWN,
    "powered": True,
    "ready": False,
    "problem": "",
    "problem_code": "",
    "hint": "",
    "print_id": None,
    "needs_attention": False,
}


def printer_view(session: PrinterSession) -> dict[str, Any]:
    """A printer in service."""
    return described(session.record, session.manifest) | _doing(session.as_printer(), session)


def retired_view(record: PrinterRecord, manifest: Manifest | None) -> dict[str, Any]:
    """A printer out of service."""
    return described(record, manifest) | RETIRED


def panel_view(session: PrinterSession) -> dict[str, Any]:
    """The levels of a printer's panel."""
    levels = session.live.levels
    return {
        "position": dict(levels.position),
        "homed": levels.homed,
        "fans": dict(levels.fans),
        "speed": levels.speed,
        "flow": levels.flow,
        "z_offset": levels.z_offset,
        "layer": levels.layer,
        "layers": levels.layers,
    }


def state_view(session: PrinterSession) -> dict[str, Any]:
    """What is known of a printer now."""
    told_at = session.live.told_at
    age = None if told_at is None else session.parts.clock.boot() - told_at
    return {
        "printer_id": session.record.id,
        **_state(session),
        "age_s": None if age is None else round(max(age, 0.0), 3),
    }


def _state(session: PrinterSession) -> dict[str, Any]:
    live, record, printer = session.live, session.record, session.as_printer()
    return {
        "number": record.spec.number,
        **_doing(printer, session),
        "detail": live.detail,
        "bed": record.bed,
        "bed_version": record.bed_version,
        "bed_reason": record.bed_reason,
        **_levels(session),
        "command_id": printer.status.unsettled_command,
        "software": live.software,
        "warnings": list(live.warnings),
    }


def _levels(session: PrinterSession) -> dict[str, Any]:
    live = session.live
    return {
        "temperatures": {
            name: {"actual": heat.actual, "target": heat.target}
            for name, heat in live.temperatures.items()
        },
        "progress": live.progress,
        "time_left_s": live.time_left_s,
    }


CALM = frozenset({"temperatures", "progress", "time_left_s", "told_at_s"})
"""What changes all the time: live clients are told of it once a tick."""


def live_view(session: PrinterSession) -> dict[str, Any]:
    """A printer as live clients see it; `told_at_s` is when it last said anything (boot time)."""
    spec = session.record.spec
    return {
        "id": session.record.id,
        "name": spec.name,
        "version": session.record.version,
        "enabled": spec.enabled,
        "maintenance": spec.maintenance,
        **_state(session),
        "told_at_s": _told_at_s(session),
    }


def calm_view(session: PrinterSession) -> dict[str, Any]:
    """The fields of `live_view` that `CALM` names."""
    return {**_levels(session), "told_at_s": _told_at_s(session)}


def _told_at_s(session: PrinterSession) -> float | None:
    told_at = session.live.told_at
    return None if told_at is None else round(told_at, 3)


def discovery_view(discovery: Discovery) -> dict[str, Any]:
    """What was found."""
    return {
        "items": [_found(one) for one in discovery.found],
        "remarks": [_remark(one) for one in discovery.remarks],
        "more": discovery.more,
    }


def _found(found: Found) -> dict[str, Any]:
    return {
        "kind": found.kind,
        "family": found.family,
        "name": found.name,
        "where": found.where,
        "host": found.host,
        "driver": found.driver,
        "connection": dict(found.connection or {}),
        "printer_id": found.printer_id,
        **_remark(found.remark),
    }


def _remark(remark: Remark | None) -> dict[str, str | None]:
    if remark is None:
        return {"code": None, "detail": None, "hint": None}
    return {"code": remark.code, "detail": remark.detail, "hint": remark.hint}


def driver_view(manifest: Manifest) -> dict[str, Any]:
    """A driver as it is offered."""
    return {
        "name": manifest.name,
        "title": manifest.title,
        "description": manifest.description,
        "connection_schema": manifest.connection_schema,
        "secrets": sorted(manifest.secrets),
        "capabilities": sorted(manifest.capabilities),
        "streams": manifest.streams,
    }
