"""The history room's SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, case, delete, func, insert, select, tuple_, update

from buildplate.core.print_table import PrintState
from buildplate.core.spells import Pastime
from buildplate.history.model import Notes, Sample, Tally, Watched, end_of, part_of
from buildplate.history.readings import unpacked
from buildplate.storage import Tx, from_micros, script, to_micros
from buildplate.storage.tables import (
    history_marks,
    printers,
    prints,
    status_history,
    temperature_history,
)

ALIVE = "alive"
ROWS = 200
"""Rows of readings that are read at a time."""

_BEGIN = insert(status_history)
_SAMPLE = insert(temperature_history)
_END = (
    update(status_history)
    .where(status_history.c.id == bindparam("spell"), status_history.c.ended_at.is_(None))
    .values(ended_at=bindparam("at"))
)
_SPELL = select(status_history.c.id).where(status_history.c.id == bindparam("spell"))
_KNOWN = select(temperature_history.c.at).where(
    temperature_history.c.printer_id == bindparam("of"), temperature_history.c.at == bindparam("on")
)
_LEFT_OPEN = select(status_history.c.id, status_history.c.began_at).where(
    status_history.c.ended_at.is_(None)
)
_ALIVE = select(history_marks.c.at).where(history_marks.c.name == ALIVE)
_NOW_ALIVE = update(history_marks).where(history_marks.c.name == ALIVE).values(at=bindparam("mark"))
_FIRST_ALIVE = insert(history_marks)
_SAMPLES = (
    select(temperature_history.c.at, temperature_history.c.readings)
    .where(
        temperature_history.c.printer_id == bindparam("of"),
        temperature_history.c.at > bindparam("after"),
    )
    .order_by(temperature_history.c.at)
    .limit(bindparam("most"))
)
_OLD_SAMPLES = delete(temperature_history).where(
    tuple_(temperature_history.c.printer_id, temperature_history.c.at).in_(
        select(temperature_history.c.printer_id, temperature_history.c.at)
        .where(temperature_history.c.at < bindparam("before"))
        .limit(bindparam("most"))
    )
)
_OLD_SPELLS = delete(status_history).where(
    status_history.c.id.in_(
        select(status_history.c.id)
        .where(status_history.c.ended_at < bindparam("before"))
        .limit(bindparam("most"))
    )
)
_END_OR_NOW = func.coalesce(status_history.c.ended_at, bindparam("now"))
_FROM = case(
    (status_history.c.began_at > bindparam("since"), status_history.c.began_at),
    else_=bindparam("since"),
)
_TO = case((bindparam("until") > _END_OR_NOW, _END_OR_NOW), else_=bindparam("until"))
_SPENT = (
    select(
        status_history.c.printer_id,
        status_history.c.state,
        func.sum(_TO - _FROM).label("spent"),
    )
    .where(status_history.c.began_at < bindparam("until"), bindparam("since") < _END_OR_NOW)
    .group_by(status_history.c.printer_id, status_history.c.state)
)
_WATCHED = select(
    printers.c.id, printers.c.printer_group, printers.c.created_at, printers.c.retired_at
)
_ENDED = (
    select(
        prints.c.state,
        func.count().label("how_many"),
        func.sum(prints.c.ended_at - prints.c.started_at).label("printed"),
    )
    .where(prints.c.ended_at > bindparam("since"))
    .group_by(prints.c.state)
)


@script
async def write_down(tx: Tx, notes: Notes) -> None:
    """Write spells and readings, and that the farm was watched until now.

    Written twice it is as if written once: after an error nobody knows whether it was.
    """
    for spell_id, ended in notes.ended:
        await tx.change(_END, {"spell": spell_id, "at": to_micros(ended)})
    for spell in notes.began:
        ended_at = None if spell.ended_at is None else to_micros(spell.ended_at)
        if await tx.row(_SPELL, {"spell": spell.id}) is None:
            values = {
                "id": spell.id,
                "printer_id": spell.printer_id,
                "state": spell.pastime.value,
                "detail": spell.detail,
                "print_id": spell.print_id,
                "began_at": to_micros(spell.began_at),
                "ended_at": ended_at,
            }
            await tx.change(_BEGIN, values)
        elif ended_at is not None:
            await tx.change(_END, {"spell": spell.id, "at": ended_at})
    for row in notes.stretches:
        at = to_micros(row.at)
        if await tx.row(_KNOWN, {"of": row.printer_id, "on": at}) is None:
            values = {"printer_id": row.printer_id, "at": at, "readings": row.readings}
            await tx.change(_SAMPLE, values)
    mark = to_micros(notes.at)
    if not await tx.change(_NOW_ALIVE, {"mark": mark}):
        await tx.change(_FIRST_ALIVE, {"name": ALIVE, "at": mark})


@script
async def close_left_open(tx: Tx) -> int:
    """End the spells of a former life when that was last known to run; how many there were."""
    row = await tx.row(_ALIVE)
    alive = 0 if row is None else int(row["at"])
    left = await tx.rows(_LEFT_OPEN)
    for spell in left:
        await tx.change(_END, {"spell": spell["id"], "at": max(alive, spell["began_at"])})
    return len(left)


@script
async def forget(tx: Tx, before: datetime, most: int) -> int:
    """Delete up to `most` spells and as many rows of readings that ended before; how many."""
    values = {"before": to_micros(before), "most": most}
    return await tx.change(_OLD_SAMPLES, values) + await tx.change(_OLD_SPELLS, values)


async def samples(
    tx: Tx, printer_id: str, after: datetime, most: int, every: float
) -> list[Sample]:
    """A printer's samples after a moment, oldest first, at most so many, one of each part."""
    found: list[Sample] = []
    first = mark = to_micros(after)
    part = part_of(mark, every)
    while len(found) < most:
        rows = await tx.rows(_SAMPLES, {"of": printer_id, "after": mark, "most": ROWS})
        for row in rows:
            mark = int(row["at"])
            if part_of(mark, every) == part:
                continue  # and so are all its readings: the row bears the newest one's time
            for at, readings in unpacked(mark, row["readings"]):
                if at > first and (here := part_of(at, every)) > part:
                    part = here
                    found.append(Sample(printer_id, from_micros(at), readings))
        if len(rows) < ROWS:
            break
        mark = max(mark, end_of(part, every))  # the rest of the part is not even read
    return found[:most]


