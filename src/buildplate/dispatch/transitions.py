"""Every change of a print on a printer: one transaction each, compare-and-set on version and fence.

Each script here is a durable step of TRUTH.md; the kill sweep takes its kill points from them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import Update, bindparam, insert, select, update
from sqlalchemy.sql.dml import ReturningUpdate

from buildplate.core.job_state import Attempt, retry_pause, wants_replacement
from buildplate.core.print_table import EXIT_EVENT, Event, PrintState, after
from buildplate.core.printers import Bed
from buildplate.dispatch import forgotten
from buildplate.dispatch.errors import IntentRefused, Stale, UnknownPrint
from buildplate.dispatch.model import PrintRecord
from buildplate.dispatch.rows import job_from, print_from
from buildplate.fleet import ledger
from buildplate.fleet import repository as fleet
from buildplate.fleet.model import PrinterRecord
from buildplate.storage import (
    EventRecord,
    Tx,
    one_statement,
    script,
    share_farm,
    to_json,
    to_micros,
)
from buildplate.storage.tables import PRINT_IS_ACTIVE, farm, jobs, prints


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a script may not make itself: the time and fresh ids."""

    at: datetime
    ids: tuple[str, ...]

    @property
    def micros(self) -> int:
        """The time as the database holds it."""
        return to_micros(self.at)


def _cas(*columns: str) -> Update:
    """An update of the named columns, bound to the print's id, version and fence."""
    return (
        update(prints)
        .where(prints.c.id == bindparam("print_id"))
        .where(prints.c.version == bindparam("at_version"))
        .where(prints.c.fence.is_not_distinct_from(bindparam("at_fence")))
        .values(
            {"version": prints.c.version + 1}
            | {column: bindparam(f"new_{column}") for column in columns}
        )
    )


_CLAIM = _cas("state", "printer_id", "fence", "claimed_at", "reason", "not_before")
_NAME = _cas("state", "attempt", "path", "sent_sha256").returning(prints)
_PATH = _cas("path", "sent_sha256", "sent_size").returning(prints)
_INTENT = _cas("state", "baseline", "intent_at", "bed_before", "bed_version", "reason")
_MOVE = _cas(
    "state",
    "reason",
    "evidence",
    "started_at",
    "exit_verdict",
    "exit_by",
    "exit_step",
    "resolution",
)
_GIVE_BACK = _cas(
    "state", "printer_id", "fence", "path", "reason", "not_before", "avoid_printer_id"
).returning(prints)
_EXIT = _cas(
    "exit_verdict", "exit_by", "exit_step", "exit_evidence", "evidence", "reason"
).returning(prints)
_ABANDON = _cas(
    "exit_verdict",
    "exit_by",
    "exit_step",
    "exit_evidence",
    "evidence",
    "reason",
    "resolution",
).returning(prints)
_STEP = _cas("exit_step").returning(prints)
_END = _cas("state", "reason", "evidence", "exit_step", "ended_at", "exit_verdict", "exit_by")
_ACTIVE = select(prints).where(PRINT_IS_ACTIVE)
_PRINT = select(prints).where(prints.c.id == bindparam("print_id"))
_PRINT_BY_NUMBER = select(prints).where(prints.c.number == bindparam("number"))
_PRINT_HELD = _PRINT.with_for_update()
_JOB = select(jobs).where(jobs.c.id == bindparam("job_id")).with_for_update(read=True)
_JOB_HELD = select(jobs).where(jobs.c.id == bindparam("job_id")).with_for_update()
_ATTEMPTS = (
    select(prints.c.id, prints.c.copy_no, prints.c.state)
    .where(prints.c.job_id == bindparam("job_id"))
    .order_by(prints.c.number)
)
_FILE_OF = select(jobs.c.file_id).where(jobs.c.id == bindparam("job_id"))
_FARM_STOPPED = select(farm.c.value).where(farm.c.key == "stopped")


