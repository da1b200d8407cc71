"""Why a serial port cannot be opened, in words that say what to do."""

from __future__ import annotations

import errno
import grp
import os
from contextlib import suppress
from pathlib import Path

from buildplate.drivers.marlin.errors import PortBusy, PortForbidden, PortLost, PortMissing
from buildplate.drivers.sdk import PrinterOffline

MOST_PROCESSES = 5000
_MISSING = {errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.EIO}


def opening_failed(path: str, error: Exception) -> PrinterOffline:
    """The error to raise where the device at `path` could not be opened."""
    number = error.errno if isinstance(error, OSError) else None
    cause = f"{type(error).__name__}: {error}"[:300]
    if number in {errno.EACCES, errno.EPERM}:
        return _forbidden(path, cause)
    if number in {errno.EBUSY, errno.EWOULDBLOCK}:
        return _busy(path, cause)
    if number in _MISSING or not Path(path).exists():
        return PortMissing(f"there is no port {path}", cause=cause)
    if number == errno.ENOTTY:
        return PortMissing(f"{path} is no serial port", cause=cause)
    return PortLost(f"the port {path} cannot be opened", cause=cause)


def _forbidden(path: str, cause: str) -> PortForbidden:
    group = _group(path)
    detail = f"this process may not open {path}"
    if group is None:
        return PortForbidden(detail, cause=cause)
    hint = (
        f"Run `sudo usermod -aG {group} $USER` as the user that runs Buildplate, "
        "then log in again and start Buildplate anew."
    )
    return PortForbidden(f"{detail}: it belongs to the group {group}", hint, cause=cause)


def _group(path: str) -> str | None:
    """The group that may open the device; None where its owner alone may."""
    with suppress(OSError, KeyError):
        status = Path(path).stat()
        if status.st_mode & 0o060:
            return grp.getgrgid(status.st_gid).gr_name
    return None


def _busy(path: str, cause: str) -> PortBusy:
    holder = _holder(path)
    if holder is None:
        return PortBusy(f"another program holds {path}", cause=cause)
    number, name = holder
    if number == os.getpid():
        hint = "Another printer of this farm has the same port: each needs its own."
        return PortBusy(f"this farm itself holds {path}", hint, cause=cause)
    return PortBusy(f"{name} (process {number}) holds {path}", cause=cause)


def _holder(path: str) -> tuple[int, str] | None:
    """Process id and name of who has the device open, as far as /proc lets us see it."""
    device = os.path.realpath(path)
    numbers = [int(one.name) for one in Path("/proc").iterdir() if one.name.isdigit()]
    # This process opens the device for a moment to be refused, so the others come first.
    numbers.sort(key=lambda number: number == os.getpid())
    for number in numbers[:MOST_PROCESSES]:
        with suppress(OSError):
            if device in _open_files(number):
                return number, Path(f"/proc/{number}/comm").read_text(encoding="utf-8").strip()
    return None


def _open_files(number: int) -> set[str]:
    found = set()
    for entry in Path(f"/proc/{number}/fd").iterdir():
        with suppress(OSError):
            found.add(str(entry.readlink()))
    return found