async def spent(
    tx: Tx, since: datetime, until: datetime, now: datetime
) -> dict[str, dict[Pastime, float]]:
    """Seconds that each printer spent on each thing between two moments, as far as watched."""
    values = {"since": to_micros(since), "until": to_micros(until), "now": to_micros(now)}
    found: dict[str, dict[Pastime, float]] = {}
    for row in await tx.rows(_SPENT, values):
        seconds = int(row["spent"]) / 1e6
        found.setdefault(row["printer_id"], {})[Pastime(row["state"])] = seconds
    return found


async def watched(tx: Tx) -> Sequence[Watched]:
    """Every printer that was ever in service."""
    return [
        Watched(
            row["id"],
            row["printer_group"],
            from_micros(row["created_at"]),
            None if row["retired_at"] is None else from_micros(row["retired_at"]),
        )
        for row in await tx.rows(_WATCHED)
    ]


async def ended_since(tx: Tx, since: datetime) -> Tally:
    """How prints ended since a moment, and for how long the completed ones had printed."""
    ended: dict[PrintState, int] = {}
    printed = 0.0
    rows: Sequence[Any] = await tx.rows(_ENDED, {"since": to_micros(since)})
    for row in rows:
        state = PrintState(row["state"])
        ended[state] = int(row["how_many"])
        if state is PrintState.COMPLETED:
            printed = int(row["printed"] or 0) / 1e6
    return Tally(ended, printed)
