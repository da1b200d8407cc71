"""Bringing a backup back into an empty place, as a farm that is stopped.

Everything is verified before anything is written. A mark in the data folder keeps every server
away until the farm is whole, and lets a restore that was cut off be repeated. The farm's stop comes
into the database with the rows themselves (docs/adr/0018).
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Protocol

from buildplate.backups.archive import PIECE, checked, place_of, verify
from buildplate.backups.errors import TargetTaken, TooNew
from buildplate.backups.key_sealing import open_keys
from buildplate.backups.model import FILES, KEY, TABLES, Manifest, Part
from buildplate.backups.taking import check_room, disk_errors
from buildplate.backups.unfinished import MARK
from buildplate.dispatch.forgotten import Restored, settle_prints, stop_rows
from buildplate.files.disk import sync_folder
from buildplate.files.store import LocalBlobStore
from buildplate.fleet.restored import settle_printers
from buildplate.storage import Tx
from buildplate.storage.lock import ProcessLock
from buildplate.storage.portable import Cargo, TableText, read_table
from buildplate.storage.postgres.portable import identity_of, load_postgres, look_postgres
from buildplate.storage.restored import settle_identity
from buildplate.storage.schema import known_revisions
from buildplate.storage.sqlite.portable import identity_in, load_sqlite

FRESH_MARK = "restoring.new"
HELD = "farm"
FILES_FOLDER, BACKUPS_FOLDER = "files", "backups"
UNFINISHED = ".restoring"
_BESIDE = ("-wal", "-shm", "-journal")


class KeyPlace(Protocol):
    """Where the key file goes."""

    path: Path

    def holds(self, keys: Sequence[bytes]) -> bool:
        """Whether exactly these keys are there."""

    def replace(self, keys: Sequence[bytes]) -> None:
        """Put these keys there, all or nothing, durably."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where the farm is to be: its folder, its database, its key file."""

    data_dir: Path
    database: Path | str
    key_file: KeyPlace


@dataclass(frozen=True, slots=True)
class Wish:
    """A restore: from which file, to where, and the passphrase for the key file, if any."""

    source: Path
    target: Target
    now: Callable[[], datetime]
    new_id: Callable[[], str]
    passphrase: str | None = field(repr=False, default=None)
    told: Callable[[int, int], None] = lambda _done, _total: None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was restored; `keys`: the key file, too. `again`: an earlier try had done it all."""

    manifest: Manifest
    keys: bool
    again: bool = False


def why_restored(manifest: Manifest) -> str:
    """Why the farm is stopped, for people."""
    taken = manifest.taken_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return (
        f"the farm was restored from the backup of {taken} ({manifest.id}); what was printed since"
        " is not known: look at every printer, and cancel what was made already"
    )


async def restore(wish: Wish) -> Outcome:
    """Verify, then restore; blocks the loop. Raises BackupError, StorageError."""
    with ExitStack() as stack, disk_errors():
        source = stack.enter_context(wish.source.open("rb"))
        manifest = verify(source)
        if manifest.schema not in known_revisions():
            message = f"the backup has schema {manifest.schema}, which this release does not know"
            raise TooNew(message)
        keys = _keys(wish, source, manifest)
        folder = wish.target.data_dir
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _hold(stack, wish.target)
        mark = _Mark(folder / MARK)
        if await _done_already(wish, manifest, mark):
            return _ended(wish, manifest, mark, keys)
        await _check_target(wish, manifest, mark, keys)
        if mark.identity is not None:
            _clear(wish.target)
        check_room(folder, sum(part.size for part in manifest.parts), "the farm")
        identity = wish.new_id()
        mark.write(identity, manifest.id, key=bool(keys))
        _clear(wish.target)
        await _restore_files(wish, source, manifest, identity)
        if keys:
            wish.target.key_file.replace(keys)
        await _restore_rows(wish, source, manifest, identity)
        mark.remove()
        return Outcome(manifest, keys=bool(keys))


def _keys(wish: Wish, source: BinaryIO, manifest: Manifest) -> list[bytes]:
    """The key file's keys, opened before anything is written; none where nobody asks for them."""
    if wish.passphrase is None or not manifest.key_file:
        return []
    part = next(part for part in manifest.parts if part.name == KEY)
    sealed = b"".join(_bytes_of(source, manifest, part))
    return open_keys(sealed, wish.passphrase, manifest.id)


def _bytes_of(source: BinaryIO, manifest: Manifest, part: Part) -> Iterator[bytes]:
    source.seek(place_of(manifest, part.name))

    def pieces() -> Iterator[bytes]:
        left = part.size
        while left and (piece := source.read(min(PIECE, left))):
            left -= len(piece)
            yield piece

    return checked(part, pieces())


def _hold(stack: ExitStack, target: Target) -> None:
    """Keep every server away, as a server would. DatabaseInUse."""
    locks = [ProcessLock(target.data_dir / HELD)]
    if isinstance(target.database, Path):
        target.database.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        locks.append(ProcessLock(target.database))
    for lock in locks:
        lock.take()
        stack.callback(lock.release)


