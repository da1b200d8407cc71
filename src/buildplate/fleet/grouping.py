"""Printers follow their group: through its renaming, and out of one that is removed."""

from __future__ import annotations

from sqlalchemy import bindparam, select, update

from buildplate.access.errors import GroupInUse
from buildplate.access.group_repository import shortened
from buildplate.fleet import repository
from buildplate.fleet.service import FleetService
from buildplate.fleet.session import SessionParts
from buildplate.storage import Tx
from buildplate.storage.tables import printers

_IN_GROUP = printers.c.printer_group == bindparam("of_group")
_IN_SERVICE = (
    select(printers.c.name)
    .where(_IN_GROUP)
    .where(printers.c.retired_at.is_(None))
    .order_by(printers.c.number)
)
_NEW_VERSION = update(printers).where(_IN_GROUP).values(version=printers.c.version + 1)
_LEAVE = (
    update(printers)
    .where(_IN_GROUP)
    .where(printers.c.retired_at.is_not(None))
    .values(printer_group=None, version=printers.c.version + 1)
)


class PrintersOfGroups:
    """Fulfils access's `GroupFollower` for the rows of printers and for their sessions."""

    def __init__(self, fleet: FleetService, parts: SessionParts) -> None:
        self._fleet = fleet
        self._parts = parts

    async def renamed(self, tx: Tx, old: str, new: str) -> None:
        """The database has carried the name over; whoever has read a printer is to see that."""
        del old
        await tx.change(_NEW_VERSION, {"of_group": new})

    async def left(self, tx: Tx, name: str) -> None:
        """Retired printers leave the group; GroupInUse where one in service belongs to it."""
        found = await tx.rows(_IN_SERVICE, {"of_group": name})
        if found:
            message = f"these printers belong to {name}: {shortened(row['name'] for row in found)}"
            hint = "Give each another group, or none, then remove it."
            raise GroupInUse(message, hint)
        await tx.change(_LEAVE, {"of_group": name})

    async def settled(self) -> None:
        """Have every session know its printer's group."""
        for record in await self._parts.storage.read(repository.list_printers):
            session = self._fleet.sessions.get(record.id)
            if session is not None and session.record.version < record.version:
                session.described(record)
                self._parts.stirred(record.id)
