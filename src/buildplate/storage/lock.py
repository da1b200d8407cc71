"""One process per database: a file lock that dies with its owner."""

import errno
import fcntl
import os
from pathlib import Path

from buildplate.storage.errors import DatabaseInUse, DatabaseUnreachable


class ProcessLock:
    """`<database>.lock`, held with flock for the life of the process.

    The kernel lets go of it when the process ends, however it ends: holding it proves that
    every earlier owner is gone. The file names the holder's process id and stays behind.
    """

    def __init__(self, database: Path) -> None:
        self._database = database
        self._path = database.with_name(database.name + ".lock")
        self._descriptor: int | None = None

    def take(self) -> None:
        """Take the lock at once. Raises `DatabaseInUse`, `DatabaseUnreachable`."""
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise DatabaseUnreachable(str(self._path), error.strerror) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            pid = _pid_in(descriptor)
            os.close(descriptor)
            if error.errno != errno.EWOULDBLOCK:
                raise DatabaseUnreachable(str(self._path), error.strerror) from error
            raise DatabaseInUse(str(self._database), pid) from None
        self._descriptor = descriptor
        self._write_pid(descriptor)

    def release(self) -> None:
        """Let go. Harmless when it is not held."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    @property
    def held(self) -> bool:
        """Whether the lock is ours and still stands where the next server would look for it."""
        if self._descriptor is None:
            return False
        try:
            ours, there = os.fstat(self._descriptor), self._path.stat()
        except OSError:
            return False
        return (ours.st_dev, ours.st_ino) == (there.st_dev, there.st_ino)

    def _write_pid(self, descriptor: int) -> None:
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        except OSError:
            # The lock itself needs no disk space; only the message would lack the id.
            return


def _pid_in(descriptor: int) -> int | None:
    text = os.pread(descriptor, 32, 0).strip()
    return int(text) if text.isdigit() else None


def holder(database: Path) -> int | None:
    """The process that holds the lock now (0: one that cannot be named), or None.

    Shares the lock for the moment of the look where nobody holds it; makes and leaves nothing.
    """
    path = database.with_name(database.name + ".lock")
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return _pid_in(descriptor) or 0
    finally:
        os.close(descriptor)
    return None
