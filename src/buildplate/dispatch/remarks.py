"""What people write to prints: each remark is an event of its own, and none is ever changed."""

from __future__ import annotations

from sqlalchemy import bindparam, func, select

from buildplate.dispatch.errors import TooManyNotes
from buildplate.dispatch.model import PrintRecord
from buildplate.dispatch.transitions import Stamp, get_print
from buildplate.storage import EventRecord, Tx, script
from buildplate.storage.tables import events

NOTED = "print.noted"
MOST_NOTES = 100
_NOTES = select(func.count().label("notes")).where(
    events.c.job_id == bindparam("job"),
    events.c.print_id == bindparam("of"),
    events.c.kind == NOTED,
)


@script
async def note_print(tx: Tx, reference: str, text: str, who: str, stamp: Stamp) -> PrintRecord:
    """Write a person's words to a print, whatever its state; UnknownPrint, TooManyNotes.

    The print itself does not change, and so nobody's work on it is disturbed.
    """
    print_ = await get_print(tx, reference)
    (found,) = await tx.rows(_NOTES, {"job": print_.job_id, "of": print_.id})
    if found["notes"] >= MOST_NOTES:
        message = f"print {print_.number} has {MOST_NOTES} notes already"
        raise TooManyNotes(message)
    event = EventRecord(
        stamp.ids[0],
        stamp.at,
        NOTED,
        printer_id=print_.printer_id,
        job_id=print_.job_id,
        print_id=print_.id,
        data={"note": text, "by": who},
    )
    await tx.record(event)
    return print_
