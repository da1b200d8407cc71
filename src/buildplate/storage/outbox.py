"""From rows written with a state change to the farm's one gapless sequence of events.

A transaction records its events in `events` and `outbox`. The relay, one at a time, gives them
their `seq` in a transaction of its own and then hands them to the bus of this process. Whoever
must miss nothing follows `seq` in the events table; the bus only tells that there is news.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from sqlalchemy import bindparam, delete, select, update

from buildplate.storage.errors import StorageClosed, StorageError
from buildplate.storage.model import EventRecord, PublishedEvent, from_json, from_micros
from buildplate.storage.ports import Row, Storage, Tx
from buildplate.storage.scripts import script
from buildplate.storage.tables import counters, events, identity, outbox

_LOG = structlog.get_logger(__name__)
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0

_EVENT = (
    events.c.id,
    events.c.at,
    events.c.kind,
    events.c.printer_id,
    events.c.job_id,
    events.c.print_id,
    events.c.data,
)
_LOG_ID = select(identity.c.id)
_LAST_SEQ = select(counters.c.value).where(counters.c.name == "event_seq")
# On PostgreSQL this row is what makes "one relay at a time" true.
_LOCKED_LAST_SEQ = _LAST_SEQ.with_for_update()
_SET_LAST_SEQ = (
    update(counters).where(counters.c.name == "event_seq").values(value=bindparam("last"))
)
_WAITING = (
    select(outbox.c.id.label("outbox_id"), *_EVENT)
    .join_from(outbox, events, outbox.c.event_id == events.c.id)
    .order_by(outbox.c.id)
    .limit(bindparam("how_many"))
)
_NUMBER = update(events).where(events.c.id == bindparam("event_id")).values(seq=bindparam("next"))
_SENT = delete(outbox).where(outbox.c.id == bindparam("outbox_id"))
_AFTER = (
    select(events.c.seq, *_EVENT)
    .where(events.c.seq > bindparam("after_seq"))
    .order_by(events.c.seq)
    .limit(bindparam("how_many"))
)
_OF_PRINTER = _AFTER.where(events.c.printer_id == bindparam("of_printer"))
_BEFORE = (
    select(events.c.seq, *_EVENT)
    .where(events.c.seq < bindparam("before_seq"))
    .order_by(events.c.seq.desc())
    .limit(bindparam("how_many"))
)
_OF_PRINTER_BEFORE = _BEFORE.where(events.c.printer_id == bindparam("of_printer"))


@script
async def publish_batch(tx: Tx, limit: int) -> Sequence[PublishedEvent]:
    """Give up to `limit` recorded events their places in the sequence; those events."""
    last = await tx.row(_LOCKED_LAST_SEQ)
    waiting = await tx.rows(_WAITING, {"how_many": limit})
    if last is None or not waiting:
        return ()
    first: int = last["value"] + 1
    published = [PublishedEvent(seq, _event(row)) for seq, row in enumerate(waiting, first)]
    numbers = [{"event_id": one.event.id, "next": one.seq} for one in published]
    await tx.change_each(_NUMBER, numbers)
    await tx.change_each(_SENT, [{"outbox_id": row["outbox_id"]} for row in waiting])
    await tx.change(_SET_LAST_SEQ, {"last": published[-1].seq})
    return published


async def read_events(
    tx: Tx, after_seq: int, limit: int, printer_id: str | None = None
) -> Sequence[PublishedEvent]:
    """The published events after `after_seq`, at most `limit`, in order; of one printer, if any."""
    values: dict[str, Any] = {"after_seq": after_seq, "how_many": limit}
    if printer_id is None:
        return _published(await tx.rows(_AFTER, values))
    return _published(await tx.rows(_OF_PRINTER, values | {"of_printer": printer_id}))


async def read_events_back(
    tx: Tx, before_seq: int, limit: int, printer_id: str | None = None
) -> Sequence[PublishedEvent]:
    """As `read_events`, but those before `before_seq`, the newest first."""
    values: dict[str, Any] = {"before_seq": before_seq, "how_many": limit}
    if printer_id is None:
        return _published(await tx.rows(_BEFORE, values))
    return _published(await tx.rows(_OF_PRINTER_BEFORE, values | {"of_printer": printer_id}))


async def log_of(tx: Tx) -> tuple[str, int]:
    """The log's own id, which a restore changes, and the place of its newest event."""
    row = await tx.row(_LOG_ID)
    return "" if row is None else str(row["id"]), await last_seq(tx)


async def last_seq(tx: Tx) -> int:
    """The place of the newest published event; 0 before the first."""
    row = await tx.row(_LAST_SEQ)
    return 0 if row is None else int(row["value"])


def _published(rows: Sequence[Row]) -> list[PublishedEvent]:
    return [PublishedEvent(row["seq"], _event(row)) for row in rows]


def _event(row: Row) -> EventRecord:
    return EventRecord(
        id=row["id"],
        at=from_micros(row["at"]),
        kind=row["kind"],
        printer_id=row["printer_id"],
        job_id=row["job_id"],
        print_id=row["print_id"],
        data=from_json(row["data"]),
    )


class OutboxRelay:
    """Publishes recorded events, woken by the commits that recorded them.

    `publish` is called on the loop with each batch, in order and without gaps, and must not
    block (`Bus.publish`). A batch that was numbered before a crash or a cancellation is not
    handed over again: it is in the events table.
    """

    def __init__(
        self,
        storage: Storage,
        publish: Callable[[Sequence[PublishedEvent]], None],
        batch: int = 256,
    ) -> None:
        self._storage = storage
        self._publish = publish
        self._batch = batch
        self._bell = asyncio.Event()

    async def run(self) -> None:
        """Publish what waits, then whatever is recorded; ends when the storage is closed.

        While the database can't be written it tries again, with longer and longer pauses.
        """
        self._storage.on_recorded = self._bell.set
        pause = 0.0
        while True:
            self._bell.clear()
            try:
                published = await self._storage.write(publish_batch, self._batch)
            except StorageClosed:
                return
            except StorageError as error:
                if not pause:
                    _LOG.warning("outbox.stalled", action="publish", code=error.code)
                pause = min(max(2 * pause, _FIRST_PAUSE), _LONGEST_PAUSE)
                await asyncio.sleep(pause)
                continue
            if pause:
                _LOG.info("outbox.resumed", action="publish")
                pause = 0.0
            if published:
                self._publish(published)
            if len(published) < self._batch:
                await self._bell.wait()
