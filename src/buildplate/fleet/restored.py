"""What a restored database may not say of printers any more: that beds are clear, for one."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import update

from buildplate.core.printers import Bed
from buildplate.fleet.model import CommandState
from buildplate.storage import Tx, to_micros
from buildplate.storage.tables import commands, printers

_UNSEEN = update(printers).values(seen_at=None, fingerprint=None, process=None)
_UNKNOWN_BEDS = (
    update(printers)
    .where(printers.c.bed == Bed.CLEAR.value)
    .values(bed=Bed.UNKNOWN.value, bed_version=printers.c.bed_version + 1)
)
_DROPPED = update(commands).where(commands.c.state == CommandState.ASKED.value)


async def settle_printers(tx: Tx, at: datetime, reason: str) -> None:
    """Nobody knows what lies on a bed that was clear, and no wish of then is carried out now.

    What a print of ours left since may have left no other trace: its history goes with its file.
    """
    await tx.change(_UNSEEN)
    await tx.change(_UNKNOWN_BEDS.values(bed_reason=reason))
    answer = "dropped: the farm was restored from a backup"
    settled = _DROPPED.values(
        state=CommandState.SETTLED.value, settled_at=to_micros(at), answer=answer
    )
    await tx.change(settled)
