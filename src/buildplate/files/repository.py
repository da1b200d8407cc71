"""The rows of print files in the database."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from sqlalchemy import bindparam, delete, insert, select, update

from buildplate.files.errors import FileInUse
from buildplate.files.model import Analysis, FilePage, FileState, PrintFile
from buildplate.storage import (
    Row,
    Storage,
    Tx,
    from_json,
    from_micros,
    script,
    to_json,
    to_micros,
)
from buildplate.storage.tables import VOID_STATES, identity, jobs, print_files, prints

_ADD = insert(print_files)
_DELETED = "deleted"
_HERE = select(print_files).where(print_files.c.state != _DELETED)
_BY_ID = _HERE.where(print_files.c.id == bindparam("file_id"))
_BY_SHA256 = _HERE.where(print_files.c.sha256 == bindparam("of_sha256"))
_REFERRED = select(jobs.c.id).where(jobs.c.file_id == bindparam("file_id")).limit(1)
_WANTED = (
    select(jobs.c.number)
    .join(prints, prints.c.job_id == jobs.c.id)
    .where(jobs.c.file_id == bindparam("file_id"))
    .where(prints.c.state.not_in(["completed", *VOID_STATES]))
    .distinct()
    .order_by(jobs.c.number)
)
_DATABASE = select(identity.c.id)
_BURY = (
    update(print_files)
    .where(print_files.c.id == bindparam("file_id"))
    .values(
        state=_DELETED,
        sha256=print_files.c.sha256 + ":" + print_files.c.id,
    )
)
_BURIED = (
    select(print_files.c.id)
    .where(print_files.c.state == _DELETED)
    .where(print_files.c.sha256.like(bindparam("buried")))
    .limit(1)
    .with_for_update()
)
_HELD = select(print_files.c.id).where(print_files.c.id == bindparam("file_id")).with_for_update()
_ANALYSING = (
    select(print_files)
    .where(print_files.c.state == FileState.ANALYSING.value)
    .order_by(print_files.c.id)
    .limit(bindparam("how_many"))
)
_RENAME = (
    update(print_files)
    .where(print_files.c.id == bindparam("file_id"), print_files.c.state != _DELETED)
    .values(name=bindparam("new_name"))
)
_ANALYSED = (
    update(print_files)
    .where(print_files.c.id == bindparam("file_id"), print_files.c.state != _DELETED)
    .values(state=bindparam("new_state"), analysis=bindparam("new_analysis"))
)


def file_from(row: Row) -> PrintFile:
    """One row of `print_files` as a value."""
    plain = from_json(row["analysis"])
    return PrintFile(
        id=row["id"],
        sha256=row["sha256"],
        size=row["size"],
        printer_sha256=row["printer_sha256"],
        name=row["name"],
        created_at=from_micros(row["created_at"]),
        state=FileState(row["state"]),
        analysis=Analysis.from_dict(plain) if plain else None,
        sent_by=row["sent_by"],
    )


def _analysis_text(analysis: Analysis | None) -> str:
    return "{}" if analysis is None else to_json(analysis.to_dict())


@script
async def add_file(tx: Tx, file: PrintFile) -> PrintFile:
    """Insert a file's row, or bring back the one that ended jobs kept; the row as it stands."""
    buried = await tx.row(_BURIED, {"buried": f"{file.sha256}:%"})
    if buried is not None:
        file = replace(file, id=buried["id"])
    values = {
        "id": file.id,
        "sha256": file.sha256,
        "size": file.size,
        "printer_sha256": file.printer_sha256,
        "name": file.name,
        "state": file.state.value,
        "analysis": _analysis_text(file.analysis),
        "created_at": to_micros(file.created_at),
        "sent_by": file.sent_by,
    }
    if buried is None:
        await tx.change(_ADD, values)
    else:
        await tx.change(update(print_files).where(print_files.c.id == file.id).values(**values))
    return file


@script
async def rename_file(tx: Tx, file_id: str, name: str, was: str | None = None) -> PrintFile | None:
    """Change a file's display name, if it still is `was` where that is given; the row then."""
    statement = _RENAME if was is None else _RENAME.where(print_files.c.name == was)
    await tx.change(statement, {"file_id": file_id, "new_name": name})
    return await _get(tx, file_id)


@script
async def store_analysis(
    tx: Tx, file_id: str, state: FileState, analysis: Analysis | None
) -> PrintFile | None:
    """Store the outcome of an analysis."""
    values = {
        "file_id": file_id,
        "new_state": state.value,
        "new_analysis": _analysis_text(analysis),
    }
    await tx.change(_ANALYSED, values)
    return await _get(tx, file_id)


