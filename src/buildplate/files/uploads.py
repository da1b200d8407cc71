"""Uploads that survive a lost connection and a restart: bytes are appended until all are there."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from buildplate.files.errors import (
    EmptyFile,
    InvalidUtf8,
    LengthMismatch,
    NotGcode,
    TakenOver,
    TooLarge,
    TooManyUploads,
    UnknownUpload,
    WrongOffset,
)
from buildplate.files.gate import GcodeGate
from buildplate.files.naming import NAMELESS, display_name
from buildplate.files.upload_disk import Upload

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable
    from datetime import datetime

    from buildplate.files.service import FileService
    from buildplate.files.upload_disk import UploadFolder

PIECE = 1 << 20
"""Bytes handed to a thread at a time."""
NOTED_EVERY = 8 << 20
"""Bytes between two notes: so much may have to be sent again after a power cut, and so much, not
more, waits in the page cache where the database's commits would have to stand behind it."""
SWEEP_S = 600.0
REFUSED = (NotGcode, InvalidUtf8, EmptyFile)
"""What no further byte can mend."""


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """How large an upload may be (bytes), how many there may be, how long they are kept."""

    max_bytes: int = 500_000_000
    per_owner: int = 50
    in_all: int = 200
    unfinished: timedelta = timedelta(hours=24)
    finished: timedelta = timedelta(hours=1)
    finished_in_all: int = 500


