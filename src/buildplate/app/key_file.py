"""The key file: the key that opens the printers' secrets, kept apart from the database.

A line of its own names the format; then one key a line, base64, the present one first. More than
one stands there only in the middle of a rotation. Readable by its owner only, synced before
anything is sealed with it, and never written over a key that may still be needed.
"""

from __future__ import annotations

import os
import secrets
import stat
from base64 import b64decode, b64encode
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from buildplate.fleet.sealing import KEY_BYTES

HEAD = "buildplate key file 1"
MOST_BYTES = 4096
OTHERS = stat.S_IRWXG | stat.S_IRWXO


class KeyFileError(Exception):
    """The key file cannot be used; the message names it and what is wrong, never its content."""

    code = "key_file"
    hint = "Put back the key file that belongs to this database, readable by its owner only."


class KeyFileMissing(KeyFileError):
    """There is no key file."""


class KeyFile:
    """The file at `path`; every failure is a KeyFileError."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[bytes]:
        """The keys, the present one first. KeyFileMissing, KeyFileError."""
        try:
            with self.path.open("rb") as file:
                content = file.read(MOST_BYTES)
        except FileNotFoundError:
            message = f"the key file {self.path} is missing"
            raise KeyFileMissing(message) from None
        except OSError as error:
            message = f"the key file {self.path} cannot be read: {error.strerror}"
            raise KeyFileError(message) from None
        head, *lines = content.decode("ascii", "replace").split("\n")
        keys = [_key(line) for line in lines if line.strip()]
        if head.strip() != HEAD or not keys or None in keys:
            message = f"{self.path} is no key file of Buildplate"
            raise KeyFileError(message)
        return [key for key in keys if key is not None]

    def holds(self, keys: Sequence[bytes]) -> bool:
        """Whether exactly these keys are there; no where the file cannot be read."""
        try:
            return self.read() == list(keys)
        except KeyFileError:
            return False

    def make(self) -> list[bytes]:
        """Make a fresh key where there is no file yet, durably; KeyFileError where there is one."""
        keys = [secrets.token_bytes(KEY_BYTES)]
        fresh = self._written(keys)
        try:
            # A link, unlike a rename, never takes the place of a file.
            os.link(fresh, self.path)
        except OSError as error:
            message = f"the key file {self.path} cannot be made: {error.strerror}"
            raise KeyFileError(message) from None
        finally:
            fresh.unlink(missing_ok=True)
        _sync_folder(self.path.parent)
        return keys

    def replace(self, keys: Sequence[bytes]) -> None:
        """Put these keys into the place of what is there, all or nothing, durably."""
        fresh = self._written(keys)
        try:
            fresh.replace(self.path)
            _sync_folder(self.path.parent)
        except OSError as error:
            fresh.unlink(missing_ok=True)
            message = f"the key file {self.path} cannot be written: {error.strerror}"
            raise KeyFileError(message) from None

    def set_aside(self) -> Path | None:
        """Move a file that is there out of the way, durably; where to, or None."""
        aside = self.path.with_name(f"{self.path.name}.{secrets.token_hex(4)}.old")
        try:
            self.path.rename(aside)
        except FileNotFoundError:
            return None
        except OSError as error:
            message = f"the key file {self.path} cannot be moved: {error.strerror}"
            raise KeyFileError(message) from None
        _sync_folder(self.path.parent)
        return aside

    def open_to_others(self) -> bool:
        """Whether others than its owner may read or change it."""
        try:
            return bool(self.path.stat().st_mode & OTHERS)
        except OSError:
            return False

    def close_to_others(self) -> bool:
        """Take every right from others than its owner; whether that could be done."""
        with suppress(OSError):
            self.path.chmod(0o600)
        return not self.open_to_others()

    def _written(self, keys: Sequence[bytes]) -> Path:
        """The content in a file of its own beside the place, on the disk."""
        fresh = self.path.with_name(f"{self.path.name}.{secrets.token_hex(8)}.new")
        text = "\n".join([HEAD, *(b64encode(key).decode() for key in keys), ""])
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            with os.fdopen(os.open(fresh, flags, 0o600), "w", encoding="ascii") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            fresh.unlink(missing_ok=True)
            message = f"the key file {self.path} cannot be written: {error.strerror}"
            raise KeyFileError(message) from None
        return fresh


def _key(line: str) -> bytes | None:
    try:
        key = b64decode(line.strip(), validate=True)
    except ValueError:
        return None
    return key if len(key) == KEY_BYTES else None


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
