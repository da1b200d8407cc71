"""Which request an order came with: its id follows the job, its prints and their printers in logs.

The id is stored with the event of the job's creation, so a restart goes on with it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import MutableMapping
from typing import Any

from sqlalchemy import select, union_all
from structlog.contextvars import get_contextvars

from buildplate.storage import Storage, Tx, from_json
from buildplate.storage.tables import PRINT_IS_ACTIVE, PRINT_IS_QUEUED, events, prints

CREATED = "job.queued"
FIELD = "correlation_id"
KEPT = 10_000
_LIVE = union_all(
    select(prints.c.job_id).where(PRINT_IS_QUEUED),
    select(prints.c.job_id).where(PRINT_IS_ACTIVE),
)
_KNOWN = (
    select(events.c.job_id, events.c.data)
    .where(events.c.kind == CREATED)
    .where(events.c.job_id.in_(_LIVE))
    .limit(KEPT)
)


def present_trail() -> str | None:
    """The id of the request that is being answered; None outside of one."""
    found = get_contextvars().get(FIELD)
    return found if isinstance(found, str) else None


class Trails:
    """What is remembered of the latest jobs and prints; bounded, the oldest are forgotten.

    Used as a processor of structlog: completes a line that names a job or a print.
    """

    def __init__(self) -> None:
        self._jobs: OrderedDict[str, str] = OrderedDict()
        self._job_of: OrderedDict[str, str] = OrderedDict()

    def note(self, job_id: str, trail: str | None) -> None:
        """Remember the request that a job came with."""
        if trail is not None:
            _keep(self._jobs, job_id, trail)

    async def load(self, storage: Storage) -> None:
        """Remember those of the jobs that are under way."""
        for job_id, trail in await storage.read(_known):
            self.note(job_id, trail)

    def __call__(
        self, _logger: Any, _method: str, line: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        """Add the job of a line's print, and the request of its job, where the line lacks them."""
        job, print_ = line.get("job_id"), line.get("print_id")
        if print_ is not None and job is not None:
            _keep(self._job_of, print_, job)
        elif print_ is not None:
            job = self._job_of.get(print_)
            if job is not None:
                line["job_id"] = job
        trail = self._jobs.get(job) if isinstance(job, str) else None
        if trail is not None:
            line.setdefault(FIELD, trail)
        return line


def _keep(kept: OrderedDict[str, str], name: str, value: str) -> None:
    kept[name] = value
    kept.move_to_end(name)
    if len(kept) > KEPT:
        kept.popitem(last=False)


async def _known(tx: Tx) -> list[tuple[str, str | None]]:
    return [(row["job_id"], from_json(row["data"]).get(FIELD)) for row in await tx.rows(_KNOWN)]


TRAILS = Trails()
"""Those of this process: there is one log."""