async def jobs_using(tx: Tx, file_id: str) -> tuple[int, ...]:
    """The numbers of the jobs that are not finished and print this file."""
    return tuple(row["number"] for row in await tx.rows(_WANTED, {"file_id": file_id}))


@script
async def delete_file(tx: Tx, file_id: str) -> None:
    """Remove a file; its row stays, out of sight, where ended jobs still name it. FileInUse."""
    key = {"file_id": file_id}
    await tx.row(_HELD, key)
    wanted = await jobs_using(tx, file_id)
    if wanted:
        raise FileInUse(wanted)
    if await tx.row(_REFERRED, key) is None:
        await tx.change(delete(print_files).where(print_files.c.id == file_id))
    else:
        await tx.change(_BURY, key)


async def _get(tx: Tx, file_id: str) -> PrintFile | None:
    row = await tx.row(_BY_ID, {"file_id": file_id})
    return None if row is None else file_from(row)


async def _get_by_sha256(tx: Tx, sha256: str) -> PrintFile | None:
    row = await tx.row(_BY_SHA256, {"of_sha256": sha256})
    return None if row is None else file_from(row)


async def _page(
    tx: Tx, limit: int, cursor: str | None, filters: Mapping[str, str]
) -> list[PrintFile]:
    statement = _HERE.order_by(print_files.c.id.desc()).limit(limit)
    for name, value in filters.items():
        statement = statement.where(print_files.c[name] == value)
    if cursor is not None:
        statement = statement.where(print_files.c.id < cursor)
    return [file_from(row) for row in await tx.rows(statement)]


async def _analysing(tx: Tx, limit: int) -> list[PrintFile]:
    return [file_from(row) for row in await tx.rows(_ANALYSING, {"how_many": limit})]


async def _known(tx: Tx, digests: Collection[str]) -> set[str]:
    statement = select(print_files.c.sha256).where(print_files.c.sha256.in_(list(digests)))
    return {row["sha256"] for row in await tx.rows(statement)}


async def _database(tx: Tx) -> str | None:
    row = await tx.row(_DATABASE)
    return None if row is None else str(row["id"])


async def files_by_id(tx: Tx, file_ids: Collection[str]) -> dict[str, PrintFile]:
    """The files with these ids; those that are not there are left out."""
    if not file_ids:
        return {}
    statement = _HERE.where(print_files.c.id.in_(list(file_ids)))
    return {row["id"]: file_from(row) for row in await tx.rows(statement)}


class SqlFiles:
    """A `FileRepository` on the storage room: every call is one transaction."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def add(self, file: PrintFile) -> PrintFile:
        """Stores a new row; id and sha256 are each unique. Returns the row as it stands."""
        return await self._storage.write(add_file, file)

    async def get(self, file_id: str) -> PrintFile | None:
        """The row with this id."""
        return await self._storage.read(_get, file_id)

    async def get_by_sha256(self, sha256: str) -> PrintFile | None:
        """The row of this content."""
        return await self._storage.read(_get_by_sha256, sha256)

    async def list_page(
        self, *, limit: int, cursor: str | None, filters: Mapping[str, str] | None = None
    ) -> FilePage:
        """Up to `limit` rows, newest id first, after the id `cursor`, that are as `filters` say."""
        found = await self._storage.read(_page, limit + 1, cursor, filters or {})
        more = found[limit - 1].id if len(found) > limit else None
        return FilePage(tuple(found[:limit]), more)

    async def list_analysing(self, *, limit: int) -> list[PrintFile]:
        """Up to `limit` rows in state `analysing`, oldest first."""
        return await self._storage.read(_analysing, limit)

    async def database(self) -> str | None:
        """The id that the database was given when it was made."""
        return await self._storage.read(_database)

    async def known(self, digests: Collection[str]) -> set[str]:
        """Those of the hashes that a row has."""
        return await self._storage.read(_known, digests)

    async def rename(self, file_id: str, name: str, was: str | None = None) -> PrintFile | None:
        """Changes the display name, if it still is `was`; None where there is no such row."""
        return await self._storage.write(rename_file, file_id, name, was)

    async def mark_analysis(
        self, file_id: str, state: FileState, analysis: Analysis | None
    ) -> PrintFile | None:
        """Stores the outcome of an analysis; None where the row is gone."""
        return await self._storage.write(store_analysis, file_id, state, analysis)

    async def delete(self, file_id: str) -> None:
        """Removes the row if nothing refers to it; FileInUse while a job wants it."""
        await self._storage.write(delete_file, file_id)
