"""The folder of finished backups: what is there, the newest first, and no more than are kept."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from buildplate.backups.archive import read_manifest
from buildplate.backups.errors import BackupError, UnknownBackup
from buildplate.backups.model import Backup, BackupState, Manifest
from buildplate.backups.taking import HALF, TAKING, disk_errors
from buildplate.files.disk import sync_folder

_NAME = re.compile(r"(\d{8}T\d{6}Z)-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.tar")
_TIME = "%Y%m%dT%H%M%SZ"


def file_name(backup_id: str, taken_at: datetime) -> str:
    """What a backup is called in its folder."""
    return f"{taken_at.astimezone(UTC):{_TIME}}-{backup_id}.tar"


@dataclass(frozen=True, slots=True)
class _Seen:
    """A file's manifest, for as long as the file is the same."""

    size: int
    changed: int
    found: Manifest | str


class BackupFolder:
    """Blocking; for one thread at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: dict[str, _Seen] = {}

    def prepare(self) -> None:
        """Make the folder, and remove what a crash has left half-made."""
        with disk_errors():
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            for leftover in self.path.glob(".*"):
                if leftover.name.endswith(HALF):
                    leftover.unlink(missing_ok=True)
                elif leftover.name.endswith(TAKING):
                    shutil.rmtree(leftover, ignore_errors=True)

    def backups(self) -> Sequence[Backup]:
        """Every finished backup, the newest first; one that cannot be read says so."""
        with disk_errors():
            if not self.path.is_dir():
                return ()
            names = {path.name: path for path in self.path.iterdir() if _NAME.fullmatch(path.name)}
        self._seen = {name: seen for name, seen in self._seen.items() if name in names}
        found = [self._backup(path) for _, path in sorted(names.items(), reverse=True)]
        return [one for one in found if one is not None]

    def find(self, backup_id: str) -> tuple[Path, Backup]:
        """A backup and its file; UnknownBackup. The id makes no path: it is looked for."""
        for backup in self.backups():
            if backup.id == backup_id:
                return self.path / file_name(backup.id, backup.taken_at), backup
        message = f"there is no backup {backup_id}"
        raise UnknownBackup(message)

    def delete(self, backup_id: str) -> None:
        """Remove a backup; UnknownBackup."""
        path, _ = self.find(backup_id)
        with disk_errors():
            path.unlink(missing_ok=True)
            sync_folder(self.path)

    def prune(self, keep: int, spare: str) -> list[str]:
        """Remove all but the newest that are whole; the ids of those that went.

        `spare` is the one that was just taken: it counts as the newest, whatever the clock says.
        """
        whole = [one for one in self.backups() if one.state is BackupState.READY]
        whole.sort(key=lambda one: one.id != spare)
        gone = [one.id for one in whole[keep:]]
        for backup_id in gone:
            self.delete(backup_id)
        return gone

    def _backup(self, path: Path) -> Backup | None:
        named = _NAME.fullmatch(path.name)
        if named is None:
            return None
        try:
            facts = path.stat()
        except FileNotFoundError:
            return None  # removed in this moment
        seen = self._seen.get(path.name)
        if seen is None or (seen.size, seen.changed) != (facts.st_size, facts.st_mtime_ns):
            found = self._manifest(path)
            seen = self._seen[path.name] = _Seen(facts.st_size, facts.st_mtime_ns, found)
        taken_at = datetime.strptime(named[1], _TIME).replace(tzinfo=UTC)
        if isinstance(seen.found, str):
            state, hint = BackupState.FAILED, "Delete it, and take another one."
            return Backup(named[2], state, taken_at, seen.size, problem=seen.found, hint=hint)
        return Backup(named[2], BackupState.READY, taken_at, seen.size, seen.found)

    def _manifest(self, path: Path) -> Manifest | str:
        with suppress(FileNotFoundError):
            try:
                with path.open("rb") as file:
                    return read_manifest(file)
            except BackupError as error:
                return str(error)
            except OSError as error:
                return error.strerror or "it cannot be read"
        return "it is gone"
