"""The rows of the audit, and the watch over the transactions that it notes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from weakref import WeakKeyDictionary

from sqlalchemy import Table, bindparam, insert, select
from sqlalchemy.sql import visitors
from sqlalchemy.sql.dml import Delete, Insert, Update
from sqlalchemy.sql.elements import BindParameter, ClauseElement

from buildplate.access.audit import MOST_ROWS, Change, Deed, Entry, Script, entry_of, present_deed
from buildplate.storage import (
    EventRecord,
    Row,
    Storage,
    Tx,
    from_json,
    from_micros,
    script,
    to_json,
    to_micros,
)
from buildplate.storage.tables import audit

UNWATCHED = frozenset({"audit", "counters", "events", "idempotency", "outbox", "spent_tokens"})
"""Tables that say nothing which the others do not."""

_ADD = insert(audit)
_NEWEST = select(audit).order_by(audit.c.id.desc()).limit(bindparam("most"))
_FILTERS = ("who_id", "action", "request_id")


@dataclass(frozen=True, slots=True)
class _Watch:
    """How to see the rows that a statement changes, before it does and afterwards."""

    table: Table
    rows: ClauseElement | None
    names: frozenset[str]
    again: ClauseElement | None


_WATCHES: WeakKeyDictionary[ClauseElement, _Watch | None] = WeakKeyDictionary()


def _watch(statement: ClauseElement) -> _Watch | None:
    if statement not in _WATCHES:
        _WATCHES[statement] = _made(statement)
    return _WATCHES[statement]


def _made(statement: ClauseElement) -> _Watch | None:
    if not isinstance(statement, Insert | Update | Delete):
        return None
    table = cast("Table", statement.table)
    if table.name in UNWATCHED:
        return None
    if isinstance(statement, Insert):
        return _Watch(table, None, frozenset(), None)
    where = statement.whereclause
    rows = select(table).limit(MOST_ROWS + 1)
    names: set[str] = set()
    if where is not None:
        rows = rows.where(where)
        names = {
            part.key
            for part in visitors.iterate(where)
            if isinstance(part, BindParameter) and part.required
        }
    key = next(iter(table.primary_key))
    again = select(table).where(key.in_(bindparam("watched", expanding=True)))
    return _Watch(table, rows, frozenset(names), again)


class _Watching:
    """A transaction that remembers the rows it changes."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx
        self.changes: list[Change] = []
        self.more = 0

    async def rows(
        self, statement: ClauseElement, params: Mapping[str, Any] | None = None
    ) -> Sequence[Row]:
        """See `Tx.rows`."""
        watch = _watch(statement)
        before = await self._before(watch, params)
        found = await self._tx.rows(statement, params)
        await self._note(watch, before, params, changed=bool(found))
        return found

    async def row(
        self, statement: ClauseElement, params: Mapping[str, Any] | None = None
    ) -> Row | None:
        """See `Tx.row`."""
        watch = _watch(statement)
        before = await self._before(watch, params)
        found = await self._tx.row(statement, params)
        await self._note(watch, before, params, changed=found is not None)
        return found

    async def change(
        self, statement: ClauseElement, params: Mapping[str, Any] | None = None
    ) -> int:
        """See `Tx.change`."""
        watch = _watch(statement)
        before = await self._before(watch, params)
        touched = await self._tx.change(statement, params)
        await self._note(watch, before, params, changed=touched != 0)
        return touched

    async def change_each(
        self, statement: ClauseElement, params: Sequence[Mapping[str, Any]]
    ) -> None:
        """See `Tx.change_each`."""
        for one in params:
            await self.change(statement, one)

    async def compare_and_set(
        self, statement: Update, params: Mapping[str, Any], event: EventRecord | None
    ) -> Row | None:
        """See `Tx.compare_and_set`."""
        found = await self.row(statement, params)
        if found is not None and event is not None:
            await self.record(event)
        return found

    async def record(self, event: EventRecord) -> None:
        """See `Tx.record`."""
        await self._tx.record(event)

    async def next_number(self, name: str) -> int:
        """See `Tx.next_number`."""
        return await self._tx.next_number(name)

    def __getattr__(self, name: str) -> Any:
        """Whatever else a transaction can do, it does without being watched."""
        return getattr(self._tx, name)

    async def _before(
        self, watch: _Watch | None, params: Mapping[str, Any] | None
    ) -> dict[Any, dict[str, Any]]:
        if watch is None or watch.rows is None or len(self.changes) > MOST_ROWS:
            return {}
        given = {name: value for name, value in (params or {}).items() if name in watch.names}
        return _by_key(watch.table, await self._tx.rows(watch.rows, given))

    async def _note(
        self,
        watch: _Watch | None,
        before: dict[Any, dict[str, Any]],
        params: Mapping[str, Any] | None,
        *,
        changed: bool,
    ) -> None:
        if watch is None or not changed:
            return
        if len(self.changes) > MOST_ROWS:
            self.more += 1
        elif watch.again is None:
            made = dict(params or {})
            self._add(watch.table, made.get("id"), None, made)
        elif before:
            after = _by_key(
                watch.table, await self._tx.rows(watch.again, {"watched": list(before)})
            )
            for key, row in before.items():
                self._add(watch.table, key, row, after.get(key))

    def _add(
        self, table: Table, key: Any, before: dict[str, Any] | None, after: dict[str, Any] | None
    ) -> None:
        if before is not None and after is not None:
            names = [name for name, value in before.items() if after[name] != value]
            before = {name: before[name] for name in names}
            after = {name: after[name] for name in names}
        if before or after:
            named = None if key is None else str(key)
            self.changes.append(Change(table.name, named, before, after))


