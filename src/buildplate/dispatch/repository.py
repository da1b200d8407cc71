"""The SQL of orders: jobs, their prints in the queue, the farm's stop, idempotency keys."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import (
    and_,
    bindparam,
    insert,
    select,
    update,
)

from buildplate.core.job_state import Attempt, change_copies
from buildplate.core.jobs import FileFacts, FileState, JobFacts, Queue, QueuedPrint
from buildplate.core.print_table import ACTIVE, TERMINAL, Event, PrintState, after
from buildplate.dispatch import forgotten
from buildplate.dispatch.errors import (
    JobChanged,
    JobEnded,
    KeyReused,
    PrintRefused,
    Stale,
    UnknownFile,
)
from buildplate.dispatch.grouping import as_spelled
from buildplate.dispatch.model import JobRecord, NewJob, PrintCounts, PrintRecord
from buildplate.dispatch.reading import (
    active_prints_of,
    get_job,
    job_with_counts,
    prints_of,
)
from buildplate.dispatch.rows import job_from, print_from, requirements_to_json
from buildplate.dispatch.trails import CREATED, FIELD
from buildplate.dispatch.transitions import (
    Stamp,
    attempts_of,
    farm_stopped,
    get_print,
    hold_print,
    queue_print,
)
from buildplate.storage import (
    EventRecord,
    Tx,
    from_micros,
    hold_farm,
    script,
    to_json,
    to_micros,
)
from buildplate.storage.tables import (
    PRINT_IS_ACTIVE,
    PRINT_IS_QUEUED,
    idempotency,
    jobs,
    print_files,
    prints,
)


@dataclass(frozen=True, slots=True)
class Key:
    """An idempotency key and what it was used for."""

    key: str
    scope: str
    body_sha256: str


_JOB_LOCKED = select(jobs).where(jobs.c.id == bindparam("job_id")).with_for_update()
_PRINTS_LOCKED = (
    select(prints.c.id)
    .where(prints.c.job_id == bindparam("job_id"))
    .order_by(prints.c.number)
    .with_for_update()
)


_KEY = select(idempotency).where(idempotency.c.key == bindparam("of_key"))
_FILE = (
    select(print_files.c.id, print_files.c.name)
    .where(print_files.c.id == bindparam("file_id"))
    .where(print_files.c.state != "deleted")
    .with_for_update(read=True)
)
_NEW_JOB = insert(jobs)
_NEW_KEY = insert(idempotency)


async def job_of_key(tx: Tx, key: Key | None) -> str | None:
    """The id of the job that was made with this key; None where there is none yet. KeyReused."""
    if key is None:
        return None
    row = await tx.row(_KEY, {"of_key": key.key})
    if row is None:
        return None
    if row["scope"] != key.scope or row["body_sha256"] != key.body_sha256:
        message = f"the key {key.key} was used for another request"
        raise KeyReused(message)
    return str(row["resource_id"])


@script
async def create_job(
    tx: Tx, job_id: str, order: NewJob, key: Key | None, stamp: Stamp, trail: str | None = None
) -> tuple[JobRecord, bool]:
    """Store an order and its queued prints; the same key answers the job made first.

    `stamp.ids` holds one id for the event and two for each copy; `trail` is the id of the request
    that it came with. UnknownFile, KeyReused.
    """
    known = await job_of_key(tx, key)
    if known is not None:
        return await get_job(tx, known), False
    order = await as_spelled(tx, order)
    file = await tx.row(_FILE, {"file_id": order.file_id})
    if file is None:
        message = f"there is no print file {order.file_id}"
        raise UnknownFile(message)
    number = await tx.next_number("job")
    await tx.change(
        _NEW_JOB,
        _job_columns(order)
        | {
            "name": order.name or file["name"],
            "id": job_id,
            "number": number,
            "created_at": stamp.micros,
        },
    )
    if key is not None:
        await tx.change(
            _NEW_KEY,
            {
                "key": key.key,
                "scope": key.scope,
                "body_sha256": key.body_sha256,
                "resource_id": job_id,
                "created_at": stamp.micros,
            },
        )
    told = {} if trail is None else {FIELD: trail}
    await tx.record(_event(stamp, CREATED, job_id, number=number, copies=order.copies, **told))
    for index in range(order.copies):
        ids = stamp.ids[1 + 2 * index : 3 + 2 * index]
        await queue_print(
            tx, job_id=job_id, copy_no=index + 1, try_no=1, stamp=Stamp(stamp.at, ids)
        )
    return await get_job(tx, job_id), True


def _job_columns(order: NewJob) -> dict[str, Any]:
    return {
        "file_id": order.file_id,
        "name": order.name,
        "copies": order.copies,
        "priority": order.priority.value,
        "due": None if order.due is None else to_micros(order.due),
        "requirements": requirements_to_json(order.requirements),
        "retries": order.retries,
        "hold": order.hold,
        "customer": order.customer,
        "reference": order.reference,
        "origin": order.origin,
    }


def _event(stamp: Stamp, kind: str, job_id: str, **data: Any) -> EventRecord:
    return EventRecord(stamp.ids[0], stamp.at, kind, job_id=job_id, data=data)


async def _change_job(tx: Tx, job: JobRecord, values: Mapping[str, Any]) -> None:
    statement = (
        update(jobs)
        .where(and_(jobs.c.id == job.id, jobs.c.version == job.version))
        .values(version=jobs.c.version + 1, **values)
    )
    if await tx.change(statement) != 1:
        message = f"job {job.number} was changed meanwhile"
        raise JobChanged(message)


async def _locked(tx: Tx, reference: str) -> JobRecord:
    job = await get_job(tx, reference)
    row = await tx.row(_JOB_LOCKED, {"job_id": job.id})
    return job if row is None else job_from(row)


@script
async def edit_job(
    tx: Tx, job: JobRecord, order: NewJob, stamp: Stamp
) -> tuple[JobRecord, PrintCounts]:
    """Replace what a job asks for; copies are added to or taken from the queue; TooFewCopies."""
    order = await as_spelled(tx, order)
    if (await _locked(tx, job.id)).cancelled:
        message = f"job {job.number} was cancelled"
        raise JobEnded(message)
    change = change_copies(job.copies, order.copies, await attempts_of(tx, job.id))
    columns = _job_columns(order)
    del columns["file_id"], columns["hold"]
    await _change_job(tx, job, columns)
    for index, copy_no in enumerate(change.add):
        ids = stamp.ids[1 + 2 * index : 3 + 2 * index]
        await queue_print(tx, job_id=job.id, copy_no=copy_no, try_no=1, stamp=Stamp(stamp.at, ids))
    for print_id in change.remove:
        await _drop_queued(tx, job.id, print_id, "fewer copies are wanted", stamp)
    await tx.record(_event(stamp, "job.edited", job.id, copies=order.copies))
    return await job_with_counts(tx, job.id)


_DROP_QUEUED = (
    update(prints)
    .where(and_(prints.c.id == bindparam("print_id"), prints.c.state == PrintState.QUEUED.value))
    .values(
        state=after(PrintState.QUEUED, Event.CANCEL).value,
        version=prints.c.version + 1,
        ended_at=bindparam("new_ended_at"),
        reason=bindparam("new_reason"),
    )
)
_WISH_CANCEL = (
    update(prints)
    .where(prints.c.id == bindparam("print_id"))
    .where(PRINT_IS_ACTIVE)
    .where(prints.c.wants_cancel.is_(False))
    .values(wants_cancel=True, version=prints.c.version + 1)
)


async def _drop_queued(tx: Tx, job_id: str, print_id: str, reason: str, stamp: Stamp) -> bool:
    """End a print that waits; its event's id follows from the stamp's first one."""
    values = {"print_id": print_id, "new_ended_at": stamp.micros, "new_reason": reason}
    if await tx.change(_DROP_QUEUED, values) != 1:
        return False
    event = EventRecord(
        id=str(uuid5(UUID(stamp.ids[0]), print_id)),
        at=stamp.at,
        kind=f"print.{after(PrintState.QUEUED, Event.CANCEL)}",
        job_id=job_id,
        print_id=print_id,
        data={"reason": reason},
    )
    await tx.record(event)
    return True


async def _cancel_one(tx: Tx, print_: PrintRecord, reason: str, stamp: Stamp) -> None:
    """Drop a queued print; wish for the end of one that holds a printer, however it was read."""
    if print_.state in TERMINAL:
        return
    if not await _drop_queued(tx, print_.job_id, print_.id, reason, stamp):
        await tx.change(_WISH_CANCEL, {"print_id": print_.id})


@script
async def cancel_job(
    tx: Tx, reference: str, stamp: Stamp
) -> tuple[JobRecord, PrintCounts, list[PrintRecord]]:
    """Cancel a job: its queued prints end, its active ones, which it answers, are wished to end."""
    job = await _locked(tx, reference)
    if not job.cancelled:
        await _change_job(tx, job, {"cancelled": True})
        await tx.record(_event(stamp, "job.cancelled", job.id, number=job.number))
    await tx.rows(_PRINTS_LOCKED, {"job_id": job.id})
    for print_ in await prints_of(tx, job.id):
        await _cancel_one(tx, print_, "the job was cancelled", stamp)
    active = await active_prints_of(tx, job.id)
    return *await job_with_counts(tx, job.id), active


@script
async def cancel_print(tx: Tx, reference: str, stamp: Stamp) -> PrintRecord:
    """Wish for the end of one print; PrintRefused when it has ended."""
    print_ = await hold_print(tx, reference)
    if print_.state is not PrintState.QUEUED and print_.state not in ACTIVE:
        message = f"print {print_.number} has ended: {print_.state}"
        raise PrintRefused(message)
    await _cancel_one(tx, print_, "cancelled by a person", stamp)
    event = EventRecord(
        stamp.ids[0],
        stamp.at,
        "print.cancel_wanted",
        printer_id=print_.printer_id,
        job_id=print_.job_id,
        print_id=print_.id,
    )
    await tx.record(event)
    return await get_print(tx, print_.id)


@script
async def hold_job(tx: Tx, reference: str, hold: bool, stamp: Stamp) -> JobRecord:  # noqa: FBT001
    """Set or lift a job's hold: it stops new claims and nothing else."""
    job = await _locked(tx, reference)
    if job.hold is not hold:
        await _change_job(tx, job, {"hold": hold})
        kind = "job.held" if hold else "job.released"
        await tx.record(_event(stamp, kind, job.id, number=job.number))
    return await get_job(tx, job.id)


