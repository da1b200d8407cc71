"""The fleet's SQL: printers, their beds and owners."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import and_, bindparam, insert, select, update

from buildplate.access.group_repository import ensured
from buildplate.core.materials import LoadedMaterial
from buildplate.core.printers import (
    Bed,
    BedClearing,
    BedPolicy,
    Origin,
    PrinterModel,
    PrinterSpec,
    StartPolicy,
    Volume,
)
from buildplate.fleet.errors import (
    BedChanged,
    NameTaken,
    OwnerChanged,
    PrinterBusy,
    UnknownPrinter,
    VersionMismatch,
)
from buildplate.fleet.floor_repository import (
    NO_POSITION,
    check_position,
    position_columns,
    position_from,
)
from buildplate.fleet.model import PrinterRecord
from buildplate.fleet.ports import PrintSteward
from buildplate.fleet.sealing import connection_from, connection_json
from buildplate.storage import (
    ConstraintViolated,
    EventRecord,
    Row,
    Tx,
    from_json,
    from_micros,
    hold_farm,
    one_statement,
    script,
    to_json,
    to_micros,
)
from buildplate.storage.tables import COMMAND_IS_IN_FLIGHT, commands, printers


def maybe_time(micros: int | None) -> Any:
    """A stored time; None where there is none."""
    return None if micros is None else from_micros(micros)


def spec_columns(spec: PrinterSpec) -> dict[str, Any]:
    """The columns that hold a printer's description."""
    model = asdict(spec.model)
    return {
        "name": spec.name,
        "model": to_json(model),
        "plate": spec.plate,
        "materials": to_json([asdict(material) for material in spec.materials]),
        "tags": to_json(sorted(spec.tags)),
        "location": spec.location,
        "printer_group": spec.group,
        "enabled": spec.enabled,
        "maintenance": spec.maintenance,
        "bed_policy": to_json(asdict(spec.bed_policy)),
        "start_policy": spec.start_policy.value,
        **position_columns(spec.floor_position),
    }


def model_from(plain: Mapping[str, Any]) -> PrinterModel:
    """The printer model that `spec_columns` stored."""
    volume = plain.get("build_volume")
    return PrinterModel(
        name=plain["name"],
        build_volume=Volume(**volume) if volume else None,
        nozzles_mm=tuple(plain.get("nozzles_mm", ())),
        max_nozzle_c=plain.get("max_nozzle_c"),
        max_bed_c=plain.get("max_bed_c"),
        kinematics=plain.get("kinematics", "cartesian"),
        origin=Origin(plain["origin"]) if plain.get("origin") else None,
    )


def _spec(row: Row) -> PrinterSpec:
    policy = from_json(row["bed_policy"])
    return PrinterSpec(
        id=row["id"],
        number=row["number"],
        name=row["name"],
        model=model_from(from_json(row["model"])),
        plate=row["plate"],
        materials=tuple(LoadedMaterial(**item) for item in from_json(row["materials"])),
        tags=frozenset(from_json(row["tags"])),
        location=row["location"],
        group=row["printer_group"],
        floor_position=position_from(row),
        enabled=bool(row["enabled"]),
        maintenance=bool(row["maintenance"]),
        bed_policy=BedPolicy(BedClearing(policy.get("clear", "manual")), policy.get("macro")),
        start_policy=StartPolicy(row["start_policy"]),
    )


def record_from(row: Row) -> PrinterRecord:
    """One row of `printers` as a value."""
    return PrinterRecord(
        spec=_spec(row),
        version=row["version"],
        driver=row["driver"],
        connection=connection_from(row["connection"]),
        created_at=from_micros(row["created_at"]),
        bed=Bed(row["bed"]),
        bed_version=row["bed_version"],
        bed_reason=row["bed_reason"],
        fence=row["fence"],
        owner=row["owner"],
        seen_at=maybe_time(row["seen_at"]),
        fingerprint=row["fingerprint"],
        process=row["process"],
        retired_at=maybe_time(row["retired_at"]),
    )


_BY_ID = select(printers).where(printers.c.id == bindparam("printer_id"))
_BY_NUMBER = select(printers).where(printers.c.number == bindparam("number"))
_HELD = select(printers.c.id).where(printers.c.id == bindparam("printer_id")).with_for_update()
SHARED = _BY_ID.with_for_update(read=True)
_IN_SERVICE = select(printers).where(printers.c.retired_at.is_(None)).order_by(printers.c.number)


async def get_printer(tx: Tx, reference: str) -> PrinterRecord:
    """The printer with this id or number; UnknownPrinter where there is none."""
    if reference.isdecimal():
        row = await tx.row(_BY_NUMBER, {"number": int(reference)})
    else:
        row = await tx.row(_BY_ID, {"printer_id": reference})
    if row is None:
        message = f"there is no printer {reference}"
        raise UnknownPrinter(message)
    return record_from(row)