def _by_key(table: Table, rows: Sequence[Row]) -> dict[Any, dict[str, Any]]:
    key = next(iter(table.primary_key)).name
    return {row[key]: {column.name: row[column.name] for column in table.columns} for row in rows}


class AuditWriter:
    """Notes deeds; `storage.on_write` is `watched`."""

    def __init__(
        self, storage: Storage, now: Callable[[], datetime], new_id: Callable[[], str]
    ) -> None:
        self._storage = storage
        self._now = now
        self._new_id = new_id

    def watched(self, run: Script) -> Script:
        """The script, and in the same transaction a line for each deed that it is part of."""
        deed = present_deed()
        if deed is None or run is note_deed:
            return run
        id_, at = self._new_id(), self._now()

        async def noted(tx: Tx, *args: Any, **kwargs: Any) -> Any:
            watching = _Watching(tx)
            result = await run(watching, *args, **kwargs)
            if watching.changes:
                await note_deed(tx, entry_of(deed, id_, at, watching.changes, watching.more))
                deed.noted = True
            return result

        return noted

    async def note(self, deed: Deed) -> None:
        """Note a deed whose change was written by another task, or nowhere."""
        await self._storage.write(note_deed, entry_of(deed, self._new_id(), self._now(), ()))
        deed.noted = True

    async def entries(
        self, limit: int, before: str | None, filters: Mapping[str, str]
    ) -> list[Entry]:
        """The newest lines, or those before a known one."""
        return await self._storage.read(_entries, limit, before, filters)


@script
async def note_deed(tx: Tx, entry: Entry) -> None:
    """Insert a line of the audit."""
    values = {
        "id": entry.id,
        "at": to_micros(entry.at),
        "who_kind": entry.who_kind,
        "who_id": entry.who_id,
        "who_name": entry.who_name,
        "address": entry.address,
        "action": entry.action,
        "path": entry.path,
        "request_id": entry.request_id,
        "asked": None if entry.asked is None else to_json(entry.asked),
        "changes": to_json(entry.changes),
    }
    await tx.change(_ADD, values)


async def _entries(
    tx: Tx, limit: int, before: str | None, filters: Mapping[str, str]
) -> list[Entry]:
    wanted = _NEWEST
    params: dict[str, Any] = {"most": limit}
    if before is not None:
        wanted = wanted.where(audit.c.id < bindparam("before_id"))
        params["before_id"] = before
    for name in _FILTERS:
        if name in filters:
            wanted = wanted.where(audit.c[name] == bindparam(f"of_{name}"))
            params[f"of_{name}"] = filters[name]
    return [_entry(row) for row in await tx.rows(wanted, params)]


def _entry(row: Row) -> Entry:
    return Entry(
        id=row["id"],
        at=from_micros(row["at"]),
        who_kind=row["who_kind"],
        who_id=row["who_id"],
        who_name=row["who_name"],
        address=row["address"],
        action=row["action"],
        path=row["path"],
        request_id=row["request_id"],
        asked=None if row["asked"] is None else from_json(row["asked"]),
        changes=from_json(row["changes"]),
    )
