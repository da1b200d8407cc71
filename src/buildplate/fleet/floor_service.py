"""The use cases of floors: the plans on which printers have their places."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from buildplate.fleet.model import Floor
from buildplate.fleet.ports import Clock, FloorRows


class FloorService:
    """The farm's floors."""

    def __init__(self, rows: FloorRows, clock: Clock, new_id: Callable[[], str]) -> None:
        self._rows = rows
        self._clock = clock
        self._new_id = new_id

    async def create(self, name: str, width_mm: float, depth_mm: float) -> Floor:
        """Make a floor; NameTaken."""
        now = self._clock.now()
        floor = Floor(self._new_id(), 1, name.strip(), width_mm, depth_mm, now)
        await self._rows.add(floor, self._new_id())
        return floor

    async def floors(self) -> list[Floor]:
        """All floors, by name."""
        return await self._rows.every()

    async def floor(self, floor_id: str) -> Floor:
        """The floor with this id; UnknownFloor."""
        return await self._rows.by_id(floor_id)

    async def edit(self, floor: Floor, changes: Mapping[str, Any]) -> Floor:
        """Change `name`, `width_mm` or `depth_mm` of the floor as it was read.

        Raises UnknownFloor, VersionMismatch, NameTaken, FloorTooSmall.
        """
        wanted = replace(floor, **changes)
        wanted = replace(wanted, name=wanted.name.strip())
        return await self._rows.edit(wanted, self._new_id(), self._clock.now())

    async def remove(self, floor: Floor) -> None:
        """Remove a floor as it was read; UnknownFloor, VersionMismatch, FloorInUse."""
        await self._rows.remove(floor, self._new_id(), self._clock.now())
