"""A person's own order of the queue: ranks of jobs, each within its priority class."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, select, update

from buildplate.dispatch.errors import PrintRefused
from buildplate.dispatch.model import JobRecord
from buildplate.dispatch.reading import get_job
from buildplate.dispatch.transitions import Stamp
from buildplate.storage import EventRecord, Tx, hold_farm, script
from buildplate.storage.tables import PRINT_IS_QUEUED, jobs, prints

REORDERED = "queue.reordered"
_WAITING = jobs.c.id.in_(select(prints.c.job_id).where(PRINT_IS_QUEUED))
_WAITS = select(prints.c.id).where(prints.c.job_id == bindparam("of"), PRINT_IS_QUEUED).limit(1)
# Jobs that have ended keep their rank, which says nothing: of years of them there are many.
_RANKS = (
    select(jobs.c.id, jobs.c.rank)
    .where(jobs.c.rank.is_not(None), jobs.c.priority == bindparam("among"), _WAITING)
    .order_by(jobs.c.rank, jobs.c.number)
)
_RANK = update(jobs).where(jobs.c.id == bindparam("of")).values(rank=bindparam("place"))


@script
async def place_before(
    tx: Tx, reference: str, before: str, stamp: Stamp, ahead: Sequence[str] = ()
) -> None:
    """Give a job the rank right ahead of another one's, within their priority class.

    `ahead` are the jobs of the class that the plan has before the other one, in its order. Where
    that has no rank of its own, they are given theirs: so they stay ahead of the job that is moved.
    Raises PrintRefused where there is no such place.
    """
    await hold_farm(tx)
    job, other = await get_job(tx, reference), await get_job(tx, before)
    await _check_place(tx, job, other)
    found = await tx.rows(_RANKS, {"among": job.priority.value})
    ranks = {row["id"]: row["rank"] for row in found}
    order = [job_id for job_id in ranks if job_id != job.id]
    if other.id in order:
        order.insert(order.index(other.id), job.id)
    else:
        kept = {*order, job.id, other.id}
        order += [one for one in ahead if one not in kept] + [job.id]
    fresh = {job_id: float(rank) for rank, job_id in enumerate(order, start=1)}
    await tx.change_each(
        _RANK,
        [{"of": one, "place": rank} for one, rank in fresh.items() if ranks.get(one) != rank],
    )
    await tx.record(_event(stamp, job, before=other.id))


async def _check_place(tx: Tx, job: JobRecord, other: JobRecord) -> None:
    if job.id == other.id:
        message = "a job cannot be put before itself"
        raise PrintRefused(message, "Name two different jobs.")
    if job.priority is not other.priority:
        message = f"job {job.number} is {job.priority}, job {other.number} {other.priority}"
        raise PrintRefused(message, "Name a job of the same priority, or change the priority.")
    if await tx.row(_WAITS, {"of": other.id}) is None:
        message = f"no print of job {other.number} waits"
        raise PrintRefused(message, "Look at the queue again: it may have begun.")


@script
async def unrank(tx: Tx, reference: str, stamp: Stamp) -> None:
    """Give a job back to the planner's own order."""
    await hold_farm(tx)
    job = await get_job(tx, reference)
    await tx.change(_RANK, {"of": job.id, "place": None})
    await tx.record(_event(stamp, job))


def _event(stamp: Stamp, job: JobRecord, **data: str) -> EventRecord:
    return EventRecord(stamp.ids[0], stamp.at, REORDERED, job_id=job.id, data=data)
