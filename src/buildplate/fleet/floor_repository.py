"""The rows of floors, and what keeps every printer on the floor that it stands on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, insert, or_, select, update

from buildplate.core.printers import FloorPosition
from buildplate.fleet.errors import (
    FloorInUse,
    FloorTooSmall,
    InvalidPrinter,
    NameTaken,
    UnknownFloor,
    VersionMismatch,
)
from buildplate.fleet.model import Floor
from buildplate.storage import (
    ConstraintViolated,
    EventRecord,
    Row,
    Storage,
    Tx,
    from_micros,
    script,
    to_micros,
)
from buildplate.storage.tables import floors, printers

_ALL = select(floors).order_by(floors.c.name)
_BY_ID = select(floors).where(floors.c.id == bindparam("floor_id"))
_HELD = _BY_ID.with_for_update()
_SHARED = _BY_ID.with_for_update(read=True)
_ADD = insert(floors)
_EDIT = (
    update(floors)
    .where(floors.c.id == bindparam("floor_id"))
    .where(floors.c.version == bindparam("seen_version"))
    .values(
        version=floors.c.version + 1,
        name=bindparam("new_name"),
        width_mm=bindparam("new_width"),
        depth_mm=bindparam("new_depth"),
    )
)
_REMOVE = delete(floors).where(floors.c.id == bindparam("floor_id"))
_STANDING = (
    select(printers.c.name)
    .where(printers.c.floor_id == bindparam("floor_id"))
    .order_by(printers.c.number)
)
_BEYOND = _STANDING.where(
    or_(printers.c.floor_x > bindparam("width"), printers.c.floor_y > bindparam("depth"))
)
NO_POSITION: Mapping[str, Any] = dict.fromkeys(("floor_id", "floor_x", "floor_y", "floor_rotation"))


def position_columns(position: FloorPosition | None) -> dict[str, Any]:
    """The columns that hold where a printer stands."""
    if position is None:
        return dict(NO_POSITION)
    return {
        "floor_id": position.floor,
        "floor_x": float(position.x),
        "floor_y": float(position.y),
        "floor_rotation": float(position.rotation),
    }


def position_from(row: Row) -> FloorPosition | None:
    """The position that `position_columns` stored."""
    if row["floor_id"] is None:
        return None
    return FloorPosition(row["floor_id"], row["floor_x"], row["floor_y"], row["floor_rotation"])


async def check_position(tx: Tx, position: FloorPosition | None) -> None:
    """Refuse a position that is not on its floor, which stays as it is until the commit."""
    if position is None:
        return
    row = await tx.row(_SHARED, {"floor_id": position.floor})
    if row is None:
        message = f"floor_position: there is no floor {position.floor}"
        raise InvalidPrinter(message, "GET /api/v1/floors lists the floors with their ids.")
    floor = _floor(row)
    if not (0 <= position.x <= floor.width_mm and 0 <= position.y <= floor.depth_mm):
        message = f"floor_position: x {position.x:g}, y {position.y:g} is not on {floor.name}"
        hint = f"x goes from 0 to {floor.width_mm:g}, y from 0 to {floor.depth_mm:g} (mm)."
        raise InvalidPrinter(message, hint)


def _floor(row: Row) -> Floor:
    return Floor(
        id=row["id"],
        version=row["version"],
        name=row["name"],
        width_mm=row["width_mm"],
        depth_mm=row["depth_mm"],
        created_at=from_micros(row["created_at"]),
    )


def _event(floor: Floor, kind: str, event_id: str, at: datetime) -> EventRecord:
    return EventRecord(event_id, at, kind, data={"floor_id": floor.id, "name": floor.name})


def _taken(floor: Floor) -> NameTaken:
    message = f"there is a floor named {floor.name} already"
    return NameTaken(message, "Choose another name.")


@script
async def add_floor(tx: Tx, floor: Floor, event_id: str) -> None:
    """Insert a floor; NameTaken."""
    values = {
        "id": floor.id,
        "name": floor.name,
        "width_mm": float(floor.width_mm),
        "depth_mm": float(floor.depth_mm),
        "created_at": to_micros(floor.created_at),
    }
    try:
        await tx.change(_ADD, values)
    except ConstraintViolated as error:
        raise _taken(floor) from error
    await tx.record(_event(floor, "floor.created", event_id, floor.created_at))


@script
async def edit_floor(tx: Tx, floor: Floor, event_id: str, at: datetime) -> Floor:
    """Write a floor's name and size if it is still at its version.

    Raises UnknownFloor, VersionMismatch, NameTaken, FloorTooSmall.
    """
    known = await _held(tx, floor)
    size = {"width": float(floor.width_mm), "depth": float(floor.depth_mm)}
    beyond = [row["name"] for row in await tx.rows(_BEYOND, {"floor_id": floor.id, **size})]
    if beyond:
        message = f"these printers would not stand on it any more: {', '.join(beyond[:5])}"
        raise FloorTooSmall(message)
    values = {
        "floor_id": floor.id,
        "seen_version": known.version,
        "new_name": floor.name,
        "new_width": size["width"],
        "new_depth": size["depth"],
    }
    try:
        await tx.change(_EDIT, values)
    except ConstraintViolated as error:
        raise _taken(floor) from error
    await tx.record(_event(floor, "floor.edited", event_id, at))
    return replace(floor, version=known.version + 1)


@script
async def remove_floor(tx: Tx, floor: Floor, event_id: str, at: datetime) -> None:
    """Delete a floor on which no printer stands; UnknownFloor, VersionMismatch, FloorInUse."""
    await _held(tx, floor)
    standing = [row["name"] for row in await tx.rows(_STANDING, {"floor_id": floor.id})]
    if standing:
        message = f"these printers stand on {floor.name}: {', '.join(standing[:5])}"
        raise FloorInUse(message)
    await tx.change(_REMOVE, {"floor_id": floor.id})
    await tx.record(_event(floor, "floor.removed", event_id, at))


async def _held(tx: Tx, floor: Floor) -> Floor:
    row = await tx.row(_HELD, {"floor_id": floor.id})
    if row is None:
        raise _unknown(floor.id)
    if row["version"] != floor.version:
        message = f"{row['name']} was changed in the meantime"
        raise VersionMismatch(message)
    return _floor(row)


def _unknown(floor_id: str) -> UnknownFloor:
    message = f"there is no floor {floor_id}"
    return UnknownFloor(message)


async def _by_id(tx: Tx, floor_id: str) -> Floor:
    row = await tx.row(_BY_ID, {"floor_id": floor_id})
    if row is None:
        raise _unknown(floor_id)
    return _floor(row)


async def _every(tx: Tx) -> list[Floor]:
    return [_floor(row) for row in await tx.rows(_ALL)]


class SqlFloors:
    """`FloorRows` on the storage room: every call is one transaction."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def add(self, floor: Floor, event_id: str) -> None:
        """Stores a new floor; NameTaken."""
        await self._storage.write(add_floor, floor, event_id)

    async def by_id(self, floor_id: str) -> Floor:
        """The floor with this id; UnknownFloor."""
        return await self._storage.read(_by_id, floor_id)

    async def every(self) -> list[Floor]:
        """All floors, by name."""
        return await self._storage.read(_every)

    async def edit(self, floor: Floor, event_id: str, at: datetime) -> Floor:
        """Writes a changed floor; UnknownFloor, VersionMismatch, NameTaken, FloorTooSmall."""
        return await self._storage.write(edit_floor, floor, event_id, at)

    async def remove(self, floor: Floor, event_id: str, at: datetime) -> None:
        """Deletes a floor; UnknownFloor, VersionMismatch, FloorInUse."""
        await self._storage.write(remove_floor, floor, event_id, at)
