"""What can be done with print files: receive, look up, rename, delete, read for a printer."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from buildplate.files.digests import announced_sha256
from buildplate.files.errors import (
    AnalysisFailed,
    BadName,
    DigestMismatch,
    FileChanged,
    FileInUse,
    LengthMismatch,
    TooLarge,
    UnknownFile,
)
from buildplate.files.gate import GcodeGate
from buildplate.files.hashing import NEWLINE
from buildplate.files.layering import LayerShelf
from buildplate.files.model import Analysis, FilePage, FileState, PrintFile, StoredFile, Thumbnail
from buildplate.files.naming import NAMELESS, display_name
from buildplate.files.scan.thumbnails import decode_thumbnail

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Mapping
    from datetime import datetime

    from buildplate.files.model import Blob
    from buildplate.files.ports import Analyser, BlobStore, FileRepository, FileUses

_LOG = structlog.get_logger("files")
GROUP = 500
"""Hashes asked for at once."""


@dataclass(frozen=True, slots=True)
class FilesConfig:
    """The limits of the file room, in bytes.

    Files up to `analyse_at_once` are analysed before the upload is answered, so that a small
    print waits for nothing; larger ones are analysed afterwards.
    """

    max_bytes: int = 500_000_000
    analyse_at_once: int = 500_000


@dataclass(frozen=True, slots=True)
class FileRoom:
    """What the service works with.

    `wake_analysis` is called when there is a file to analyse, or one that jobs waited for is back.
    `sender` names whoever sends what is being received, where that is known.
    """

    store: BlobStore
    files: FileRepository
    uses: FileUses
    analyser: Analyser
    wake_analysis: Callable[[], None]
    new_id: Callable[[], str]
    now: Callable[[], datetime]
    sender: Callable[[], str | None] = lambda: None


class FileService:
    """The use cases of the file room."""

    def __init__(self, room: FileRoom, config: FilesConfig) -> None:
        self._room = room
        self._config = config
        self._locks = _LockPerContent()
        self._holders = 0
        self._unwanted: set[str] = set()
        self.layers = LayerShelf()

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Keeps every content where it is within the block; what is deleted goes after it."""
        self._holders += 1
        try:
            yield
        finally:
            self._holders -= 1
            if not self._holders:
                await asyncio.shield(self._let_go())

    async def _let_go(self) -> None:
        """Removes what was deleted meanwhile, unless it was uploaded again."""
        while self._unwanted and not self._holders:
            sha256 = self._unwanted.pop()
            async with self._locks.of(sha256):
                if await self._room.files.get_by_sha256(sha256) is None:
                    await self._room.store.delete(sha256)

    async def receive(
        self,
        body: AsyncIterable[bytes],
        name: str,
        expected_digest: str | None = None,
        expected_length: int | None = None,
    ) -> StoredFile:
        """Stores an upload durably; the same content again is the file that is there already.

        `expected_digest` is a Content-Digest header's value (RFC 9530), `expected_length` the
        announced bytes. Leaving early, by an error or a cancellation, leaves no file.

        Raises:
            FileError: with codes too_large, not_gcode, invalid_utf8, empty_file, bad_digest,
                digest_mismatch, length_mismatch, storage_full or storage_failed.
        """
        announced = announced_sha256(expected_digest)
        limit = self._config.max_bytes
        if expected_length is not None and expected_length > limit:
            raise TooLarge(limit)
        gate = GcodeGate()
        async with self._room.store.writing(limit=limit) as writer:
            async for piece in body:
                gate.feed(piece)
                await writer.write(piece)
            blob = await writer.finish()
            _check_transfer(blob, announced, expected_length)
            gate.finish()
            async with self._locks.of(blob.sha256):
                known = await self._room.files.get_by_sha256(blob.sha256)
                if known is not None and await self._room.store.has(blob.sha256):
                    return StoredFile(known, created=False)
                await writer.keep()
                if known is not None:
                    return StoredFile(await self._read_again(known), created=False)
                return StoredFile(await self._add(blob, name), created=True)

    async def get(self, file_id: str) -> PrintFile:
        """Returns the file.

        Raises:
            UnknownFile: there is none with this id.
        """
        file = await self._room.files.get(file_id)
        if file is None:
            raise UnknownFile(file_id)
        return file

    async def list_page(
        self,
        *,
        limit: int = 50,
        cursor: str | None = None,
        filters: Mapping[str, str] | None = None,
    ) -> FilePage:
        """Returns up to `limit` files, newest first, from where `cursor` left off.

        `filters` are what name, state or sha256 must be.
        """
        return await self._room.files.list_page(limit=limit, cursor=cursor, filters=filters)

    async def rename(self, file_id: str, name: str, was: str | None = None) -> PrintFile:
        """Changes the name that is shown, if it still is `was` where that is given.

        Raises:
            BadName: nothing visible is left of the name.
            UnknownFile: there is no such file.
            FileChanged: it is named otherwise by now.
        """
        shown = display_name(name)
        if not shown:
            raise BadName
        renamed = await self._room.files.rename(file_id, shown, was)
        if renamed is None:
            raise UnknownFile(file_id)
        if renamed.name != shown:
            raise FileChanged(renamed.name)
        return renamed

    async def delete(self, file_id: str) -> None:
        """Deletes the file and its content.

        Raises:
            UnknownFile: there is no such file.
            FileInUse: jobs that are not finished still need it.
        """
        file = await self.get(file_id)
        async with self._locks.of(file.sha256):
            numbers = await self._room.uses.jobs_using(file_id)
            if numbers:
                raise FileInUse(numbers)
            await self._room.files.delete(file_id)
            if self._holders:
                self._unwanted.add(file.sha256)
            else:
                await self._room.store.delete(file.sha256)

    async def content(
        self, file: PrintFile, *, start: int = 0, length: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Yields the stored content, or a part of it; raises as `BlobStore.read`."""
        async with aclosing(
            self._room.store.read(file.sha256, start=start, length=length)
        ) as pieces:
            async for piece in pieces:
                yield piece

    async def printer_bytes(self, file: PrintFile) -> AsyncGenerator[bytes, None]:
        """Yields what a printer gets: the content, ended by a newline if it is not already.

        These are `file.printer_size` bytes with the hash `file.printer_sha256`. Raises as
        `BlobStore.read`.
        """
        async for piece in self.content(file):
            yield piece
        if file.printer_size > file.size:
            yield NEWLINE

    async def thumbnail(self, file_id: str) -> Thumbnail | None:
        """Returns the best picture in the file; None where it has none (yet).

        Raises:
            UnknownFile: there is no such file.
        """
        file = await self.get(file_id)
        place = file.analysis.thumbnail if file.analysis else None
        if place is None:
            return None
        pieces = self.content(file, start=place.offset, length=place.length)
        return decode_thumbnail(place, b"".join([piece async for piece in pieces]))

    async def sweep(self) -> int:
        """Sets contents aside that no file has, as a crash leaves them; returns how many.

        To be called at start, before uploads are taken. Nothing is ever deleted here. Contents
        that belong to another database, perhaps because this one is new or restored, stay where
        they are: that database may come back for them.
        """
        orphans = await self._orphans()
        ours = await self._is_ours()
        if not orphans:
            return 0
        if not ours:
            _LOG.warning("files.foreign", action="sweep", kept=len(orphans))
            return 0
        for orphan in sorted(orphans):
            await self._room.store.set_aside(orphan)
            _LOG.warning("files.orphan", action="set_aside", sha256=orphan)
        return len(orphans)

    async def _orphans(self) -> set[str]:
        kept = await self._room.store.digests()
        orphans: set[str] = set()
        for first in range(0, len(kept), GROUP):
            group = kept[first : first + GROUP]
            orphans |= set(group) - await self._room.files.known(group)
        return orphans

    async def _is_ours(self) -> bool:
        """Whether the contents belong to this database; contents of nobody become its own."""
        database = await self._room.files.database()
        owner = await self._room.store.owner()
        if owner is None and database is not None and not await self._room.store.digests():
            await self._room.store.own(database)
            owner = database
        return database is not None and owner == database

    async def _add(self, blob: Blob, name: str) -> PrintFile:
        state, analysis = await self._analyse_if_small(blob)
        file = PrintFile(
            id=self._room.new_id(),
            sha256=blob.sha256,
            size=blob.size,
            printer_sha256=blob.printer_sha256,
            name=display_name(name) or NAMELESS,
            created_at=self._room.now(),
            state=state,
            analysis=analysis,
            sent_by=self._room.sender(),
        )
        stored = await self._room.files.add(file)
        if state is FileState.ANALYSING or stored.id != file.id:
            self._room.wake_analysis()
        return stored

    async def _read_again(self, healed: PrintFile) -> PrintFile:
        """Has a file whose content was lost, and is back, analysed where it could not be."""
        if healed.analysis is not None:
            return healed
        waiting = await self._room.files.mark_analysis(healed.id, FileState.ANALYSING, None)
        self._room.wake_analysis()
        return waiting or healed

    async def _analyse_if_small(self, blob: Blob) -> tuple[FileState, Analysis | None]:
        if blob.size > self._config.analyse_at_once:
            return FileState.ANALYSING, None
        try:
            return FileState.READY, await self._room.analyser.analyse(blob.sha256)
        except AnalysisFailed:
            return FileState.UNREADABLE, None


class _LockPerContent:
    """One lock per hash: an upload and a deletion of the same content take turns."""

    def __init__(self) -> None:
        self._locks: dict[str, asyncio.Lock] = {}
        self._wanted: defaultdict[str, int] = defaultdict(int)

    @asynccontextmanager
    async def of(self, sha256: str) -> AsyncIterator[None]:
        self._wanted[sha256] += 1
        try:
            async with self._locks.setdefault(sha256, asyncio.Lock()):
                yield
        finally:
            self._wanted[sha256] -= 1
            if not self._wanted[sha256]:
                del self._wanted[sha256], self._locks[sha256]


def _check_transfer(blob: Blob, announced: str | None, expected_length: int | None) -> None:
    if expected_length is not None and blob.size != expected_length:
        raise LengthMismatch(blob.size, expected_length)
    if announced is not None and blob.sha256 != announced:
        raise DigestMismatch(blob.sha256, announced)