async def hold_printer(tx: Tx, printer_id: str) -> None:
    """Let nobody else claim, clear, retire or take over the printer until this script ends."""
    await tx.row(_HELD, {"printer_id": printer_id})


async def list_printers(tx: Tx) -> list[PrinterRecord]:
    """Every printer in service, by number."""
    return [record_from(row) for row in await tx.rows(_IN_SERVICE)]


async def _placed(
    tx: Tx, spec: PrinterSpec, group_ids: Sequence[str], event: EventRecord
) -> PrinterSpec:
    """The description with its group as that is spelled, and on its floor; InvalidPrinter."""
    if spec.group is not None and group_ids:
        await hold_farm(tx)
        spec = replace(spec, group=await ensured(tx, spec.group, group_ids, event.at))
    await check_position(tx, spec.floor_position)
    return spec


@script
async def add_printer(
    tx: Tx,
    spec: PrinterSpec,
    driver: str,
    connection: Mapping[str, Any],
    owner: str,
    event: EventRecord,
    group_ids: Sequence[str] = (),
) -> PrinterRecord:
    """Insert a printer with the next number, its bed unknown; NameTaken.

    `group_ids`: two fresh ids, for a group that may have to be made.
    """
    spec = await _placed(tx, spec, group_ids, event)
    number = await tx.next_number("printer")
    values = spec_columns(spec) | {
        "id": spec.id,
        "number": number,
        "driver": driver,
        "connection": connection_json(connection),
        "created_at": to_micros(event.at),
        "bed": Bed.UNKNOWN.value,
        "bed_reason": "new: nobody has said that the bed is clear",
        "owner": owner,
        "fence": 1,
    }
    try:
        await tx.change(insert(printers).values(**values))
    except ConstraintViolated as error:
        message = f"there is a printer named {spec.name} already"
        raise NameTaken(message) from error
    await tx.record(event)
    return await get_printer(tx, spec.id)


@script
async def edit_printer(
    tx: Tx,
    spec: PrinterSpec,
    connection: Mapping[str, Any],
    version: int,
    event: EventRecord,
    group_ids: Sequence[str] = (),
) -> PrinterRecord:
    """Replace a printer's description if it is still at `version`.

    `group_ids`: two fresh ids where its group changes, and may have to be made.
    """
    spec = await _placed(tx, spec, group_ids, event)
    values = spec_columns(spec) | {"connection": connection_json(connection)}
    statement = (
        update(printers)
        .where(and_(printers.c.id == spec.id, printers.c.version == version))
        .where(printers.c.retired_at.is_(None))
        .values(version=printers.c.version + 1, **values)
    )
    try:
        changed = await tx.change(statement)
    except ConstraintViolated as error:
        message = f"there is a printer named {spec.name} already"
        raise NameTaken(message) from error
    if not changed:
        message = f"printer {spec.number} was changed or retired meanwhile"
        raise VersionMismatch(message)
    await tx.record(event)
    return await get_printer(tx, spec.id)


async def every_printer(tx: Tx) -> list[PrinterRecord]:
    """Every printer there ever was, the retired ones too, by number."""
    rows = await tx.rows(select(printers).order_by(printers.c.number))
    return [record_from(row) for row in rows]


_RESEAL = (
    update(printers)
    .where(printers.c.id == bindparam("printer_id"))
    .where(printers.c.version == bindparam("at_version"))
    .values(connection=bindparam("new_connection"))
)


@script
async def reseal_connections(tx: Tx, sealed: Sequence[PrinterRecord]) -> None:
    """Store connections that say what they said before, sealed anew: no new version, no event."""
    for record in sealed:
        await tx.change(
            _RESEAL,
            {
                "printer_id": record.id,
                "at_version": record.version,
                "new_connection": connection_json(record.connection),
            },
        )


@script
async def retire_printer(
    tx: Tx, printer_id: str, steward: PrintSteward, event: EventRecord
) -> None:
    """Take a printer out of service for good; its history stays. PrinterBusy with a print."""
    await hold_printer(tx, printer_id)
    if not await steward.release(tx, printer_id):
        message = "the printer has an active print"
        raise PrinterBusy(message)
    statement = (
        update(printers)
        .where(and_(printers.c.id == printer_id, printers.c.retired_at.is_(None)))
        .values(retired_at=to_micros(event.at), version=printers.c.version + 1, **NO_POSITION)
    )
    if not await tx.change(statement):
        message = "the printer is retired already"
        raise UnknownPrinter(message)
    await tx.record(event)


@script
async def take_over(
    tx: Tx, node: str, steward: PrintSteward, events: Mapping[str, EventRecord]
) -> None:
    """Make `node` the owner of the named printers: new fences, new versions of their prints."""
    for printer_id, event in events.items():
        await tx.change(
            update(printers)
            .where(printers.c.id == printer_id)
            .values(owner=node, fence=printers.c.fence + 1)
        )
        record = await get_printer(tx, printer_id)
        await steward.take_over(tx, printer_id, record.fence)
        await tx.record(event)


