"""What can go wrong with a backup or a restore, and what to do next."""

from __future__ import annotations

from typing import ClassVar


class BackupError(Exception):
    """A refusal or failure of the backups room; `code` is stable, `hint` says what to do next."""

    code: ClassVar[str] = "backup_error"
    hint: str = "Try again; if it stays, look at the server's log."

    def __init__(self, detail: str, hint: str | None = None) -> None:
        super().__init__(detail)
        if hint is not None:
            self.hint = hint


class UnknownBackup(BackupError):
    """There is no such backup here."""

    code = "backup_not_found"
    hint = "List the backups: only the newest ones are kept."


class BackupUnderWay(BackupError):
    """One backup is taken at a time."""

    code = "backup_under_way"
    hint = "Wait until it is finished; the list of backups shows how far it is."


class BackupNotReady(BackupError):
    """The backup is still being taken, or its taking failed: there is nothing to fetch."""

    code = "backup_not_ready"
    hint = "Wait until its state is ready; where it is failed, take another one."


class BackupNoRoom(BackupError):
    """The disk has no room for the backup: nothing of it was kept."""

    code = "backup_no_room"
    hint = "Free space on the disk of the backups, or keep fewer of them."


class BackupDiskFailed(BackupError):
    """The disk refused to read or write."""

    code = "backup_disk_failed"
    hint = "Check that the folder is there and may be written to, and the disk's health."


class WeakPassphrase(BackupError):
    """A passphrase that is too short guards nothing."""

    code = "weak_passphrase"
    hint = "Give a longer one: several random words, kept apart from the backups."


class NoKeyFile(BackupError):
    """A passphrase was given, but there is no key file that it could seal."""

    code = "no_key_file"
    hint = "Put the key file back, or take the backup without a passphrase."


class OldSchema(BackupError):
    """The database still has the schema of a former release: this one cannot read its rows."""

    code = "backup_old_schema"

    def __init__(self, found: str, wanted: str, *, copied: bool) -> None:
        copy = "it makes a copy first" if copied else "make a copy with pg_dump first"
        super().__init__(
            f"the database has schema {found}, this release needs {wanted}",
            f"Run `buildplate db upgrade` ({copy}), then take the backup.",
        )


class Damaged(BackupError):
    """The file is no backup, or not as it was written: nothing of it was restored."""

    code = "backup_damaged"
    hint = "Fetch it again or take another one: no part of a damaged backup is used."


class TooNew(BackupError):
    """A newer release made the backup."""

    code = "backup_too_new"
    hint = "Restore it with the release that made it, or a newer one."


class WrongPassphrase(BackupError):
    """The passphrase does not open the key file of this backup."""

    code = "wrong_passphrase"
    hint = "Give the passphrase of this very backup, or restore it without the key file."


class TargetTaken(BackupError):
    """There is something where the backup should go: it never replaces anything."""

    code = "target_not_empty"
    hint = "Name an empty folder, or move aside what is there."


class RestoreCutOff(BackupError):
    """A restore into this folder was begun and never finished: no farm runs on it."""

    code = "restore_unfinished"
    hint = "Run the same `buildplate restore` again: it begins anew and loses nothing."