class _Mark:
    """The mark of a restore under way: which database it makes of which backup.

    `key` tells whether the backup's key file comes with it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.identity: str | None = None
        self.backup = ""
        self.key = False
        with suppress(FileNotFoundError):
            text = path.read_text(encoding="utf-8")
            self.identity = ""
            with suppress(ValueError, AttributeError):
                told = json.loads(text)
                self.identity = str(told.get("identity", ""))
                self.backup, self.key = str(told.get("backup", "")), told.get("key") is True

    def write(self, identity: str, backup: str, *, key: bool) -> None:
        """Put the mark there, durably."""
        fresh = self._path.with_name(FRESH_MARK)
        with fresh.open("w", encoding="utf-8") as file:
            json.dump({"identity": identity, "backup": backup, "key": key}, file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
        sync_folder(self._path.parent)

    def remove(self) -> None:
        """The farm is whole."""
        self._path.unlink()
        sync_folder(self._path.parent)


async def _done_already(wish: Wish, manifest: Manifest, mark: _Mark) -> bool:
    """Whether an earlier try has put all rows in their place, and was cut off after that.

    Raises TargetTaken where that was another backup's, and StorageError.
    """
    if not mark.identity:
        return False
    database = wish.target.database
    if isinstance(database, str):
        found = await identity_of(database)
    else:
        found = identity_in(database) if database.exists() else None
    if found == mark.identity and mark.backup != manifest.id:
        message = f"another backup is all but restored here: {mark.backup}"
        raise TargetTaken(message, "Repeat the restore of that one, or name an empty folder.")
    return found == mark.identity


def _ended(wish: Wish, manifest: Manifest, mark: _Mark, keys: Sequence[bytes]) -> Outcome:
    """End what an earlier try has all but done; a key file it did not bring comes now."""
    if keys:
        _check_key_file(wish.target.key_file, keys)
        wish.target.key_file.replace(keys)
    mark.remove()
    return Outcome(manifest, keys=bool(keys) or mark.key, again=True)


async def _check_target(wish: Wish, manifest: Manifest, mark: _Mark, keys: Sequence[bytes]) -> None:
    """Refuse to put a farm where something is. TargetTaken, DatabaseNotEmpty."""
    target = wish.target
    folder, database, key_path = target.data_dir, target.database, target.key_file.path
    expected = {MARK, FRESH_MARK, BACKUPS_FOLDER, f"{HELD}.lock", key_path.name, wish.source.name}
    if isinstance(database, Path):
        expected.add(f"{database.name}.lock")
        if database.exists():
            message = f"there is a database already: {database}"
            raise TargetTaken(message)
        _check_beside(database)
    strange = sorted(one.name for one in folder.iterdir() if one.name not in expected)
    if strange and mark.identity is None:
        message = f"the folder {folder} is not empty: {', '.join(strange[:5])}"
        raise TargetTaken(message)
    _check_key_file(target.key_file, keys)
    if isinstance(database, str):
        await look_postgres(database, manifest.schema)


def _check_key_file(place: KeyPlace, keys: Sequence[bytes]) -> None:
    """Refuse to replace a key file that is not this backup's. TargetTaken."""
    if keys and place.path.exists() and not place.holds(keys):
        message = f"there is a key file already: {place.path}"
        raise TargetTaken(message, "Move it aside, or restore without the passphrase.")


def _check_beside(database: Path) -> None:
    """Refuse what a lost database left: SQLite merges it into the next one. TargetTaken."""
    beside = [database.with_name(database.name + end) for end in _BESIDE]
    left = [str(path) for path in beside if path.exists()]
    if left:
        message = f"a database that was at {database} left {', '.join(left)}"
        raise TargetTaken(message, "Move them aside: SQLite would merge them into the new one.")


def _clear(target: Target) -> None:
    """Take away what an earlier try has left; the folder was empty before it.

    A key file stays: a person may have brought it, and the backup's own replaces itself.
    """
    (target.data_dir / FRESH_MARK).unlink(missing_ok=True)
    shutil.rmtree(target.data_dir / FILES_FOLDER, ignore_errors=True)
    if isinstance(target.database, Path):
        for leftover in target.database.parent.glob(f"{target.database.name}{UNFINISHED}*"):
            leftover.unlink()


async def _restore_files(wish: Wish, source: BinaryIO, manifest: Manifest, identity: str) -> None:
    """Every content under its hash, durably, and a note whose they are."""
    wanted = [part for part in manifest.parts if part.name.startswith(FILES)]
    total, done = sum(part.size for part in wanted), 0
    async with LocalBlobStore(wish.target.data_dir / FILES_FOLDER) as store:
        for part in wanted:
            async with store.writing(limit=part.size) as writer:
                for piece in _bytes_of(source, manifest, part):
                    await writer.write(piece)
                    done += len(piece)
                    wish.told(done, total)
                await writer.finish()
                await writer.keep()
        await store.own(identity)


async def _restore_rows(wish: Wish, source: BinaryIO, manifest: Manifest, identity: str) -> None:
    """The rows, and with them what a restored farm has to know: the step that makes it one."""
    now = wish.now()
    reason = why_restored(manifest)
    restored = Restored(now, manifest.taken_at, reason, wish.new_id())

    async def settle(tx: Tx) -> None:
        await settle_identity(tx, identity)
        await settle_printers(tx, now, reason)
        await settle_prints(tx, restored)

    def tables() -> Iterator[TableText]:
        for part in manifest.parts:
            if part.name.startswith(TABLES):
                name = part.name.removeprefix(TABLES).removesuffix(".jsonl")
                yield read_table(name, _lines(_bytes_of(source, manifest, part)))

    cargo = Cargo(manifest.schema, tables, settle, stop_rows(reason))
    database = wish.target.database
    if isinstance(database, str):
        await load_postgres(database, cargo)
        return
    half = database.with_name(f"{database.name}{UNFINISHED}")
    await asyncio.to_thread(load_sqlite, half, cargo)
    half.rename(database)
    sync_folder(database.parent)


def _lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    waiting = b""
    for piece in pieces:
        *lines, waiting = (waiting + piece).split(b"\n")
        yield from lines
    if waiting:
        yield waiting