async def get_print(tx: Tx, reference: str) -> PrintRecord:
    """The print with this id or number; UnknownPrint where there is none."""
    if reference.isdecimal():
        row = await tx.row(_PRINT_BY_NUMBER, {"number": int(reference)})
    else:
        row = await tx.row(_PRINT, {"print_id": reference})
    if row is None:
        message = f"there is no print {reference}"
        raise UnknownPrint(message)
    return print_from(row)


async def hold_print(tx: Tx, reference: str) -> PrintRecord:
    """The print as `get_print` finds it; it changes for nobody else until this script ends."""
    found = await get_print(tx, reference)
    row = await tx.row(_PRINT_HELD, {"print_id": found.id})
    return found if row is None else print_from(row)


async def file_of(tx: Tx, job_id: str) -> str:
    """The id of the job's print file."""
    row = await tx.row(_FILE_OF, {"job_id": job_id})
    if row is None:
        message = f"there is no job {job_id}"
        raise UnknownPrint(message)
    return str(row["file_id"])


async def farm_stopped(tx: Tx) -> bool:
    """Whether a person or a restore has stopped the whole farm."""
    row = await tx.row(_FARM_STOPPED)
    return row is not None and row["value"] == "true"


async def _change(
    tx: Tx, statement: Update, print_: PrintRecord, values: Mapping[str, Any]
) -> None:
    """Compare-and-set; Stale when the print is not what it was read as."""
    if await tx.change(statement, _bound(print_, values)) != 1:
        message = f"print {print_.number} was changed meanwhile"
        raise Stale(message)


def _bound(print_: PrintRecord, values: Mapping[str, Any]) -> dict[str, Any]:
    at = {"print_id": print_.id, "at_version": print_.version, "at_fence": print_.fence}
    return at | {f"new_{column}": value for column, value in values.items()}


async def _step(
    tx: Tx,
    statement: ReturningUpdate[Any],
    print_: PrintRecord,
    values: Mapping[str, Any],
    event: EventRecord | None = None,
) -> PrintRecord:
    """Compare-and-set and its event in one statement; the print as it is then, or Stale."""
    row = await tx.compare_and_set(statement, _bound(print_, values), event)
    if row is None:
        message = f"print {print_.number} was changed meanwhile"
        raise Stale(message)
    return print_from(row)


async def _say(tx: Tx, print_: PrintRecord, state: PrintState, stamp: Stamp, **data: Any) -> None:
    await tx.record(_became(print_, state, stamp, **data))


def _became(print_: PrintRecord, state: PrintState, stamp: Stamp, **data: Any) -> EventRecord:
    return EventRecord(
        id=stamp.ids[0],
        at=stamp.at,
        kind=f"print.{state}",
        printer_id=data.pop("printer_id", print_.printer_id),
        job_id=print_.job_id,
        print_id=print_.id,
        data={"number": print_.number, "copy": print_.copy_no, "try": print_.try_no} | data,
    )


@script
async def claim(
    tx: Tx, print_: PrintRecord, printer: PrinterRecord, stamp: Stamp
) -> PrintRecord | None:
    """Reserve a printer for a queued print; None when either is no longer free."""
    await share_farm(tx)
    if await farm_stopped(tx) or not await fleet.is_claimable(tx, printer):
        return None
    row = await tx.row(_JOB, {"job_id": print_.job_id})
    if row is None or row["cancelled"] or row["hold"]:
        return None
    state = after(print_.state, Event.READY_PRINTER)
    values = {
        "state": state.value,
        "printer_id": printer.id,
        "fence": printer.fence,
        "claimed_at": stamp.micros,
        "reason": None,
        "not_before": None,
    }
    await _change(tx, _CLAIM, print_, values)
    await _say(tx, print_, state, stamp, printer_id=printer.id)
    return await get_print(tx, print_.id)


