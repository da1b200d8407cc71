"""The files that are to be streamed: linked or copied into the printer's own folder."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import re
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from buildplate.drivers.sdk import FileBody, FileUnreadable, HostConfused, HostFull, HostRefused

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
_PART = ".part"
_PIECE = 1 << 20


class Shelf:
    """One folder of files. Nothing half-written is ever under a name of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def prepare(self) -> None:
        """Make the folder and remove what a crash left half-written."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for leftover in self._folder.glob(f"*{_PART}"):
            leftover.unlink()

    def path(self, name: str) -> Path | None:
        """Where a stored file lies; None for a name that no file can have here."""
        return self._folder / name if NAME.fullmatch(name) else None

    def has(self, name: str) -> bool:
        """Whether the file is there."""
        path = self.path(name)
        return path is not None and path.is_file()

    async def store(self, name: str, body: FileBody) -> None:
        """Link the file where it lies on this disk, else write it; HostFull, FileUnreadable."""
        path = self.path(name)
        if path is None:
            raise HostRefused(f"{name!r} is no name for a file")
        part = path.with_name(f"{name}{_PART}")
        try:
            if body.local is not None and await asyncio.to_thread(_linked, body.local, part):
                if part.stat().st_size != body.size:
                    raise FileUnreadable("the farm's own copy of the file has another size")
            else:
                await self._spool(part, body)
            await asyncio.to_thread(_settle, part, path)
        except OSError as error:
            raise _storing_failed(error) from error
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)

    async def sha256(self, name: str) -> str | None:
        """The hash of the stored bytes; None where there is no such file."""
        path = self.path(name)
        if path is None:
            return None
        try:
            return await asyncio.to_thread(_digest, path)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise FileUnreadable(f"the stored file cannot be read: {error.strerror}") from error

    def delete(self, name: str) -> None:
        """Remove a file; one that is not there is gone. OSError."""
        path = self.path(name)
        if path is not None:
            path.unlink(missing_ok=True)

    def names(self, prefix: str) -> Sequence[str]:
        """The stored files whose names begin so."""
        with suppress(FileNotFoundError):
            return sorted(
                one.name
                for one in self._folder.iterdir()
                if one.name.startswith(prefix) and not one.name.endswith(_PART)
            )
        return []

    async def _spool(self, part: Path, body: FileBody) -> None:
        size = 0
        with part.open("wb") as file:
            async for piece in body.open():
                size += len(piece)
                if size > body.size:
                    break
                await asyncio.to_thread(file.write, piece)
            file.flush()
            await asyncio.to_thread(os.fsync, file.fileno())
        if size != body.size:
            raise HostConfused(f"{size} bytes of the file came instead of {body.size}")


def _linked(local: Path, part: Path) -> bool:
    """Have the same content under another name; False where the disk cannot do that."""
    part.unlink(missing_ok=True)
    try:
        os.link(local, part)
    except FileNotFoundError as error:
        raise FileUnreadable("the farm's own copy of the file is gone") from error
    except OSError as error:
        if error.errno in {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP}:
            return _copied(local, part)
        raise
    return True


def _copied(local: Path, part: Path) -> bool:
    shutil.copyfile(local, part)
    with part.open("rb") as file:
        os.fsync(file.fileno())
    return True


def _settle(part: Path, path: Path) -> None:
    part.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


def _storing_failed(error: OSError) -> HostRefused | FileUnreadable:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return HostFull("the disk of this machine is full")
    return FileUnreadable(f"the file cannot be stored for streaming: {error.strerror}")
