"""Jobs ask for a group as it is spelled, and follow it through its renaming."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sqlalchemy import bindparam, func, update

from buildplate.access.group_repository import spelled
from buildplate.dispatch.model import NewJob
from buildplate.storage import Tx, share_farm, to_json
from buildplate.storage.tables import jobs

_RENAMED = func.replace(jobs.c.requirements, bindparam("old_text"), bindparam("new_text"))
# One statement, however many jobs there are. It is exact: in JSON text a quotation mark that is
# not escaped ends a string, and no field within the requirements has this name but the one.
_RENAME = (
    update(jobs)
    .where(jobs.c.requirements != _RENAMED)
    .values(requirements=_RENAMED, version=jobs.c.version + 1)
)


def as_text(name: str) -> str:
    """The field as it stands in a job's requirements."""
    return to_json({"group": name})[1:-1]


async def as_spelled(tx: Tx, order: NewJob) -> NewJob:
    """The order with its group as that is spelled; one that is not there may come to be."""
    asked = order.requirements
    if asked.group is None:
        return order
    await share_farm(tx)
    name = await spelled(tx, asked.group) or asked.group
    return replace(order, requirements=replace(asked, group=name))


class OrdersOfGroups:
    """Fulfils access's `GroupFollower` for what jobs require."""

    def __init__(self, plan: Callable[[], None]) -> None:
        self._plan = plan

    async def renamed(self, tx: Tx, old: str, new: str) -> None:
        """Have all jobs ask for the group by its new name, those that have ended, too."""
        await tx.change(_RENAME, {"old_text": as_text(old), "new_text": as_text(new)})

    async def left(self, tx: Tx, name: str) -> None:
        """Jobs may ask for a group that is not there: they wait, and are told why."""

    async def settled(self) -> None:
        """Plan anew."""
        self._plan()
