"""What a restored database has forgotten, and the farm's stop that goes with it.

A backup knows nothing of what was done after it. What may have been done since is stored here as
such, in the table `farm`, so that nothing of it is taken for what is known (docs/adr/0018).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import bindparam, delete, insert, select, update

from buildplate.core.print_table import AFTER_INTENT, BEFORE_INTENT, Event, PrintState, after
from buildplate.core.upload_names import Gap, gap_of, read_upload_name
from buildplate.storage import EventRecord, Row, Tx, from_json, from_micros, to_json, to_micros
from buildplate.storage.tables import farm, jobs, prints

_STOPPED, _WHY, _RESTORED = "stopped", "stopped_why", "restored"
_ACCEPTED, _GAPS, _DOUBTED = "accepted:", "gaps:", "doubted:"
_VALUES = select(farm.c.key, farm.c.value).where(farm.c.key.in_(bindparam("keys", expanding=True)))
_ACCEPTED_ROWS = select(farm.c.key).where(farm.c.key.startswith(_ACCEPTED, autoescape=True))
_ATTEMPTS_OF = select(prints.c.id, prints.c.attempt).where(
    prints.c.id.in_(bindparam("print_ids", expanding=True))
)
_WAITING_JOBS = (
    select(prints.c.job_id)
    .where(prints.c.id.in_(bindparam("print_ids", expanding=True)))
    .where(prints.c.state == PrintState.QUEUED.value)
    .distinct()
    .order_by(prints.c.job_id)
)
_SENT_LATER = (
    select(prints, jobs.c.cancelled)
    .join_from(prints, jobs, prints.c.job_id == jobs.c.id)
    .where(prints.c.state.in_([state.value for state in PrintState if state in BEFORE_INTENT]))
    .order_by(prints.c.number)
)
_END_UNSTARTED = (
    update(prints)
    .where(prints.c.id == bindparam("print_id"))
    .values(
        state=bindparam("new_state"),
        reason=bindparam("new_reason"),
        ended_at=bindparam("new_ended_at"),
        version=prints.c.version + 1,
    )
)
_UNDER_WAY = select(prints.c.id).where(
    prints.c.state.in_([state.value for state in PrintState if state in AFTER_INTENT])
)
_NO_DOUBT = delete(farm).where(farm.c.key == bindparam("of_key"))
_HOLD = (
    update(jobs)
    .where(jobs.c.id == bindparam("job_id"))
    .values(hold=True, version=jobs.c.version + 1)
)
_PASS_OVER = (
    update(prints)
    .where(prints.c.id == bindparam("print_id"))
    .values(
        state=PrintState.QUEUED.value,
        reason=bindparam("new_reason"),
        attempt=bindparam("new_attempt"),
        printer_id=None,
        fence=None,
        path=None,
        version=prints.c.version + 1,
    )
)


async def _put(tx: Tx, key: str, value: Any) -> None:
    await tx.change(delete(farm).where(farm.c.key == key))
    await tx.change(insert(farm).values(key=key, value=to_json(value)))


async def _got(tx: Tx, *keys: str) -> dict[str, Any]:
    rows = await tx.rows(_VALUES, {"keys": list(keys)})
    return {row["key"]: from_json(row["value"]) for row in rows}


# --- the farm's stop -----------------------------------------------------------------------------


async def set_stopped(tx: Tx, *, stopped: bool, reason: str) -> None:
    """Stop or release the farm, with the reason for people; the caller holds the farm."""
    await _put(tx, _STOPPED, stopped)
    await _put(tx, _WHY, reason)


async def stop_also(tx: Tx, reason: str) -> None:
    """Stop the farm for one more reason, after those that it is stopped for; bounded."""
    before = await why_stopped(tx)
    await set_stopped(tx, stopped=True, reason=joined(before or "", reason))


def joined(before: str, reason: str) -> str:
    """The reasons of a stop in one text; the first stays, the last may be left to the events."""
    if not before or reason in before:
        return before or reason
    both = f"{before}; {reason}"
    if len(both) <= LONGEST_REASON:
        return both
    return before if before.endswith(MORE_REASONS) else before + MORE_REASONS


LONGEST_REASON = 2000
MORE_REASONS = "; and more, see the events queue.stopped"


async def why_stopped(tx: Tx) -> str | None:
    """Why the whole farm is stopped, as far as that was said; None where it is not."""
    found = await _got(tx, _STOPPED, _WHY)
    return str(found.get(_WHY, "")) if found.get(_STOPPED) is True else None


async def restore_open(tx: Tx) -> bool:
    """Whether a restore is the newest reason to doubt: nobody has released the farm since."""
    restored = (await _got(tx, _RESTORED)).get(_RESTORED)
    return restored is not None and restored.get("open", False) is True


async def close_restore(tx: Tx) -> None:
    """A person has released the farm after its restore."""
    restored = (await _got(tx, _RESTORED)).get(_RESTORED)
    if restored is not None and restored.get("open"):
        await _put(tx, _RESTORED, {**restored, "open": False})


# --- files on printers ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sent:
    """What is known of uploads: attempts by print, and those of them that a restore has forgotten.

    `accepted` are files that people know about, `taken_at` is when the backup was taken that the
    database comes from.
    """

    attempts: Mapping[str, int]
    gaps: Mapping[str, Sequence[Gap]]
    accepted: frozenset[str]
    taken_at: datetime | None


async def sent_uploads(tx: Tx, print_ids: Sequence[str]) -> Sent:
    """What is known of the uploads of these prints."""
    rows = await tx.rows(_ATTEMPTS_OF, {"print_ids": list(print_ids)}) if print_ids else ()
    accepted = await tx.rows(_ACCEPTED_ROWS)
    found = await _got(tx, _RESTORED, *(f"{_GAPS}{one}" for one in print_ids))
    restored = found.pop(_RESTORED, None)
    return Sent(
        {row["id"]: row["attempt"] for row in rows},
        {key.removeprefix(_GAPS): [Gap(*pair) for pair in pairs] for key, pairs in found.items()},
        frozenset(row["key"].removeprefix(_ACCEPTED) for row in accepted),
        None if restored is None else from_micros(restored["taken_at"]),
    )


async def accept(tx: Tx, paths: Sequence[str]) -> None:
    """Note files that people were told about: each of them stops the farm once."""
    for path in paths:
        await _put(tx, _ACCEPTED + path, True)  # noqa: FBT003 (a value to store)


async def jobs_sent(tx: Tx, paths: Sequence[str]) -> list[str]:
    """The jobs of queued prints that these files name: they were sent, unknown to the database."""
    named = sorted({found[0] for path in paths if (found := read_upload_name(path)) is not None})
    if not named:
        return []
    return [row["job_id"] for row in await tx.rows(_WAITING_JOBS, {"print_ids": named})]


async def hold_job(tx: Tx, job_id: str, why: str, event_id: str, at: datetime) -> None:
    """Put a job on hold until a person has looked; the caller may change the job."""
    await tx.change(_HOLD, {"job_id": job_id})
    await tx.record(EventRecord(event_id, at, "job.held", job_id=job_id, data={"reason": why}))


# --- prints that were active at the backup -------------------------------------------------------


async def end_doubt(tx: Tx, print_id: str) -> bool:
    """A print ends; whether a restore found it active, so that its copy may be made already.

    After the backup it may have ended and been replaced by a print that the database never knew.
    """
    return await tx.change(_NO_DOUBT, {"of_key": _DOUBTED + print_id}) == 1


# --- the restore itself --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Restored:
    """A restore: when, from a backup of when, what people are told, and an id for the event."""

    at: datetime
    taken_at: datetime
    reason: str
    event_id: str


def stop_rows(reason: str) -> list[tuple[str, Sequence[str], Sequence[Any]]]:
    """The farm's stop as rows, for the transaction that loads a backup's."""
    columns = ("key", "value")
    return [
        ("farm", columns, (_STOPPED, to_json(True))),  # noqa: FBT003 (a value to store)
        ("farm", columns, (_WHY, to_json(reason))),
    ]


async def settle_prints(tx: Tx, restored: Restored) -> None:
    """Stop the farm, and pass over every upload that may have been made since the backup.

    A print that was claimed or on its way to a printer waits again, as after any take-over: its
    next upload has a name that no life of this database ever used. Of a print that was past its
    intent it is noted, until it ends, that it may have been replaced since. One that was to be
    cancelled ends: its wish forbade the intent, so it was not started after the backup either.
    """
    await set_stopped(tx, stopped=True, reason=restored.reason)
    moments = {"at": to_micros(restored.at), "taken_at": to_micros(restored.taken_at)}
    await _put(tx, _RESTORED, {**moments, "open": True})
    for row in await tx.rows(_SENT_LATER):
        if row["wants_cancel"] or row["cancelled"]:
            await _end_unstarted(tx, row, restored)
        else:
            await _pass_over(tx, row, restored)
    for row in await tx.rows(_UNDER_WAY):
        await _put(tx, _DOUBTED + row["id"], True)  # noqa: FBT003 (a value to store)
    data = {"reason": restored.reason, "restored_from": restored.taken_at.isoformat()}
    await tx.record(EventRecord(restored.event_id, restored.at, "queue.stopped", data=data))


async def _pass_over(tx: Tx, row: Row, restored: Restored) -> None:
    """Let a print wait for an upload under a name beyond all that may have been used."""
    state = PrintState(row["state"])
    under_way = state is not PrintState.QUEUED
    gap = gap_of(row["attempt"], restored.at, under_way=under_way)
    key = f"{_GAPS}{row['id']}"
    before = (await _got(tx, key)).get(key, [])
    await _put(tx, key, [*before, [gap.after, gap.to]])
    values = {"print_id": row["id"], "new_attempt": gap.to}
    reason = SENT_AGAIN if under_way else row["reason"]
    await tx.change(_PASS_OVER, {**values, "new_reason": reason})
    if under_way:
        await _say(tx, row, after(state, Event.GIVEN_BACK), SENT_AGAIN, restored)


async def _end_unstarted(tx: Tx, row: Row, restored: Restored) -> None:
    """End a print that was to be cancelled before it was started."""
    state = after(PrintState(row["state"]), Event.CANCEL)
    values = {"print_id": row["id"], "new_state": state.value, "new_reason": UNWANTED}
    await tx.change(_END_UNSTARTED, {**values, "new_ended_at": to_micros(restored.at)})
    await _say(tx, row, state, UNWANTED, restored)


async def _say(tx: Tx, row: Row, state: PrintState, reason: str, restored: Restored) -> None:
    event = EventRecord(
        str(uuid5(UUID(restored.event_id), row["id"])),
        restored.at,
        f"print.{state}",
        printer_id=row["printer_id"],
        job_id=row["job_id"],
        print_id=row["id"],
        data={
            "number": row["number"],
            "copy": row["copy_no"],
            "try": row["try_no"],
            "reason": reason,
        },
    )
    await tx.record(event)


SENT_AGAIN = "it was on its way when the backup was taken that the farm was restored from"
UNWANTED = "it was to be cancelled when the backup was taken that the farm was restored from"