@one_statement
@script
async def name_upload(tx: Tx, print_: PrintRecord, stamp: Stamp) -> PrintRecord:
    """Commit the next upload name before its first byte is sent."""
    state = after(print_.state, Event.NEW_UPLOAD)
    values = {
        "state": state.value,
        "attempt": print_.attempt + 1,
        "path": None,
        "sent_sha256": None,
    }
    event = _became(print_, state, stamp, attempt=print_.attempt + 1)
    return await _step(tx, _NAME, print_, values, event)


@one_statement
@script
async def store_path(tx: Tx, print_: PrintRecord, path: str, sha256: str, size: int) -> PrintRecord:
    """Store where the host keeps the verified file, and of which bytes it is."""
    values = {"path": path, "sent_sha256": sha256, "sent_size": size}
    return await _step(tx, _PATH, print_, values)


@script
async def intend(
    tx: Tx,
    print_: PrintRecord,
    printer: PrinterRecord,
    baseline: Mapping[str, Any],
    stamp: Stamp,
) -> PrintRecord:
    """The intent: repeat the claim's check, occupy the bed, store the baseline; IntentRefused."""
    await share_farm(tx)
    if await farm_stopped(tx) or print_.wants_cancel or print_.fence != printer.fence:
        message = "the print or its printer changed hands"
        raise IntentRefused(message)
    row = await tx.row(_JOB, {"job_id": print_.job_id})
    if row is None or row["cancelled"]:
        message = "the job was cancelled"
        raise IntentRefused(message)
    if not await fleet.occupy_bed(tx, printer):
        message = "the printer is not ready any more"
        raise IntentRefused(message)
    state = after(print_.state, Event.UPLOAD_VERIFIED)
    values = {
        "state": state.value,
        "baseline": to_json(dict(baseline)),
        "intent_at": stamp.micros,
        "bed_before": printer.bed.value,
        "bed_version": printer.bed_version + 1,
        "reason": None,
    }
    await _change(tx, _INTENT, print_, values)
    await _say(tx, print_, state, stamp)
    return await get_print(tx, print_.id)


@script
async def move(
    tx: Tx,
    print_: PrintRecord,
    event: Event,
    reason: str,
    evidence: Mapping[str, Any] | None,
    stamp: Stamp,
) -> PrintRecord:
    """A change of state on a printer by an event of the table.

    A wanted verdict is dropped, and a person's word: it was said of the state before.
    """
    state = after(print_.state, event)
    started = print_.started_at
    runs = event in (Event.OUR_RUN, Event.OUR_RUN_PAUSED)
    values = {
        "state": state.value,
        "reason": reason or None,
        "evidence": None if evidence is None else to_json(dict(evidence)),
        "started_at": stamp.micros if runs and started is None else _micros(started),
        "exit_verdict": None,
        "exit_by": None,
        "exit_step": None,
        "resolution": None,
    }
    await _change(tx, _MOVE, print_, values)
    if state in (PrintState.CANCELLING, PrintState.NEEDS_ATTENTION):
        await ledger.refuse_asked(tx, print_.id, f"the print is {state}", stamp.micros)
    await _say(tx, print_, state, stamp, reason=reason)
    return await get_print(tx, print_.id)


def _micros(moment: datetime | None) -> int | None:
    return None if moment is None else to_micros(moment)


@one_statement
@script
async def give_back(
    tx: Tx, print_: PrintRecord, reason: str, not_before: datetime | None, stamp: Stamp
) -> PrintRecord:
    """Return a print that was never started to the queue; its printer is free again."""
    state = after(print_.state, Event.GIVEN_BACK)
    values = {
        "state": state.value,
        "printer_id": None,
        "fence": None,
        "path": None,
        "reason": reason,
        "not_before": _micros(not_before),
        "avoid_printer_id": print_.printer_id,
    }
    event = _became(print_, state, stamp, reason=reason)
    return await _step(tx, _GIVE_BACK, print_, values, event)


