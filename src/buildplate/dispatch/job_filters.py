"""A job's state as a condition of SQL: the same as `core.job_state.job_state`, for lists."""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, distinct, func, not_, select

from buildplate.core.job_state import JobState
from buildplate.core.print_table import PrintState
from buildplate.storage.tables import PRINT_IS_ACTIVE, PRINT_IS_QUEUED, jobs, prints

_OF_JOB = prints.c.job_id == jobs.c.id
# By the few prints that are under way or wait, whatever the number of jobs that ever were.
_ACTIVE = jobs.c.id.in_(select(prints.c.job_id).where(PRINT_IS_ACTIVE))
_QUEUED = jobs.c.id.in_(select(prints.c.job_id).where(PRINT_IS_QUEUED))
_FINISHED = (
    select(func.count(distinct(prints.c.copy_no)))
    .where(_OF_JOB, prints.c.state == PrintState.COMPLETED.value)
    .scalar_subquery()
)
_COMPLETED = and_(not_(_ACTIVE), jobs.c.copies <= _FINISHED)
_ENDLESS = and_(not_(_ACTIVE), jobs.c.copies > _FINISHED)
_CONDITIONS: dict[JobState, ColumnElement[bool]] = {
    JobState.ACTIVE: _ACTIVE,
    JobState.COMPLETED: _COMPLETED,
    JobState.CANCELLED: and_(_ENDLESS, jobs.c.cancelled.is_(True)),
    JobState.QUEUED: and_(_ENDLESS, jobs.c.cancelled.is_(False), _QUEUED),
    JobState.FAILED: and_(_ENDLESS, jobs.c.cancelled.is_(False), not_(_QUEUED)),
}


def in_state(state: JobState) -> ColumnElement[bool]:
    """The condition on `jobs` that holds for jobs in this state."""
    return _CONDITIONS[state]
