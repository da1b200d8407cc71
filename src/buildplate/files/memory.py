"""The ports of the file room in memory: for tests, and for rooms that need files but no disk."""

from __future__ import annotations

import dataclasses
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from buildplate.files.errors import ContentMissing, FileInUse, TooLarge
from buildplate.files.hashing import BlobHasher
from buildplate.files.model import FilePage, FileState

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping

    from buildplate.files.model import Analysis, Blob, PrintFile

PIECE = 1 << 16


class InMemoryBlobStore:
    """A `BlobStore` in a dictionary."""

    def __init__(self) -> None:
        self._contents: dict[str, bytes] = {}
        self._owner: str | None = None
        self.aside: dict[str, bytes] = {}

    @asynccontextmanager
    async def writing(self, *, limit: int) -> AsyncIterator[InMemoryBlobWriter]:
        """Opens a writer; see `BlobStore.writing`."""
        yield InMemoryBlobWriter(self._contents, limit)

    async def read(
        self, sha256: str, *, start: int = 0, length: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Yields the content in pieces; see `BlobStore.read`."""
        content = self._contents.get(sha256)
        if content is None:
            raise ContentMissing(sha256)
        end = len(content) if length is None else min(len(content), start + length)
        for position in range(start, end, PIECE):
            yield content[position : min(position + PIECE, end)]

    async def has(self, sha256: str) -> bool:
        """Whether the content is here."""
        return sha256 in self._contents

    async def delete(self, sha256: str) -> None:
        """Removes the content."""
        self._contents.pop(sha256, None)

    async def digests(self) -> list[str]:
        """The hashes of everything kept."""
        return sorted(self._contents)

    async def owner(self) -> str | None:
        """The id of the database whose files these are."""
        return self._owner

    async def own(self, database: str) -> None:
        """Notes whose files these are."""
        self._owner = database

    async def set_aside(self, sha256: str) -> None:
        """Takes the content out of the store, and keeps it in `aside`."""
        self.aside[sha256] = self._contents.pop(sha256)


class InMemoryBlobWriter:
    """The writer of an `InMemoryBlobStore`."""

    def __init__(self, contents: dict[str, bytes], limit: int) -> None:
        self._contents = contents
        self._limit = limit
        self._hasher = BlobHasher()
        self._content = bytearray()

    async def write(self, piece: bytes) -> None:
        """Takes the next bytes; see `BlobWriter.write`."""
        if len(self._content) + len(piece) > self._limit:
            raise TooLarge(self._limit)
        self._hasher.update(piece)
        self._content += piece

    async def finish(self) -> Blob:
        """Says what was written."""
        return self._hasher.blob()

    async def keep(self) -> None:
        """Makes the content readable."""
        self._contents[self._hasher.blob().sha256] = bytes(self._content)


class InMemoryFileRepository:
    """A `FileRepository` in a dictionary; `needed` holds the ids that deleting must refuse."""

    def __init__(self, database: str | None = "memory") -> None:
        self._database = database
        self._rows: dict[str, PrintFile] = {}
        self.needed: set[str] = set()

    async def add(self, file: PrintFile) -> PrintFile:
        """Stores a new row; its id and its content must be new."""
        if file.id in self._rows or await self.get_by_sha256(file.sha256):
            raise ValueError(file.id)
        self._rows[file.id] = file
        return file

    async def get(self, file_id: str) -> PrintFile | None:
        """The row with this id."""
        return self._rows.get(file_id)

    async def get_by_sha256(self, sha256: str) -> PrintFile | None:
        """The row of this content."""
        return next((row for row in self._rows.values() if row.sha256 == sha256), None)

    async def list_page(
        self, *, limit: int, cursor: str | None, filters: Mapping[str, str] | None = None
    ) -> FilePage:
        """Up to `limit` rows, newest id first, after the id `cursor`, that are as `filters` say."""
        fit = [
            i
            for i, row in self._rows.items()
            if all(getattr(row, name) == value for name, value in (filters or {}).items())
        ]
        ids = sorted((i for i in fit if cursor is None or i < cursor), reverse=True)
        shown = tuple(self._rows[i] for i in ids[:limit])
        return FilePage(shown, shown[-1].id if len(ids) > limit else None)

    async def list_analysing(self, *, limit: int) -> list[PrintFile]:
        """Up to `limit` rows in state `analysing`, oldest first."""
        rows = sorted(self._rows.values(), key=lambda row: row.id)
        return [row for row in rows if row.state is FileState.ANALYSING][:limit]

    async def database(self) -> str | None:
        """The id that these rows were given when they were made."""
        return self._database

    async def known(self, digests: Collection[str]) -> set[str]:
        """Those of the hashes that a row has."""
        return {row.sha256 for row in self._rows.values()} & set(digests)

    async def rename(self, file_id: str, name: str, was: str | None = None) -> PrintFile | None:
        """Changes the display name, if it still is `was`."""
        row = self._rows.get(file_id)
        if row is not None and was not in (None, row.name):
            return row
        return self._change(file_id, name=name)

    async def mark_analysis(
        self, file_id: str, state: FileState, analysis: Analysis | None
    ) -> PrintFile | None:
        """Stores the outcome of an analysis."""
        return self._change(file_id, state=state, analysis=analysis)

    async def delete(self, file_id: str) -> None:
        """Removes the row."""
        if file_id in self.needed:
            raise FileInUse
        self._rows.pop(file_id, None)

    def _change(self, file_id: str, **changes: object) -> PrintFile | None:
        row = self._rows.get(file_id)
        if row is not None:
            row = self._rows[file_id] = dataclasses.replace(row, **changes)  # type: ignore[arg-type]
        return row


class InMemoryFileUses:
    """A `FileUses` that is told which jobs use a file."""

    def __init__(self) -> None:
        self.jobs: dict[str, tuple[int, ...]] = {}

    async def jobs_using(self, file_id: str) -> tuple[int, ...]:
        """The numbers of the jobs."""
        return self.jobs.get(file_id, ())