@one_statement
@script
async def begin_exit(
    tx: Tx,
    print_: PrintRecord,
    verdict: PrintState,
    by: str,
    reason: str,
    evidence: Mapping[str, Any],
    stamp: Stamp,
) -> PrintRecord:
    """Store the wanted verdict with its evidence: the exit's first step."""
    text = to_json(dict(evidence))
    values = {
        "exit_verdict": verdict.value,
        "exit_by": by,
        "exit_step": "stored",
        "exit_evidence": text,
        "evidence": text,
        "reason": reason or None,
    }
    wish = {"verdict": verdict.value, "by": by, "reason": reason}
    event = _exit_event(print_, "print.exit", stamp, wish)
    return await _step(tx, _EXIT, print_, values, event)


def _exit_event(
    print_: PrintRecord, kind: str, stamp: Stamp, data: Mapping[str, Any]
) -> EventRecord:
    return EventRecord(
        stamp.ids[0],
        stamp.at,
        kind,
        printer_id=print_.printer_id,
        job_id=print_.job_id,
        print_id=print_.id,
        data=dict(data),
    )


@one_statement
@script
async def step_exit(tx: Tx, print_: PrintRecord, step: str) -> PrintRecord:
    """Store how far the exit has come."""
    return await _step(tx, _STEP, print_, {"exit_step": step})


@one_statement
@script
async def abandon_exit(tx: Tx, print_: PrintRecord, reason: str, stamp: Stamp) -> PrintRecord:
    """Drop the wanted verdict, and the word it may stand on: the printer contradicts it."""
    values = {
        "exit_verdict": None,
        "exit_by": None,
        "exit_step": None,
        "exit_evidence": None,
        "evidence": None,
        "reason": reason,
        "resolution": None,
    }
    dropped = {"verdict": print_.exit_verdict, "by": print_.exit_by, "reason": reason}
    event = _exit_event(print_, "print.exit_abandoned", stamp, dropped)
    return await _step(tx, _ABANDON, print_, values, event)


@dataclass(frozen=True, slots=True)
class End:
    """How a print ends: the verdict, on whose word, and the bed it leaves (None: as it is).

    `pace` divides the pause before a replacement: the farm's time factor.
    """

    verdict: PrintState
    by: str
    reason: str
    evidence: Mapping[str, Any]
    bed: Bed | None = None
    bed_reason: str = ""
    pace: float = 1.0


MADE_SINCE = (
    "the print ran when the backup was taken that the farm was restored from: since then its copy"
    " may have been printed already by another one; release the job if not"
)


@script
async def end_print(
    tx: Tx, print_: PrintRecord, printer: PrinterRecord, end: End, stamp: Stamp
) -> PrintRecord:
    """The verdict and, if one is due, the replacement print: one transaction.

    Where a restore has found the print active, the replacement waits for a person.
    """
    state = after(print_.state, EXIT_EVENT[end.verdict])
    doubted = await forgotten.end_doubt(tx, print_.id)
    held = _JOB_HELD if doubted else _JOB
    await tx.row(held, {"job_id": print_.job_id})  # before the print: see storage/locks.py
    values = {
        "state": state.value,
        "reason": end.reason or None,
        "evidence": to_json(dict(end.evidence)),
        "exit_step": "done",
        "ended_at": stamp.micros,
        "exit_verdict": end.verdict.value,
        "exit_by": end.by,
    }
    await _change(tx, _END, print_, values)
    await ledger.refuse_asked(tx, print_.id, f"the print is {state}", stamp.micros)
    if end.bed is not None:
        await fleet.set_bed(tx, printer, end.bed, end.bed_reason)
    await _say(tx, print_, state, stamp, reason=end.reason, by=end.by)
    if state in (PrintState.FAILED, PrintState.NOT_STARTED) and not print_.wants_cancel:
        replaced = await _replace(tx, print_, end.pace, stamp)
        if replaced and doubted:
            event_id = str(uuid5(UUID(stamp.ids[0]), print_.job_id))
            await forgotten.hold_job(tx, print_.job_id, MADE_SINCE, event_id, stamp.at)
    return await get_print(tx, print_.id)