@script
async def retry_job(tx: Tx, reference: str, stamp: Stamp) -> tuple[JobRecord, PrintCounts]:
    """Queue a new print for every copy that is neither made nor being made; JobEnded if none is."""
    job = await _locked(tx, reference)
    if job.cancelled:
        message = f"job {job.number} was cancelled"
        raise JobEnded(message)
    found = await prints_of(tx, job.id)
    missing = _missing_copies(job, [print_.attempt_of for print_ in found])
    if not missing:
        message = f"no copy of job {job.number} is missing"
        raise JobEnded(message, "Duplicate the job to print it again.")
    tries = {print_.copy_no: print_.try_no for print_ in found}
    for index, copy_no in enumerate(missing[: len(stamp.ids) // 2]):
        ids = stamp.ids[1 + 2 * index : 3 + 2 * index]
        await queue_print(
            tx,
            job_id=job.id,
            copy_no=copy_no,
            try_no=tries.get(copy_no, 0) + 1,
            stamp=Stamp(stamp.at, ids),
        )
    await tx.record(_event(stamp, "job.retried", job.id, number=job.number, copies=len(missing)))
    return await job_with_counts(tx, job.id)


def _missing_copies(job: JobRecord, attempts: Sequence[Attempt]) -> list[int]:
    dead = {PrintState.FAILED, PrintState.NOT_STARTED, PrintState.CANCELLED}
    living = {attempt.copy for attempt in attempts if attempt.state not in dead}
    known = sorted({attempt.copy for attempt in attempts} - living)
    return known[: max(0, job.copies - len(living))]


def _must_change(changed: int, print_: PrintRecord) -> None:
    """Refuse a person's word on a print that moved on between the read and the write."""
    if changed != 1:
        message = f"print {print_.number} was changed meanwhile"
        raise Stale(message)


@script
async def resolve_print(
    tx: Tx,
    reference: str,
    said: Mapping[str, Any],
    reachable: bool,  # noqa: FBT001 (scripts pass positionally)
    stamp: Stamp,
) -> PrintRecord:
    """Store a person's word on a print; it is evidence, and takes the same exit; PrintRefused."""
    print_ = await hold_print(tx, reference)
    waits = print_.state is PrintState.NEEDS_ATTENTION
    overridden = bool(said.get("override")) and print_.state in ACTIVE and not reachable
    if not waits and not (overridden and print_.intent_at is not None):
        message = f"print {print_.number} is {print_.state} and needs nobody's word"
        raise PrintRefused(message)
    if waits and not reachable and not said.get("override"):
        message = "the printer can't be reached, so the word can't be checked against it"
        raise PrintRefused(message, "Bring the printer back, or repeat with override: true.")
    statement = (
        update(prints)
        .where(and_(prints.c.id == print_.id, prints.c.version == print_.version))
        .values(resolution=to_json(dict(said)), version=prints.c.version + 1)
    )
    _must_change(await tx.change(statement), print_)
    event = EventRecord(
        stamp.ids[0],
        stamp.at,
        "print.resolved",
        printer_id=print_.printer_id,
        job_id=print_.job_id,
        print_id=print_.id,
        data=dict(said),
    )
    await tx.record(event)
    return await get_print(tx, print_.id)


@script
async def confirm_print(tx: Tx, reference: str, stamp: Stamp) -> PrintRecord:
    """A person lets a waiting print start on a printer that asks for it."""
    print_ = await hold_print(tx, reference)
    if print_.state is not PrintState.QUEUED:
        message = f"print {print_.number} is {print_.state}, only a queued one is confirmed"
        raise PrintRefused(message)
    changed = await tx.change(
        update(prints)
        .where(and_(prints.c.id == print_.id, prints.c.version == print_.version))
        .values(confirmed=True, version=prints.c.version + 1)
    )
    _must_change(changed, print_)
    event = EventRecord(
        stamp.ids[0], stamp.at, "print.confirmed", job_id=print_.job_id, print_id=print_.id
    )
    await tx.record(event)
    return await get_print(tx, print_.id)


@script
async def assign_print(tx: Tx, reference: str, printer_id: str, stamp: Stamp) -> PrintRecord:
    """Give a queued print to one printer only; PrintRefused, Stale."""
    print_ = await hold_print(tx, reference)
    if print_.state is not PrintState.QUEUED:
        message = f"print {print_.number} is {print_.state}, only a queued one is assigned"
        raise PrintRefused(message)
    changed = await tx.change(
        update(prints)
        .where(and_(prints.c.id == print_.id, prints.c.version == print_.version))
        .values(assigned_printer_id=printer_id, version=prints.c.version + 1)
    )
    _must_change(changed, print_)
    event = EventRecord(
        stamp.ids[0],
        stamp.at,
        "print.assigned",
        printer_id=printer_id,
        job_id=print_.job_id,
        print_id=print_.id,
    )
    await tx.record(event)
    return await get_print(tx, print_.id)


@script
async def stop_farm(tx: Tx, stopped: bool, reason: str, stamp: Stamp) -> None:  # noqa: FBT001
    """Stop or release the whole farm: no new claim and no start while it is stopped."""
    await hold_farm(tx)
    if await farm_stopped(tx) is stopped:
        return
    await forgotten.set_stopped(tx, stopped=stopped, reason=reason)
    if not stopped:
        await forgotten.close_restore(tx)
    kind = "queue.stopped" if stopped else "queue.released"
    await tx.record(EventRecord(stamp.ids[0], stamp.at, kind, data={"reason": reason}))


@script
async def distrust(
    tx: Tx, printer_id: str, paths: Sequence[str], said: Mapping[str, Any], stamp: Stamp
) -> None:
    """Stop the farm over files that the database does not know; each of them stops it once.

    `said` is what the event says of them; its reason is added to those that the farm has already.

    A queued print that such a file names was sent already, nobody knows to which end: its job is
    held, so that releasing the farm does not print it again.
    """
    await hold_farm(tx)
    await forgotten.accept(tx, paths)
    await forgotten.stop_also(tx, str(said["reason"]))
    event = EventRecord(stamp.ids[0], stamp.at, "queue.stopped", printer_id, data=said)
    await tx.record(event)
    ids = list(stamp.ids[1:])
    for job_id in await forgotten.jobs_sent(tx, paths):
        why = "a printer keeps a file of it that was sent after the backup"
        await forgotten.hold_job(tx, job_id, why, ids.pop(), stamp.at)


# --- reading the queue and lists -----------------------------------------------------------------

_QUEUED = select(prints).where(PRINT_IS_QUEUED)
_QUEUED_JOBS = select(jobs).where(jobs.c.id.in_(select(prints.c.job_id).where(PRINT_IS_QUEUED)))
_HISTORY = (
    select(
        prints.c.job_id,
        prints.c.copy_no,
        prints.c.printer_id,
        prints.c.created_at,
        prints.c.ended_at,
        prints.c.intent_at,
        prints.c.state,
    )
    .where(prints.c.state != PrintState.QUEUED.value)
    .where(prints.c.job_id.in_(select(prints.c.job_id).where(PRINT_IS_QUEUED)))
)


@dataclass(frozen=True, slots=True)
class Waiting:
    """The queued prints as stored, with their jobs and what became of earlier tries."""

    jobs: Mapping[str, JobRecord]
    prints: Sequence[PrintRecord]
    history: Sequence[Any]
    stopped: bool


async def read_waiting(tx: Tx) -> Waiting:
    """Everything the planner needs from the database."""
    queued = [print_from(row) for row in await tx.rows(_QUEUED)]
    found = {row["id"]: job_from(row) for row in await tx.rows(_QUEUED_JOBS)} if queued else {}
    history = await tx.rows(_HISTORY) if queued else ()
    return Waiting(found, queued, history, await farm_stopped(tx))


def as_queue(waiting: Waiting, files: Mapping[str, FileFacts]) -> Queue:
    """The queue as the planner sees it."""
    first: dict[tuple[str, int], int] = {}
    failed_on: dict[tuple[str, int], set[str]] = defaultdict(set)
    failed_at: dict[tuple[str, int], int] = {}
    last_start: dict[str, int] = {}
    for row in waiting.history:
        copy = (row["job_id"], row["copy_no"])
        first[copy] = min(row["created_at"], first.get(copy, row["created_at"]))
        if row["state"] in ("failed", "not_started") and row["printer_id"]:
            failed_on[copy].add(row["printer_id"])
            failed_at[copy] = max(row["ended_at"] or 0, failed_at.get(copy, 0))
        if row["intent_at"]:
            last_start[row["job_id"]] = max(row["intent_at"], last_start.get(row["job_id"], 0))
    facts = {
        job.id: JobFacts(
            id=job.id,
            number=job.number,
            file=files.get(job.file_id) or _missing(job.file_id),
            priority=job.priority,
            due=job.due,
            hold=job.hold,
            requirements=job.requirements,
            last_start=from_micros(last_start[job.id]) if job.id in last_start else None,
        )
        for job in waiting.jobs.values()
    }
    queued = []
    for print_ in waiting.prints:
        copy = (print_.job_id, print_.copy_no)
        avoided = failed_on.get(copy, set())
        if print_.avoid_printer_id is not None:
            avoided = avoided | {print_.avoid_printer_id}
        since = from_micros(first[copy]) if copy in first else print_.created_at
        at = failed_at.get(copy)
        queued.append(
            QueuedPrint(
                id=print_.id,
                job=facts[print_.job_id],
                copy=print_.copy_no,
                queued_at=min(since, print_.created_at),
                rank=waiting.jobs[print_.job_id].rank,
                assigned_to=print_.assigned_printer_id,
                confirmed=print_.confirmed,
                not_before=print_.not_before,
                failed_on=frozenset(avoided),
                failed_at=from_micros(at) if at else None,
            )
        )
    return Queue(tuple(queued), waiting.stopped)


def _missing(file_id: str) -> FileFacts:
    return FileFacts(file_id, FileState.MISSING)
