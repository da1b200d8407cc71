"""A restored database is another one: an id of its own, and numbers that nobody was given yet."""

from __future__ import annotations

from sqlalchemy import bindparam, select, update

from buildplate.storage.ports import Tx
from buildplate.storage.tables import counters, identity

STEPS = {"job": 1_000_000, "print": 1_000_000, "printer": 1_000}
"""Numbers go on at a multiple of these; they stay within 15 digits for a million restores."""
_IDENTITY = update(identity).values(id=bindparam("new_id"))
_VALUE = select(counters.c.value).where(counters.c.name == bindparam("counter"))
_AHEAD = (
    update(counters)
    .where(counters.c.name == bindparam("counter"))
    .values(value=bindparam("new_value"))
)


def number_after(value: int, step: int) -> int:
    """The last number that is passed over after a restore of a backup that knows `value`.

    The farm went on after the backup and gave numbers to people that the backup does not know: at
    least half a step of them is passed over, up to a full step.
    """
    return -(-(value + step // 2) // step) * step


async def settle_identity(tx: Tx, new_id: str) -> None:
    """Give the database its own id, and let its numbers go on beyond those that are forgotten."""
    await tx.change(_IDENTITY, {"new_id": new_id})
    for name, step in STEPS.items():
        row = await tx.row(_VALUE, {"counter": name})
        if row is not None:
            fresh = number_after(row["value"], step)
            await tx.change(_AHEAD, {"counter": name, "new_value": fresh})
