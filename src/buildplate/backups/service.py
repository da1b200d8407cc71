"""The use cases of backups on a running farm: take one at a time, list, fetch, delete."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import structlog

from buildplate.backups.archive import PIECE
from buildplate.backups.errors import BackupError, BackupNotReady, BackupUnderWay
from buildplate.backups.folder import BackupFolder, file_name
from buildplate.backups.model import Backup, BackupState
from buildplate.backups.taking import Cancelled, Order, checked_keys, disk_errors, take
from buildplate.storage import StorageError

_LOG = structlog.get_logger("backups")


class KeyBox(Protocol):
    """The key file, as far as a backup needs it."""

    def held(self) -> tuple[Sequence[bytes], str | None]:
        """The keys and what the present one is called; nothing where there is none. Blocks."""


@dataclass(frozen=True, slots=True)
class BackupParts:
    """What taking backups works with.

    `hold` keeps every content where it is while a backup is taken; `begin` starts a task that its
    owner watches. `kept`: how many backups are kept.
    """

    folder: BackupFolder
    database: Path | str
    content: Callable[[str], Path]
    hold: Callable[[], AbstractAsyncContextManager[None]]
    keys: KeyBox
    begin: Callable[[str, Callable[[], Awaitable[None]]], Any]
    now: Callable[[], datetime]
    new_id: Callable[[], str]
    release: str
    kept: int


class BackupService:
    """Backups of this farm."""

    def __init__(self, parts: BackupParts) -> None:
        self._parts = parts
        self._latest: Backup | None = None
        self._turn = asyncio.Lock()  # of the folder, which is for one thread at a time
        self._stop = threading.Event()

    async def begin(self, passphrase: str | None) -> Backup:
        """Begin a backup; it goes on by itself. BackupUnderWay, WeakPassphrase, NoKeyFile."""
        if self._latest is not None and self._latest.state is BackupState.RUNNING:
            message = f"the backup {self._latest.id} is being taken"
            raise BackupUnderWay(message)
        parts = self._parts
        backup = Backup(parts.new_id(), BackupState.RUNNING, parts.now())
        self._latest = backup
        try:
            found = await asyncio.to_thread(parts.keys.held)
            keys = checked_keys(found, passphrase)
        except BaseException:
            self._latest = None
            raise
        order = Order(
            id=backup.id,
            release=parts.release,
            database=parts.database,
            content=parts.content,
            target=lambda taken_at: parts.folder.path / file_name(backup.id, taken_at),
            now=parts.now,
            told=self._told,
            keys=keys,
        )
        parts.begin("backup", lambda: self._run(order))
        return backup

    async def backups(self) -> list[Backup]:
        """Every backup, the newest first; with the one that is being taken, or just failed."""
        async with self._turn:
            found = list(await asyncio.to_thread(self._parts.folder.backups))
        latest = self._latest
        if latest is not None and latest.state is not BackupState.READY:
            found.insert(0, latest)
        return found

    async def backup(self, backup_id: str) -> Backup:
        """One of them; UnknownBackup."""
        latest = self._latest
        if latest is not None and latest.id == backup_id and latest.state is not BackupState.READY:
            return latest
        return (await self._find(backup_id))[1]

    async def content(self, backup_id: str) -> tuple[Backup, AsyncIterator[bytes]]:
        """A finished backup and its bytes; UnknownBackup, BackupNotReady, BackupDiskFailed."""
        found = await self.backup(backup_id)
        if found.state is not BackupState.READY:
            message = f"the backup {backup_id} is {found.state}"
            raise BackupNotReady(message)
        path, found = await self._find(backup_id)
        with disk_errors():
            file = await asyncio.to_thread(path.open, "rb")
        return found, _pieces(file)

    async def delete(self, backup_id: str) -> None:
        """Remove a finished backup; UnknownBackup, BackupUnderWay."""
        latest = self._latest
        if latest is not None and latest.id == backup_id:
            if latest.state is BackupState.RUNNING:
                message = f"the backup {backup_id} is being taken"
                raise BackupUnderWay(message)
            self._latest = None
            if latest.state is BackupState.FAILED:
                return
        async with self._turn:
            await asyncio.to_thread(self._parts.folder.delete, backup_id)

    async def _find(self, backup_id: str) -> tuple[Path, Backup]:
        async with self._turn:
            return await asyncio.to_thread(self._parts.folder.find, backup_id)

    def _told(self, done: int, total: int) -> None:
        """How far the thread is; it is also where the thread hears that it has to stop."""
        if self._stop.is_set():
            raise Cancelled
        latest = self._latest
        if latest is not None:
            self._latest = replace(latest, done=done, total=total)

    async def _run(self, order: Order) -> None:
        if self._latest is None or self._latest.state is not BackupState.RUNNING:
            return  # it failed in a way that nobody foresaw: once is enough
        _LOG.info("backup.begun", action="backup", backup_id=order.id)
        try:
            async with self._parts.hold():
                path = await self._in_thread(order)
            size = (await asyncio.to_thread(path.stat)).st_size
            self._end(BackupState.READY)
            _LOG.info("backup.taken", action="backup", backup_id=order.id, bytes=size)
        except (BackupError, StorageError) as error:
            why = {"code": error.code, "error": str(error)}
            _LOG.error("backup.failed", action="backup", backup_id=order.id, **why)
            self._end(BackupState.FAILED, str(error), error.hint)
        except BaseException:
            self._end(BackupState.FAILED, "it failed by a mistake of the program", "See the log.")
            raise
        else:
            await self._prune(order.id)

    def _end(self, state: BackupState, problem: str = "", hint: str = "") -> None:
        if self._latest is not None:
            self._latest = replace(self._latest, state=state, problem=problem, hint=hint)

    async def _in_thread(self, order: Order) -> Path:
        """Take it on a thread; a stop of the server ends the thread before this ends."""
        loop = asyncio.get_running_loop()
        taking = loop.run_in_executor(None, take, order, self._parts.folder.path)
        try:
            return await asyncio.shield(taking)
        except asyncio.CancelledError:
            self._stop.set()
            await asyncio.wait([taking])
            if not taking.cancelled():
                taking.exception()
            raise

    async def _prune(self, taken: str) -> None:
        """Delete what is older than what is kept; the one just taken is ready all the same."""
        try:
            async with self._turn:
                gone = await asyncio.to_thread(self._parts.folder.prune, self._parts.kept, taken)
        except (BackupError, OSError) as error:
            _LOG.error("backup.not_removed", action="keep the newest", error=str(error))
            return
        for backup_id in gone:
            _LOG.info("backup.removed", action="keep the newest", backup_id=backup_id)


async def _pieces(file: BinaryIO) -> AsyncIterator[bytes]:
    try:
        while piece := await asyncio.to_thread(file.read, PIECE):
            yield piece
    finally:
        file.close()