@script
async def drop_unstarted(tx: Tx, print_: PrintRecord, reason: str, stamp: Stamp) -> PrintRecord:
    """Cancel a print that was never started; its printer is free again."""
    state = after(print_.state, Event.CANCEL)
    values = {
        "state": state.value,
        "reason": reason,
        "evidence": None,
        "exit_step": None,
        "ended_at": stamp.micros,
        "exit_verdict": None,
        "exit_by": None,
    }
    await _change(tx, _END, print_, values)
    await _say(tx, print_, state, stamp, reason=reason)
    return await get_print(tx, print_.id)


async def attempts_of(tx: Tx, job_id: str) -> list[Attempt]:
    """Every print of a job as its state is derived from."""
    rows = await tx.rows(_ATTEMPTS, {"job_id": job_id})
    return [Attempt(row["id"], row["copy_no"], PrintState(row["state"])) for row in rows]


async def _replace(tx: Tx, print_: PrintRecord, pace: float, stamp: Stamp) -> bool:
    """Queue a new print for the copy, unless the job is cancelled or out of retries: whether so."""
    row = await tx.row(_JOB, {"job_id": print_.job_id})
    if row is None:
        return False
    job = job_from(row)
    attempts = await attempts_of(tx, job.id)
    due = wants_replacement(
        cancelled=job.cancelled,
        copies=job.copies,
        retries=job.retries,
        copy=print_.copy_no,
        prints=attempts,
    )
    if not due:
        return False
    pause = retry_pause(print_.try_no) / pace
    await queue_print(
        tx,
        job_id=job.id,
        copy_no=print_.copy_no,
        try_no=print_.try_no + 1,
        stamp=Stamp(stamp.at, stamp.ids[1:]),
        not_before=stamp.at + pause,
        avoid=print_.printer_id,
        confirmed=print_.confirmed,
    )
    return True


_QUEUE_PRINT = insert(prints)


async def queue_print(
    tx: Tx,
    *,
    job_id: str,
    copy_no: int,
    try_no: int,
    stamp: Stamp,
    not_before: datetime | None = None,
    avoid: str | None = None,
    confirmed: bool = False,
) -> str:
    """Queue a new print with a new id (`stamp.ids[0]`); its event takes `stamp.ids[1]`."""
    number = await tx.next_number("print")
    values = {
        "id": stamp.ids[0],
        "number": number,
        "job_id": job_id,
        "copy_no": copy_no,
        "try_no": try_no,
        "state": PrintState.QUEUED.value,
        "created_at": stamp.micros,
        "not_before": _micros(not_before),
        "avoid_printer_id": avoid,
        "confirmed": confirmed,
    }
    await tx.change(_QUEUE_PRINT, values)
    event = EventRecord(
        stamp.ids[1],
        stamp.at,
        "print.queued",
        job_id=job_id,
        print_id=stamp.ids[0],
        data={"number": number, "copy": copy_no, "try": try_no},
    )
    await tx.record(event)
    return stamp.ids[0]


_TAKE_OVER = (
    update(prints)
    .where(prints.c.printer_id == bindparam("of_printer"))
    .where(PRINT_IS_ACTIVE)
    .values(fence=bindparam("new_fence"), version=prints.c.version + 1)
)


async def take_over(tx: Tx, printer_id: str, fence: int) -> None:
    """Give the printer's active print a new owner's fence and a new version."""
    await tx.change(_TAKE_OVER, {"of_printer": printer_id, "new_fence": fence})


async def active_prints(tx: Tx) -> Sequence[PrintRecord]:
    """Every print that holds a printer."""
    return [print_from(row) for row in await tx.rows(_ACTIVE)]


_ACTIVE_ON = (
    select(prints.c.id)
    .where(prints.c.printer_id == bindparam("of_printer"))
    .where(PRINT_IS_ACTIVE)
    .limit(1)
)


async def is_free(tx: Tx, printer_id: str) -> bool:
    """Whether the printer has no active print, inside the caller's transaction."""
    return await tx.row(_ACTIVE_ON, {"of_printer": printer_id}) is None
