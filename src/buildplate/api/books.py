"""What the database counts of the farm's work, for health and metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import func, select

from buildplate.storage import Tx
from buildplate.storage.tables import jobs, prints

MICROS = 1_000_000
ENDS = ("completed", "failed", "cancelled", "not_started")


@dataclass(frozen=True, slots=True)
class Books:
    """What the database counts: orders, prints by state, and how long completed ones took (s)."""

    orders: int
    prints: Mapping[str, int]
    completed: int
    completed_s: float

    @property
    def waiting(self) -> int:
        """Prints that have no printer yet."""
        return self.prints.get("queued", 0)

    @property
    def active(self) -> int:
        """Prints that have a printer."""
        return sum(n for state, n in self.prints.items() if state not in (*ENDS, "queued"))


_ORDERS = select(func.count().label("n")).select_from(jobs)
_PRINTS = select(prints.c.state, func.count().label("n")).group_by(prints.c.state)
_LASTED = (
    select(
        func.count().label("n"),
        func.coalesce(func.sum(prints.c.ended_at - prints.c.started_at), 0).label("micros"),
    )
    .where(prints.c.state == "completed")
    .where(prints.c.started_at.is_not(None))
)


async def books(tx: Tx) -> Books:
    """Count what is in the database."""
    orders, lasted = await tx.row(_ORDERS), await tx.row(_LASTED)
    states = {row["state"]: int(row["n"]) for row in await tx.rows(_PRINTS)}
    if orders is None or lasted is None:
        return Books(0, states, 0, 0.0)
    return Books(int(orders["n"]), states, int(lasted["n"]), float(lasted["micros"]) / MICROS)
