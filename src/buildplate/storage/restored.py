"""A restored database is another one: an id of its own, and numbers that nobody was given yet."""

from __future__ import annotations

from sqlalchemy import bindparam, select, update

from buildplate.storage.ports import Tx
from buildplate.storage.tables import counters, identity

STEP = 1000
SECONDS_A_NUMBER = 10
NUMBERS = ("job", "print", "printer")
_IDENTITY = update(identity).values(id=bindparam("new_id"))
_VALUE = select(counters.c.value).where(counters.c.name == bindparam("counter"))
_AHEAD = (
    update(counters)
    .where(counters.c.name == bindparam("counter"))
    .values(value=bindparam("new_value"))
)


def number_after(value: int, age: float) -> int:
    """Where numbers go on after a restore of a backup that is `age` seconds old.

    The farm went on after the backup and gave numbers to people that the backup does not know. A
    thousand are passed over, and one for each ten seconds since, to the next full thousand.
    """
    passed = value + STEP + int(max(age, 0.0) / SECONDS_A_NUMBER)
    return -(-passed // STEP) * STEP


async def settle_identity(tx: Tx, new_id: str, age: float) -> None:
    """Give the database its own id, and let its numbers go on beyond those that are forgotten."""
    await tx.change(_IDENTITY, {"new_id": new_id})
    for name in NUMBERS:
        row = await tx.row(_VALUE, {"counter": name})
        if row is not None:
            fresh = number_after(row["value"], age)
            await tx.change(_AHEAD, {"counter": name, "new_value": fresh})
