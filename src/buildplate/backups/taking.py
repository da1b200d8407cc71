"""Taking a backup: one snapshot of the rows, the contents they name, one file made of both.

Everything here blocks, and runs on a thread of its own beside the farm. Nothing gets the backup's
name before it is whole, on the disk and read back.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from buildplate.backups.archive import PIECE, read_manifest, read_parts, write_archive
from buildplate.backups.errors import (
    BackupDiskFailed,
    BackupNoRoom,
    Damaged,
    NoKeyFile,
    OldSchema,
)
from buildplate.backups.key_sealing import check_passphrase, seal_keys
from buildplate.backups.model import FILES, KEY, TABLES, Manifest, Part
from buildplate.files.disk import NO_ROOM, sync_folder
from buildplate.storage import SchemaTooNew
from buildplate.storage.portable import PORTABLE, Snapshot, snapshot_of, write_table
from buildplate.storage.schema import HEAD, known_revisions

RESERVE = 64 << 20
"""Bytes of disk a backup leaves free, for the farm's own records."""
DELETED = "deleted"
GIVES_OTHER = "the disk gives back another backup than was written"
FULL = "the disk has no room for the backup"
THIS = "the backup"
TAKING, HALF = ".taking", ".half"


class Cancelled(Exception):
    """The server stops: what was made so far is removed."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The key file's keys, to be sealed with a passphrase; `name` is what the first is called."""

    keys: Sequence[bytes] = field(repr=False, default=())
    passphrase: str | None = field(repr=False, default=None)
    name: str | None = None


def checked_keys(held: tuple[Sequence[bytes], str | None], passphrase: str | None) -> Keys:
    """The keys of the key file for a backup. WeakPassphrase, NoKeyFile."""
    keys, name = held
    if passphrase is not None:
        check_passphrase(passphrase)
        if not keys:
            message = "there is no key file to put into the backup"
            raise NoKeyFile(message)
    return Keys(keys if passphrase is not None else (), passphrase, name)


@dataclass(frozen=True, slots=True)
class Order:
    """A backup to take.

    `content` says where a print file's content lies; `target` makes the backup's path of when it
    was taken. `told` hears how many bytes of how many are done, and raises Cancelled.
    """

    id: str
    release: str
    database: Path | str
    content: Callable[[str], Path]
    target: Callable[[datetime], Path]
    now: Callable[[], datetime]
    told: Callable[[int, int], None]
    keys: Keys = Keys()


@dataclass(slots=True)
class _Findings:
    """What the snapshot holds."""

    taken_at: datetime
    schema: str
    farm: str
    rows: dict[str, int]
    parts: list[Part]
    missing: list[str]


def take(order: Order, folder: Path) -> Path:
    """Take a backup; half-made things are in `folder`, which is on the target's file system.

    Raises BackupError, StorageError, Cancelled; then nothing is left of it.
    """
    work = folder / f".{order.id}{TAKING}"
    half = folder / f".{order.id}{HALF}"
    try:
        with disk_errors():
            work.mkdir(mode=0o700)
            return _take(order, work, half)
    finally:
        shutil.rmtree(work, ignore_errors=True)
        half.unlink(missing_ok=True)


def _take(order: Order, work: Path, half: Path) -> Path:
    found = _look(order, work)
    if order.keys.passphrase is not None:
        sealed = seal_keys(order.keys.keys, order.keys.passphrase, order.id)
        (work / KEY).write_bytes(sealed)
        found.parts.append(Part(KEY, len(sealed), hashlib.sha256(sealed).hexdigest()))
    check_room(work.parent, sum(part.size for part in found.parts), THIS)
    manifest = _write(order, found, work, half)
    with half.open("rb") as written:
        if read_manifest(written) != manifest:
            raise Damaged(GIVES_OTHER)
        read_parts(written, manifest, _listening(order, found.parts))
    target = order.target(found.taken_at)
    half.rename(target)
    sync_folder(target.parent)
    return target


def _listening(order: Order, parts: Sequence[Part]) -> Callable[[Part, Iterator[bytes]], None]:
    """Take a part by looking at it alone; a stop of the server is heard at every piece."""
    total = sum(part.size for part in parts)

    def look(_: Part, pieces: Iterator[bytes]) -> None:
        for _piece in pieces:
            order.told(total, total)

    return look


