"""Backups and restores straight on the data, while no server holds it."""

from __future__ import annotations

import asyncio
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from buildplate import __version__
from buildplate.api.backups import backup_view
from buildplate.app.backups import BACKUPS, FarmKeys
from buildplate.app.clock import SystemClock
from buildplate.app.composition import new_id
from buildplate.app.database import must_be_whole
from buildplate.app.key_file import KeyFile, KeyFileError
from buildplate.app.settings import Settings, SettingsError, load_settings
from buildplate.backups.archive import read_manifest
from buildplate.backups.errors import BackupError
from buildplate.backups.folder import BackupFolder, file_name
from buildplate.backups.model import Backup, BackupState
from buildplate.backups.restoring import Outcome, Target, Wish, restore
from buildplate.backups.taking import Order, checked_keys, take
from buildplate.cli.failures import USAGE, fail
from buildplate.cli.patience import waiting
from buildplate.files.errors import FileError
from buildplate.files.store import content_path
from buildplate.storage import StorageError
from buildplate.storage.lock import ProcessLock

ERRORS = (BackupError, FileError, KeyFileError, SettingsError, StorageError)
HELD = "farm"


def take_offline(data_dir: Path, to: Path | None, passphrase: str | None) -> dict[str, Any]:
    """Take a backup of data that no server holds; how it came out."""
    try:
        settings = load_settings(data_dir=data_dir)
        file = settings.database
        if isinstance(file, Path) and not file.exists():
            fail(f"there is no farm in {data_dir}", f"Its database would be {file}.")
        must_be_whole(settings)
        with ExitStack() as stack, waiting("Taking the backup"):
            locks = [ProcessLock(data_dir / HELD)]
            if isinstance(file, Path):
                locks.append(ProcessLock(file))
            for lock in locks:
                lock.take()
                stack.callback(lock.release)
            return _take(settings, to, passphrase)
    except ERRORS as error:
        return fail(str(error), error.hint)


def _take(settings: Settings, to: Path | None, passphrase: str | None) -> dict[str, Any]:
    """Into the farm's own folder of backups, or where the person wants it."""
    keys = checked_keys(FarmKeys(settings).held(), passphrase)
    folder = BackupFolder(settings.data_dir / BACKUPS)
    where = folder.path
    if to is not None:
        where = to if to.is_dir() else to.parent
    else:
        folder.prepare()
    backup_id = new_id()
    order = Order(
        id=backup_id,
        release=__version__,
        database=settings.database,
        content=lambda sha256: content_path(settings.data_dir / "files", sha256),
        target=lambda taken_at: (
            to if to is not None and not to.is_dir() else where / file_name(backup_id, taken_at)
        ),
        now=SystemClock().now,
        told=lambda _done, _total: None,
        keys=keys,
    )
    path = take(order, where)
    if to is None:
        _prune(folder, settings.backups_kept, backup_id)
    with path.open("rb") as file:
        manifest = read_manifest(file)
    size = path.stat().st_size
    found = Backup(backup_id, BackupState.READY, manifest.taken_at, size, manifest)
    view = backup_view(found)
    view |= {"taken_at": manifest.taken_at.isoformat(), "state": "ready", "file": str(path)}
    return view


def _prune(folder: BackupFolder, keep: int, taken: str) -> None:
    """Delete what is older than what is kept; the one just taken is there all the same."""
    try:
        folder.prune(keep, taken)
    except BackupError as error:
        said = f"Older backups were not deleted: {error}. {error.hint}"
        print(said, file=sys.stderr)  # noqa: T201 (this is the terminal)


def bring_back(data_dir: Path, source: Path, passphrase: str | None) -> dict[str, Any]:
    """Restore a backup into an empty folder; what there is now, and what to do next."""
    if not source.is_file():
        fail(f"there is no file {source}", "Name the backup's file.", code=USAGE)
    try:
        settings = load_settings(data_dir=data_dir)
        target = Target(data_dir, settings.database, KeyFile(settings.key_path))
        wish = Wish(source, target, SystemClock().now, new_id, passphrase)
        with waiting("Restoring the backup"):
            outcome = asyncio.run(restore(wish))
    except ERRORS as error:
        return fail(str(error), error.hint)
    return _told(outcome, settings)


def _told(outcome: Outcome, settings: Settings) -> dict[str, Any]:
    manifest = outcome.manifest
    return {
        "backup": manifest.id,
        "taken_at": manifest.taken_at.isoformat(),
        "data_dir": str(settings.data_dir),
        "rows": sum(manifest.rows.values()),
        "files": manifest.files,
        "missing_files": len(manifest.missing),
        "key_file": outcome.keys,
        "stopped": True,
        "next": _next(outcome, settings),
    }


def _next(outcome: Outcome, settings: Settings) -> list[str]:
    """What a person has to do until the farm goes on."""
    steps = []
    if not outcome.keys:
        steps.append(_about_keys(outcome, settings))
    if outcome.manifest.missing:
        steps.append("Upload the print files again whose contents the backup lacks.")
    since = f"{outcome.manifest.taken_at:%Y-%m-%d %H:%M} UTC"
    changed = "Revoke again the API keys, and change again the users, that were changed since"
    printers = (
        f"Add the printers that came since {since}, and enable those that were enabled since."
    )
    look = (
        "Wait until every printer is online. Look at each: beds, running prints, and what was"
        " printed since the backup. Cancel what was made already, answer what needs attention."
    )
    steps += [
        f"{changed} {since}; everybody has to log in again.",
        f"Start the server: buildplate serve --data-dir {settings.data_dir}",
        printers,
        look,
        "Then release the farm: buildplate queue release",
    ]
    return steps


def _about_keys(outcome: Outcome, settings: Settings) -> str:
    if outcome.manifest.key_file:
        return (
            "The backup holds the key file: restore it with its passphrase, or put a copy of the"
            f" file at {settings.key_path}; else enter each printer's key again."
        )
    return (
        f"The backup holds no key file: put your copy of it at {settings.key_path}; without one"
        " enter each printer's key again, after: buildplate --data-dir DIR key-file replace"
    )
