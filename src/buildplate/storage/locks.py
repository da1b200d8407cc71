"""The lock of the farm as a whole, for decisions that concern no single row.

On SQLite one script writes at a time and nothing here does anything. On PostgreSQL scripts run
side by side: whoever decides something about the whole farm (its stop, its order of jobs, its
last admin) holds the one row of `identity`, and whoever relies on such a decision shares it.
Locks are taken in one order: farm, floor, printer, job, print, counter (docs/adr/0017).
"""

from sqlalchemy import select

from buildplate.storage.ports import Tx
from buildplate.storage.tables import identity

_FARM = select(identity.c.id)
_HELD = _FARM.with_for_update()
_SHARED = _FARM.with_for_update(read=True)


async def hold_farm(tx: Tx) -> None:
    """Decide about the whole farm: until this transaction ends, nobody else does or relies on it.

    For the first statement of a script: what it reads afterwards stays true until its commit.
    """
    await tx.row(_HELD)


async def share_farm(tx: Tx) -> None:
    """Rely on what is decided about the whole farm: it stays so until this transaction ends."""
    await tx.row(_SHARED)