_SET_BED = (
    update(printers)
    .where(printers.c.id == bindparam("printer_id"))
    .where(printers.c.fence == bindparam("at_fence"))
    .where(printers.c.bed_version == bindparam("at_bed_version"))
    .values(
        bed=bindparam("new_bed"),
        bed_reason=bindparam("new_reason"),
        bed_version=printers.c.bed_version + 1,
    )
)


async def set_bed(tx: Tx, printer: PrinterRecord, bed: Bed, reason: str | None) -> None:
    """Change a bed under its fence and version, in the caller's transaction; OwnerChanged."""
    values = {
        "printer_id": printer.id,
        "at_fence": printer.fence,
        "at_bed_version": printer.bed_version,
        "new_bed": bed.value,
        "new_reason": reason,
    }
    if not await tx.change(_SET_BED, values):
        message = "the bed or the owner changed meanwhile"
        raise OwnerChanged(message)


@script
async def observe_bed(
    tx: Tx, printer: PrinterRecord, bed: Bed, reason: str, event: EventRecord
) -> PrinterRecord:
    """Store what was observed of a bed."""
    await set_bed(tx, printer, bed, reason)
    await tx.record(event)
    return await get_printer(tx, printer.id)


_TAKE_BED = (
    update(printers)
    .where(printers.c.id == bindparam("printer_id"))
    .where(printers.c.fence == bindparam("at_fence"))
    .where(printers.c.bed_version == bindparam("at_bed_version"))
    .where(printers.c.bed == Bed.CLEAR.value)
    .where(printers.c.enabled.is_(True))
    .where(printers.c.maintenance.is_(False))
    .where(printers.c.retired_at.is_(None))
    .values(
        bed=Bed.OCCUPIED.value,
        bed_reason="a print of ours was started on it",
        bed_version=printers.c.bed_version + 1,
    )
)
_CLAIMABLE = (
    select(printers.c.id)
    .where(printers.c.id == bindparam("printer_id"))
    .where(printers.c.fence == bindparam("at_fence"))
    .where(printers.c.bed_version == bindparam("at_bed_version"))
    .where(printers.c.bed == Bed.CLEAR.value)
    .where(printers.c.enabled.is_(True))
    .where(printers.c.maintenance.is_(False))
    .where(printers.c.retired_at.is_(None))
    .with_for_update(read=True)
)
_IN_FLIGHT = (
    select(commands.c.id)
    .where(commands.c.printer_id == bindparam("printer_id"))
    .where(COMMAND_IS_IN_FLIGHT)
    .limit(1)
)


async def is_claimable(tx: Tx, printer: PrinterRecord) -> bool:
    """Whether the printer's row still allows a claim: bed, enabled, owner, no unsettled command."""
    key = {"printer_id": printer.id}
    at = {"at_fence": printer.fence, "at_bed_version": printer.bed_version}
    if await tx.row(_CLAIMABLE, key | at) is None:
        return False
    return await tx.row(_IN_FLIGHT, key) is None


async def occupy_bed(tx: Tx, printer: PrinterRecord) -> bool:
    """The intent's half of the fleet: repeat the claim's check and occupy the bed; or False."""
    key = {"printer_id": printer.id}
    if await tx.row(_IN_FLIGHT, key) is not None:
        return False
    at = {"at_fence": printer.fence, "at_bed_version": printer.bed_version}
    return await tx.change(_TAKE_BED, key | at) == 1


@script
async def clear_bed(
    tx: Tx, printer_id: str, bed_version: int, steward: PrintSteward, event: EventRecord
) -> PrinterRecord:
    """A person says the bed is clear: refused while a print is active or on another version."""
    await hold_printer(tx, printer_id)
    if not await steward.release(tx, printer_id):
        message = "a print is active on this bed"
        raise PrinterBusy(message)
    record = await get_printer(tx, printer_id)
    if record.bed_version != bed_version:
        message = f"the bed is at version {record.bed_version}, the click named {bed_version}"
        raise BedChanged(message)
    await set_bed(tx, record, Bed.CLEAR, None)
    await tx.record(event)
    return await get_printer(tx, printer_id)


_SEEN = (
    update(printers)
    .where(printers.c.id == bindparam("printer_id"))
    .where(printers.c.fence == bindparam("at_fence"))
    .values(
        seen_at=bindparam("new_seen_at"),
        fingerprint=bindparam("new_fingerprint"),
        process=bindparam("new_process"),
    )
)


@one_statement
@script
async def note_seen(
    tx: Tx, printer: PrinterRecord, seen_at: int, fingerprint: str, process: str
) -> None:
    """Store when a printer was last seen and what its host kept then."""
    await tx.change(
        _SEEN,
        {
            "printer_id": printer.id,
            "at_fence": printer.fence,
            "new_seen_at": seen_at,
            "new_fingerprint": fingerprint,
            "new_process": process,
        },
    )