class UploadService:
    """The uploads of every caller; each sees only its own. `owner` names whose they are."""

    def __init__(
        self,
        folder: UploadFolder,
        files: FileService,
        limits: UploadLimits,
        now: Callable[[], datetime],
        new_id: Callable[[], str],
    ) -> None:
        self._folder = folder
        self._files = files
        self.limits = limits
        self._now = now
        self._new_id = new_id
        self._known: dict[str, _Entry] = {}
        self._adding = asyncio.Lock()

    async def open(self) -> None:
        """Takes up what an earlier run has left; to be called before the first request."""
        found = await asyncio.to_thread(self._folder.open)
        self._known = {upload.id: _Entry(upload) for upload in found}
        await self.sweep()

    async def run(self) -> None:
        """Clears expired uploads away until it is cancelled."""
        while True:
            await asyncio.sleep(SWEEP_S)
            await self.sweep()

    async def sweep(self) -> int:
        """Removes every upload that has expired; returns how many."""
        expired = [entry for entry in self._known.values() if self._is_over(entry.upload)]
        for entry in expired:
            async with entry.turn():
                if self._is_over(entry.upload):
                    await self._remove(entry)
        return len(expired)

    async def create(self, owner: str, name: str, length: int, metadata: str = "") -> Upload:
        """Begins an upload of `length` bytes; `metadata` is kept with it word for word.

        Raises:
            FileError: with codes too_large, empty_file, too_many_uploads, storage_full or
                storage_failed.
        """
        if length > self.limits.max_bytes:
            raise TooLarge(self.limits.max_bytes)
        if length == 0:
            raise EmptyFile
        async with self._adding:
            await self._make_room(owner)
            unfinished = [entry.upload for entry in self._known.values() if not entry.finished]
            # The bytes to come, and the copy that becomes the file.
            promised = sum(2 * upload.length - upload.offset for upload in unfinished)
            upload = Upload(
                id=self._new_id(),
                owner=owner,
                name=display_name(name) or NAMELESS,
                length=length,
                offset=0,
                expires_at=self._now() + self.limits.unfinished,
                metadata=metadata,
            )
            await asyncio.to_thread(self._folder.add, upload, promised)
            self._known[upload.id] = _Entry(upload)
            return upload

    async def get(self, owner: str, upload_id: str) -> Upload:
        """Returns the upload; one that is complete has become a file first.

        Raises:
            UnknownUpload: this owner has none with this id, or none any more.
            FileError: as `append`, where the last answer was not given for a crash.
        """
        entry = self._entry(owner, upload_id)
        if entry.upload.complete and not entry.finished:
            async with entry.turn():
                self._entry(owner, upload_id)
                await self._finish(entry)
        return entry.upload

    async def append(
        self, owner: str, upload_id: str, offset: int, pieces: AsyncIterable[bytes]
    ) -> Upload:
        """Adds bytes at `offset`, which must be the upload's; with the last it becomes a file.

        A later call takes over from one that still waits for bytes. Whatever ends a call, what
        had arrived is kept, and durable.

        Raises:
            UnknownUpload: as `get`.
            WrongOffset: the upload is elsewhere.
            TakenOver: a later call goes on with it.
            LengthMismatch: there are more bytes than were announced.
            FileError: as `FileService.receive`. Where the content is refused, the upload is gone.
        """
        entry = self._entry(owner, upload_id)
        async with entry.turn() as number:
            self._entry(owner, upload_id)
            if offset != entry.upload.offset:
                raise WrongOffset(entry.upload.offset)
            if not entry.finished:
                try:
                    async with aclosing(entry.heard(pieces, number)) as heard:
                        await self._write(entry, heard)
                except REFUSED:
                    await self._remove(entry)
                    raise
                await self._finish(entry)
            return entry.upload

    async def remove(self, owner: str, upload_id: str) -> None:
        """Forgets an upload; a file that it has become stays. UnknownUpload."""
        entry = self._entry(owner, upload_id)
        async with entry.turn():
            self._entry(owner, upload_id)
            await self._remove(entry)

    def _entry(self, owner: str, upload_id: str) -> _Entry:
        entry = self._known.get(upload_id)
        if entry is None or entry.upload.owner != owner or self._is_over(entry.upload):
            raise UnknownUpload(upload_id)
        return entry

    def _is_over(self, upload: Upload) -> bool:
        return self._now() >= upload.expires_at

    async def _make_room(self, owner: str) -> None:
        """Refuses one upload too many; TooManyUploads."""
        await self.sweep()
        unfinished = [entry.upload for entry in self._known.values() if not entry.finished]
        mine = sum(upload.owner == owner for upload in unfinished)
        if mine >= self.limits.per_owner or len(unfinished) >= self.limits.in_all:
            raise TooManyUploads
        finished = [entry for entry in self._known.values() if entry.finished]
        for entry in finished[: max(0, len(finished) - self.limits.finished_in_all + 1)]:
            await self._remove(entry)

    async def _write(self, entry: _Entry, pieces: AsyncIterator[bytes]) -> None:
        begun = entry.upload
        at, filling = begun.offset, bytearray()
        gate = GcodeGate() if at == 0 else None
        try:
            async for piece in pieces:
                arrived = at + len(filling) + len(piece)
                if arrived > begun.length:
                    raise LengthMismatch(arrived, begun.length)
                if gate is not None:
                    gate.feed(piece)
                filling += piece
                if len(filling) >= PIECE:
                    full, filling = filling, bytearray()
                    await asyncio.to_thread(self._folder.write, begun.id, at, full)
                    at += len(full)
                if at - entry.upload.offset >= NOTED_EVERY:
                    await self._note(entry, at)
        finally:
            await asyncio.shield(self._save(entry, at, filling))

    async def _save(self, entry: _Entry, at: int, rest: bytearray) -> None:
        if rest:
            await asyncio.to_thread(self._folder.write, entry.upload.id, at, rest)
        if at + len(rest) > entry.upload.offset:
            await self._note(entry, at + len(rest))

    async def _note(self, entry: _Entry, offset: int) -> None:
        until = self._now() + self.limits.unfinished
        further = replace(entry.upload, offset=offset, expires_at=until)
        await asyncio.to_thread(self._folder.note, further)
        entry.upload = further

    async def _finish(self, entry: _Entry) -> None:
        """Makes a stored file of a complete upload, once."""
        upload = entry.upload
        if not upload.complete or entry.finished:
            return
        try:
            async with aclosing(self._content(upload)) as content:
                stored = await self._files.receive(content, upload.name)
        except REFUSED:
            await self._remove(entry)
            raise
        until = self._now() + self.limits.finished
        done = replace(upload, file_id=stored.file.id, expires_at=until)
        await asyncio.to_thread(self._folder.note, done)
        entry.upload = done
        await asyncio.to_thread(self._folder.drop_bytes, upload.id)

    async def _content(self, upload: Upload) -> AsyncGenerator[bytes, None]:
        at = 0
        while at < upload.length:
            size = min(PIECE, upload.length - at)
            piece = await asyncio.to_thread(self._folder.read, upload.id, at, size)
            if not piece:
                raise LengthMismatch(at, upload.length)
            at += len(piece)
            yield piece

    async def _remove(self, entry: _Entry) -> None:
        """Its room is kept for it no longer than its bytes are there."""
        self._known.pop(entry.upload.id, None)
        try:
            await asyncio.to_thread(self._folder.remove, entry.upload.id)
        except BaseException:
            self._known[entry.upload.id] = entry
            raise


class _Entry:
    """An upload and whose turn it is to write: the latest to ask gets it from those before."""

    def __init__(self, upload: Upload) -> None:
        self.upload = upload
        self._lock = asyncio.Lock()
        self._latest = 0
        self._waiting: asyncio.Task[object] | None = None

    @property
    def finished(self) -> bool:
        """Whether it has become a file."""
        return self.upload.file_id is not None

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[int]:
        """Waits until nobody else writes, whom it asks to stop; gives the turn's number."""
        self._latest += 1
        number = self._latest
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
        async with self._lock:
            yield number

    async def heard(self, pieces: AsyncIterable[bytes], number: int) -> AsyncGenerator[bytes, None]:
        """The pieces, until a later turn is asked for; TakenOver then."""
        coming = aiter(pieces)
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 (a coroutine runs in a task)
        while self._latest == number:
            cancelled_before = task.cancelling()
            self._waiting = task
            try:
                piece = await anext(coming)
            except StopAsyncIteration:
                return
            except asyncio.CancelledError:
                if self._latest != number and task.uncancel() <= cancelled_before:
                    raise TakenOver from None
                raise
            finally:
                if self._waiting is task:
                    self._waiting = None
            yield piece
        raise TakenOver
