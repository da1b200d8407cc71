"""Reading jobs and their prints: one, a page of them, and how many prints stand where."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, case, distinct, func, select

from buildplate.core.job_state import JobState
from buildplate.core.print_table import PrintState
from buildplate.dispatch.errors import UnknownJob
from buildplate.dispatch.job_filters import in_state
from buildplate.dispatch.model import JobRecord, PrintCounts, PrintRecord
from buildplate.dispatch.rows import job_from, print_from
from buildplate.storage import Tx, from_json
from buildplate.storage.tables import ACTIVE_STATES, PRINT_IS_ACTIVE, PRINT_IS_QUEUED, jobs, prints

_JOB = select(jobs).where(jobs.c.id == bindparam("job_id"))
_ASKED = select(jobs.c.id, jobs.c.version, jobs.c.requirements)
_JOB_BY_NUMBER = select(jobs).where(jobs.c.number == bindparam("number"))
_PRINTS_OF = select(prints).where(prints.c.job_id == bindparam("job_id")).order_by(prints.c.number)
_ACTIVE_OF = select(prints).where(prints.c.job_id == bindparam("job_id"), PRINT_IS_ACTIVE)
_SHOWN_OF = (
    select(prints)
    .where(prints.c.job_id == bindparam("job_id"))
    .order_by(PRINT_IS_ACTIVE.desc(), prints.c.number)
    .limit(bindparam("how_many"))
)
_NEXT_PRINT = (
    select(prints.c.id)
    .where(prints.c.job_id == bindparam("job_id"), PRINT_IS_QUEUED)
    .order_by(prints.c.assigned_printer_id.is_not(None), prints.c.number)
    .limit(1)
)


FEW = {PrintState.QUEUED.value: PRINT_IS_QUEUED} | dict.fromkeys(ACTIVE_STATES, PRINT_IS_ACTIVE)
"""States that few of all prints are in, and the condition that has an index of these few."""


def _how_many(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.count(case((condition, prints.c.id)))


_COUNTS = select(
    prints.c.job_id,
    func.count(
        distinct(case((prints.c.state == PrintState.COMPLETED.value, prints.c.copy_no)))
    ).label("finished"),
    _how_many(prints.c.state == PrintState.FAILED.value).label("failed"),
    _how_many(PRINT_IS_ACTIVE).label("active"),
    _how_many(PRINT_IS_QUEUED).label("queued"),
).group_by(prints.c.job_id)


_JOBS_OF_PRINTS = select(func.count(distinct(prints.c.job_id)).label("how_many"))
_ACTIVE_JOBS = _JOBS_OF_PRINTS.where(PRINT_IS_ACTIVE)
_QUEUED_JOBS = _JOBS_OF_PRINTS.where(
    PRINT_IS_QUEUED,
    prints.c.job_id.not_in(select(prints.c.job_id).where(PRINT_IS_ACTIVE)),
)


async def get_job(tx: Tx, reference: str) -> JobRecord:
    """The job with this id or number; UnknownJob where there is none."""
    if reference.isdecimal():
        row = await tx.row(_JOB_BY_NUMBER, {"number": int(reference)})
    else:
        row = await tx.row(_JOB, {"job_id": reference})
    if row is None:
        message = f"there is no job {reference}"
        raise UnknownJob(message)
    return job_from(row)


async def groups_of(tx: Tx, job_ids: Collection[str]) -> dict[str, tuple[str | None, int]]:
    """The group that each of these jobs asks for, and at which version of the job."""
    if not job_ids:
        return {}
    found = await tx.rows(_ASKED.where(jobs.c.id.in_(sorted(job_ids))))
    return {
        row["id"]: (from_json(row["requirements"]).get("group"), row["version"]) for row in found
    }


async def job_of(tx: Tx, reference: str) -> str:
    """The id of the job meant by a job's id or number, or by a print's id; UnknownJob."""
    row = await tx.row(select(prints.c.job_id).where(prints.c.id == reference))
    return str(row["job_id"]) if row is not None else (await get_job(tx, reference)).id


async def prints_of(tx: Tx, job_id: str) -> list[PrintRecord]:
    """Every print of a job, oldest first."""
    return [print_from(row) for row in await tx.rows(_PRINTS_OF, {"job_id": job_id})]


async def active_prints_of(tx: Tx, job_id: str) -> list[PrintRecord]:
    """The prints of a job that hold a printer."""
    return [print_from(row) for row in await tx.rows(_ACTIVE_OF, {"job_id": job_id})]


async def next_print(tx: Tx, reference: str) -> tuple[JobRecord, str | None]:
    """A job and its first queued print that nobody has assigned, or else its first one."""
    job = await get_job(tx, reference)
    row = await tx.row(_NEXT_PRINT, {"job_id": job.id})
    return job, None if row is None else str(row["id"])


async def job_with_counts(tx: Tx, reference: str) -> tuple[JobRecord, PrintCounts]:
    """A job, and how many of its prints stand where; UnknownJob."""
    job = await get_job(tx, reference)
    return job, (await _counts(tx, [job.id]))[job.id]


async def job_with_prints(
    tx: Tx, reference: str, limit: int
) -> tuple[JobRecord, PrintCounts, list[PrintRecord]]:
    """A job with so many of its prints, by number: those that hold a printer before others."""
    job, counts = await job_with_counts(tx, reference)
    rows = await tx.rows(_SHOWN_OF, {"job_id": job.id, "how_many": limit})
    return job, counts, sorted(map(print_from, rows), key=lambda print_: print_.number)


async def _counts(tx: Tx, job_ids: Sequence[str]) -> dict[str, PrintCounts]:
    """How many prints of these jobs stand where."""
    found = dict.fromkeys(job_ids, PrintCounts())
    for row in await tx.rows(_COUNTS.where(prints.c.job_id.in_(job_ids))):
        names = ("finished", "failed", "active", "queued")
        found[row["job_id"]] = PrintCounts(**{name: int(row[name]) for name in names})
    return found


def _paged(statement: Select[Any], column: Any, cursor: str | None, limit: int) -> Select[Any]:
    if cursor is not None:
        statement = statement.where(column < int(cursor))
    return statement.order_by(column.desc()).limit(limit)


async def list_jobs(
    tx: Tx, *, limit: int, cursor: str | None, filters: Mapping[str, Any]
) -> list[tuple[JobRecord, PrintCounts]]:
    """Jobs with the counts of their prints, newest number first, below the number `cursor`.

    Filters are columns, and `state`.
    """
    statement = select(jobs)
    for name, value in filters.items():
        statement = statement.where(in_state(value) if name == "state" else jobs.c[name] == value)
    rows = await tx.rows(_paged(statement, jobs.c.number, cursor, limit))
    found = [job_from(row) for row in rows]
    counts = await _counts(tx, [job.id for job in found]) if found else {}
    return [(job, counts[job.id]) for job in found]


async def count_unfinished(tx: Tx) -> dict[JobState, int]:
    """How many jobs are active, and how many wait with all their prints: from these alone."""
    found = {}
    for state, statement in ((JobState.QUEUED, _QUEUED_JOBS), (JobState.ACTIVE, _ACTIVE_JOBS)):
        row = await tx.row(statement)
        found[state] = 0 if row is None else int(row["how_many"])
    return found


async def list_prints(
    tx: Tx, *, limit: int, cursor: str | None, filters: Mapping[str, Any]
) -> list[PrintRecord]:
    """Prints, newest number first, below the number `cursor`."""
    statement = select(prints)
    for name, value in filters.items():
        statement = statement.where(prints.c[name] == value)
    number: ColumnElement[int] = prints.c.number
    if filters.get("state") in FEW:
        # Sorted by a sum: in the order of the number itself all prints would be walked.
        number = number + 0
        statement = statement.where(FEW[filters["state"]])
    rows = await tx.rows(_paged(statement, number, cursor, limit))
    return [print_from(row) for row in rows]
