"""Print-file contents on the local disk, addressed by their hash, durable before they are known."""

from __future__ import annotations

import asyncio
import mmap
import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, ParamSpec, Self, TypeVar

from buildplate.files.disk import Part, Source, disk_errors, sync_folder
from buildplate.files.errors import TooLarge

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable
    from pathlib import Path

    from buildplate.files.model import Blob

P = ParamSpec("P")
T = TypeVar("T")

BUFFER = 2 << 20
"""Bytes handed to a worker thread at a time: the hand-over costs some 80 µs, hashing and writing
them about 2 ms (measured). An upload has two such buffers."""
PIECE = 1 << 20
"""Bytes read at a time."""
RESERVE = 64 << 20
"""Bytes of disk an upload leaves free, so that a full disk stops uploads before the database."""
TEMPORARY = "tmp"
ORPHANS = "orphans"
OWNER = "database"
"""The file that names the database these contents belong to."""
DIGEST = re.compile(r"[0-9a-f]{64}")


def content_path(folder: Path, sha256: str) -> Path:
    """Where the content with this hash is, or would be. ValueError for what is no sha256."""
    if not DIGEST.fullmatch(sha256):
        raise ValueError(sha256)
    return folder / sha256[:2] / sha256


class LocalBlobStore:
    """A `BlobStore` in one folder of one file system, used by one process.

    Content is written to `tmp/`, fsynced, renamed to `<first two digits>/<sha256>`, and the
    folders are fsynced: after a power cut a content is there as a whole or not at all.
    """

    def __init__(self, folder: Path, *, reserve: int = RESERVE, threads: int = 4) -> None:
        self._folder = folder
        self._reserve = reserve
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="files")

    async def __aenter__(self) -> Self:
        """Makes the folders and removes what a crash left half-written."""
        await _in_thread(self._pool, self._prepare)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Waits for the threads; the store can't be used any more."""
        await asyncio.to_thread(self._pool.shutdown)

    @asynccontextmanager
    async def writing(self, *, limit: int) -> AsyncIterator[LocalBlobWriter]:
        """Opens a writer; see `BlobStore.writing`."""
        part = Part(self._folder / TEMPORARY, self._reserve)
        try:
            await _in_thread(self._pool, part.open)
            yield LocalBlobWriter(part, self._folder, self._pool, limit)
        finally:
            # A thread may still be writing for a caller that was cancelled; discard waits for it.
            await asyncio.shield(_in_thread(self._pool, part.discard))

    async def read(
        self, sha256: str, *, start: int = 0, length: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Yields the content in pieces; see `BlobStore.read`."""
        source = Source(self.path(sha256))
        left = sys.maxsize if length is None else length
        read, position = source.begin, start
        try:
            while piece := await _in_thread(self._pool, read, min(PIECE, left), position):
                read = source.read
                position += len(piece)
                left -= len(piece)
                yield piece
                if not left or position >= source.size:
                    break
        finally:
            if not source.closed:
                await asyncio.shield(_in_thread(self._pool, source.close))

    async def has(self, sha256: str) -> bool:
        """Whether the content is here."""
        return await _in_thread(self._pool, self.path(sha256).is_file)

    async def delete(self, sha256: str) -> None:
        """Removes the content durably."""
        await _in_thread(self._pool, _delete, self.path(sha256))

    async def digests(self) -> list[str]:
        """The hashes of everything kept."""
        return await _in_thread(self._pool, self._digests)

    async def owner(self) -> str | None:
        """The id of the database whose files these are; see `BlobStore.owner`."""
        return await _in_thread(self._pool, self._owner)

    async def own(self, database: str) -> None:
        """Notes whose files these are, durably."""
        await _in_thread(self._pool, self._own, database)

    async def set_aside(self, sha256: str) -> None:
        """Moves the content to `orphans/`, from which nothing is ever read or deleted."""
        await _in_thread(self._pool, self._set_aside, self.path(sha256))

    def path(self, sha256: str) -> Path:
        """Where the content with this hash is, or would be.

        Raises:
            ValueError: this is no sha256, so it must not become a path.
        """
        return content_path(self._folder, sha256)

    def _prepare(self) -> None:
        with disk_errors("opening the file store"):
            temporary = self._folder / TEMPORARY
            temporary.mkdir(parents=True, exist_ok=True)
            for leftover in temporary.iterdir():
                leftover.unlink()
            sync_folder(self._folder)

    def _owner(self) -> str | None:
        with disk_errors("reading whose files these are"), suppress(FileNotFoundError):
            return (self._folder / OWNER).read_text(encoding="utf-8").strip()
        return None

    def _own(self, database: str) -> None:
        with disk_errors("noting whose files these are"):
            fresh = self._folder / TEMPORARY / OWNER
            with fresh.open("w", encoding="utf-8") as note:
                note.write(f"{database}\n")
                note.flush()
                os.fsync(note.fileno())
            fresh.replace(self._folder / OWNER)
            sync_folder(self._folder)

    def _set_aside(self, path: Path) -> None:
        with disk_errors("setting a stored file aside"):
            orphans = self._folder / ORPHANS
            orphans.mkdir(exist_ok=True)
            path.replace(orphans / path.name)
            sync_folder(orphans)
            sync_folder(path.parent)

    def _digests(self) -> list[str]:
        with disk_errors("listing the file store"):
            names = (path.name for path in self._folder.glob("??/*"))
            return sorted(name for name in names if DIGEST.fullmatch(name))


class LocalBlobWriter:
    """A `BlobWriter` that fills one buffer while a worker thread stores the other."""

    def __init__(self, part: Part, folder: Path, pool: ThreadPoolExecutor, limit: int) -> None:
        self._part = part
        self._folder = folder
        self._pool = pool
        self._limit = limit
        self._size = 0
        self._filling = mmap.mmap(-1, BUFFER)  # page-aligned, and untouched pages cost nothing
        self._other = mmap.mmap(-1, BUFFER)
        self._filled = 0
        self._storing: asyncio.Future[None] | None = None

    async def write(self, piece: bytes) -> None:
        """Takes the next bytes; see `BlobWriter.write`."""
        self._size += len(piece)
        if self._size > self._limit:
            raise TooLarge(self._limit)
        taken = 0
        while taken < len(piece):
            fitting = piece[taken : taken + BUFFER - self._filled]
            self._filling[self._filled : self._filled + len(fitting)] = fitting
            self._filled += len(fitting)
            taken += len(fitting)
            if self._filled == BUFFER:
                await self._hand_over()

    async def finish(self) -> Blob:
        """Says what was written; see `BlobWriter.finish`."""
        if self._filled:
            await self._hand_over()
        await self._stored()
        return await _in_thread(self._pool, self._part.blob)

    async def keep(self) -> None:
        """Makes the content durable; see `BlobWriter.keep`."""
        await _in_thread(self._pool, self._part.keep, self._folder)

    async def _hand_over(self) -> None:
        await self._stored()
        full, self._filling, size = self._filling, self._other, self._filled
        self._other, self._filled = full, 0
        self._storing = _in_thread(self._pool, self._part.append, full, size)
        self._storing.add_done_callback(_look_at)

    async def _stored(self) -> None:
        storing, self._storing = self._storing, None
        if storing is not None:
            await storing


def _in_thread(
    pool: ThreadPoolExecutor, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs
) -> asyncio.Future[T]:
    return asyncio.get_running_loop().run_in_executor(pool, lambda: work(*args, **kwargs))


def _look_at(storing: asyncio.Future[None]) -> None:
    # A writer that is left early never awaits its last buffer; what became of it is of no interest.
    if not storing.cancelled():
        storing.exception()


def _delete(path: Path) -> None:
    with disk_errors("deleting a stored file"), suppress(FileNotFoundError):
        path.unlink()
        sync_folder(path.parent)
