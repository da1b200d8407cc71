"""The blocking side of resumable uploads: a folder with a note and the bytes of each of them.

A note names an offset only after the bytes before it are on the disk. What came after the last note
is cut off when the folder is opened: it may have been written, or half of it.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from buildplate.files.disk import disk_errors, sync_folder
from buildplate.files.errors import UploadsFull
from buildplate.files.store import RESERVE

if TYPE_CHECKING:
    from pathlib import Path

NOTE = ".json"
BYTES = ".bytes"
FRESH = ".fresh"


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload that may be gone on with; lengths in bytes, times aware UTC.

    `offset` bytes are on the disk. `file_id` is the stored file that it became, None before.
    `metadata` is what its client said of it, word for word.
    """

    id: str
    owner: str
    name: str
    length: int
    offset: int
    expires_at: datetime
    file_id: str | None = None
    metadata: str = ""

    @property
    def complete(self) -> bool:
        """Whether every byte is here."""
        return self.offset == self.length

    def to_json(self) -> str:
        """The upload as its note says it; `from_json` reads it back."""
        return json.dumps(asdict(self) | {"expires_at": self.expires_at.isoformat()})

    @classmethod
    def from_json(cls, note: str) -> Upload:
        """Reads what `to_json` gave. ValueError, TypeError or KeyError for anything else."""
        plain: dict[str, Any] = json.loads(note)
        upload = cls(**plain | {"expires_at": datetime.fromisoformat(plain["expires_at"])})
        if not 0 <= upload.offset <= upload.length or upload.expires_at.tzinfo is None:
            raise ValueError(note)
        return upload


class UploadFolder:
    """The uploads of one server in one folder; of each, one call after the other."""

    def __init__(self, folder: Path, *, reserve: int = RESERVE) -> None:
        self._folder = folder
        self._reserve = reserve

    def open(self) -> list[Upload]:
        """Makes the folder and returns what is in it; files that no note speaks of are removed."""
        with disk_errors("opening the folder of uploads"):
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            found = [
                upload
                for note in sorted(self._folder.glob(f"*{NOTE}"))
                if (upload := self._read_note(note)) is not None
            ]
            names = {f"{upload.id}{ending}" for upload in found for ending in (NOTE, BYTES)}
            for path in self._folder.iterdir():
                if path.name not in names and not path.is_dir():
                    path.unlink()
            return found

    def add(self, upload: Upload, promised: int) -> None:
        """Begins an upload durably.

        Raises:
            UploadsFull: with the `promised` bytes that others still need there would be no room for
                it and for the file that it becomes.
        """
        with disk_errors("starting an upload"):
            self._leave_reserve(promised + 2 * upload.length)
            os.close(os.open(self._bytes(upload.id), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        self.note(upload)

    def write(self, upload_id: str, position: int, content: bytes | bytearray) -> None:
        """Writes bytes, which are not durable before the next `note`."""
        with disk_errors("storing an upload"):
            self._leave_reserve(len(content))
            fd = os.open(self._bytes(upload_id), os.O_WRONLY)
            try:
                with memoryview(content) as whole:
                    written = 0
                    while written < len(whole):
                        written += os.pwrite(fd, whole[written:], position + written)
            finally:
                os.close(fd)

    def note(self, upload: Upload) -> None:
        """Makes the bytes up to the upload's offset durable, and then what its note says."""
        with disk_errors("storing an upload"):
            with suppress(FileNotFoundError):  # a finished one has no bytes of its own
                _sync(self._bytes(upload.id))
            fresh = self._folder / f"{upload.id}{FRESH}"
            with fresh.open("w", encoding="utf-8") as note:
                note.write(upload.to_json())
                note.flush()
                os.fsync(note.fileno())
            fresh.replace(self._folder / f"{upload.id}{NOTE}")
            sync_folder(self._folder)

    def read(self, upload_id: str, position: int, size: int) -> bytes:
        """Reads up to `size` bytes; none at the end."""
        with disk_errors("reading an upload"):
            fd = os.open(self._bytes(upload_id), os.O_RDONLY)
            try:
                return os.pread(fd, size, position)
            finally:
                os.close(fd)

    def drop_bytes(self, upload_id: str) -> None:
        """Removes the bytes of an upload, and keeps its note."""
        with disk_errors("clearing away an upload"):
            self._bytes(upload_id).unlink(missing_ok=True)

    def remove(self, upload_id: str) -> None:
        """Removes an upload; one that is not there is as good as removed."""
        with disk_errors("clearing away an upload"):
            (self._folder / f"{upload_id}{NOTE}").unlink(missing_ok=True)
            self._bytes(upload_id).unlink(missing_ok=True)
            sync_folder(self._folder)

    def _bytes(self, upload_id: str) -> Path:
        return self._folder / f"{upload_id}{BYTES}"

    def _read_note(self, note: Path) -> Upload | None:
        """What a note says, the bytes cut to it; None where it is spoiled, or bytes are missing."""
        try:
            upload = Upload.from_json(note.read_text(encoding="utf-8"))
        except (ValueError, TypeError, KeyError):
            return None
        if upload.id != note.stem:
            return None
        if upload.file_id is not None:
            self._bytes(upload.id).unlink(missing_ok=True)
            return upload
        try:
            if self._bytes(upload.id).stat().st_size < upload.offset:
                return None
        except FileNotFoundError:
            return None
        os.truncate(self._bytes(upload.id), upload.offset)
        return upload

    def _leave_reserve(self, more: int) -> None:
        disk = os.statvfs(self._folder)
        if disk.f_bavail * disk.f_frsize < self._reserve + more:
            raise UploadsFull(self._reserve)


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_WRONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