def _look(order: Order, work: Path) -> _Findings:
    """Read the snapshot: its tables into files of their own, and which contents they name.

    The time is from before it: nothing that the rows lack was done earlier than that.
    """
    taken_at = order.now()
    with snapshot_of(order.database) as snapshot:
        _check_schema(order, snapshot.revision)
        found = _Findings(taken_at, snapshot.revision, "", {}, [], [])
        contents = _contents(order, snapshot, found)
        check_room(work.parent, sum(part.size for part in contents), THIS)
        for table in PORTABLE:
            name = f"{TABLES}{table}.jsonl"
            with (work / f"{table}.jsonl").open("wb") as file:
                counted = _Counted(file, lambda: order.told(0, 0))
                found.rows[table] = write_table(snapshot, table, counted.write)
            found.parts.append(Part(name, counted.size, counted.digest.hexdigest()))
        for batch in snapshot.rows("identity", ["id"]):
            found.farm = str(batch[0][0])
    found.parts += contents
    return found


def _check_schema(order: Order, found: str) -> None:
    """Refuse rows that this release cannot read. OldSchema, SchemaTooNew."""
    if found == HEAD:
        return
    if found not in known_revisions():
        raise SchemaTooNew(found, HEAD)
    raise OldSchema(found, HEAD, copied=isinstance(order.database, Path))


def _contents(order: Order, snapshot: Snapshot, found: _Findings) -> list[Part]:
    """The contents that the rows name; one that is gone, or has another size, is noted."""
    parts = []
    for batch in snapshot.rows("print_files", ["sha256", "size", "state"]):
        order.told(0, 0)
        for sha256, size, state in batch:
            if state == DELETED:
                continue
            if _size(order.content(sha256)) == size:
                parts.append(Part(FILES + sha256, size, sha256))
            else:
                found.missing.append(sha256)
    return sorted(parts, key=lambda part: part.name)


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None


def _write(order: Order, found: _Findings, work: Path, half: Path) -> Manifest:
    """Write the archive; a content that the disk has spoiled is left out, and noted."""
    while True:
        manifest = Manifest(
            id=order.id,
            taken_at=found.taken_at,
            release=order.release,
            schema=found.schema,
            database="sqlite" if isinstance(order.database, Path) else "postgresql",
            farm=found.farm,
            rows=found.rows,
            key_file=order.keys.passphrase is not None,
            key=order.keys.name,
            missing=tuple(sorted(found.missing)),
            parts=tuple(found.parts),
        )
        contents = _Contents(order, work, sum(part.size for part in manifest.parts))
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        with os.fdopen(os.open(half, flags, 0o600), "wb") as file:
            try:
                write_archive(file, manifest, contents.of)
            except Damaged:
                spoiled = contents.last
                if spoiled is None or not spoiled.name.startswith(FILES):
                    raise
                found.parts.remove(spoiled)
                found.missing.append(spoiled.sha256)
                continue
            file.flush()
            os.fsync(file.fileno())
        return manifest


class _Contents:
    """Reads the parts, tells how far it is, and remembers which one is being read."""

    def __init__(self, order: Order, work: Path, total: int) -> None:
        self._order = order
        self._work = work
        self._total = total
        self._done = 0
        self.last: Part | None = None

    def of(self, part: Part) -> Iterable[bytes]:
        """The bytes of a part."""
        self.last = part
        if part.name.startswith(FILES):
            path = self._order.content(part.sha256)
        else:
            path = self._work / part.name.removeprefix(TABLES)
        return self._pieces(path)

    def _pieces(self, path: Path) -> Iterator[bytes]:
        try:
            with path.open("rb") as file:
                while piece := file.read(PIECE):
                    self._done += len(piece)
                    self._order.told(self._done, self._total)
                    yield piece
        except FileNotFoundError:
            return  # nothing is never what the manifest names


class _Counted:
    """What is written to a file, counted and hashed; `told` hears of every piece."""

    def __init__(self, file: BinaryIO, told: Callable[[], None]) -> None:
        self._file = file
        self._told = told
        self.size = 0
        self.digest = hashlib.sha256()

    def write(self, content: bytes) -> None:
        """Write, count and hash."""
        self._told()
        self._file.write(content)
        self.size += len(content)
        self.digest.update(content)


def check_room(folder: Path, wanted: int, what: str) -> None:
    """Refuse what the disk of the folder has no room for. BackupNoRoom."""
    free = shutil.disk_usage(folder).free
    if free < wanted + RESERVE:
        message = (
            f"{what} needs {(wanted + RESERVE) / 1e6:.0f} MB in {folder},"
            f" there are {free / 1e6:.0f} MB"
        )
        raise BackupNoRoom(message)


@contextmanager
def disk_errors() -> Iterator[None]:
    """Turn the operating system's errors into this room's."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_ROOM:
            raise BackupNoRoom(FULL) from error
        why = error.strerror or str(error)
        where = f": {error.filename}" if error.filename else ""
        message = f"the disk failed: {why}{where}"
        raise BackupDiskFailed(message) from error
