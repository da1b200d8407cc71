"""Examining a farm's data while no server runs on it: what is wrong, and what to do about it.

Nothing is changed: no schema is upgraded, no key is made, no file is left behind.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sqlite3
import ssl
import stat
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509

from buildplate.app.key_file import KeyFile, KeyFileError, KeyFileMissing
from buildplate.app.settings import Settings, SettingsError
from buildplate.app.tls import tls_context
from buildplate.backups.errors import RestoreCutOff
from buildplate.backups.unfinished import is_unfinished
from buildplate.drivers.sdk import DriverError, DriverTimings, Manifest
from buildplate.fleet.model import PrinterRecord
from buildplate.fleet.repository import record_from
from buildplate.fleet.sealing import Sealed, Seals, SecretLocked
from buildplate.storage import Examination, StorageError, examine, from_micros
from buildplate.storage.lock import holder

LITTLE_ROOM = 1_000_000_000
NO_ROOM = 100_000_000
OTHERS = stat.S_IRWXG | stat.S_IRWXO
OLDEST_PYTHON = (3, 11)
OLDEST_SQLITE = (3, 37, 0)
BUILT = datetime(2026, 1, 1, tzinfo=UTC)
AHEAD = timedelta(minutes=1)
SOON = timedelta(days=14)
LONG_QUEUE = 1000
CONNECT_S = 15.0
AT_ONCE = 10
OK, WARNING, FAILED = "ok", "warning", "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found; `remedy` says what to do where it is not ok."""

    check: str
    status: str
    detail: str
    remedy: str = ""


class Doctor:
    """Examines one farm by its settings."""

    def __init__(self, settings: Settings, manifests: Mapping[str, Manifest]) -> None:
        self._settings = settings
        self._manifests = manifests
        self._database: Examination | None = None
        self._seals: Seals | None = None
        self._server: int | None = None

    async def findings(self) -> list[Finding]:
        """Every check, in the order in which one would repair what they find."""
        found = [*versions(), *await asyncio.to_thread(lambda: list(self._local()))]
        if self._database is not None and self._server is None:
            found += await self._printers(self._database.printers)
        return found

    def _local(self) -> Iterator[Finding]:
        yield from folder(self._settings.data_dir)
        yield from restored(self._settings.data_dir)
        yield from disk(self._settings.data_dir)
        self._server = holder(self._settings.data_dir / "farm")
        yield from self._running()
        yield from self._rows()
        yield from self._keys()
        yield from clock(self._database)
        yield from tls(self._settings)

    def _running(self) -> Iterator[Finding]:
        if self._server is not None:
            yield Finding(
                "server",
                OK,
                f"process {self._server} runs on this data, so its printers are left to it; "
                "`buildplate doctor` without --data-dir asks it",
            )
            return
        yield port(self._settings.host, self._settings.port)

    def _rows(self) -> Iterator[Finding]:
        try:
            path = self._settings.database
        except SettingsError as error:
            yield Finding("database", FAILED, str(error), error.hint)
            return
        if isinstance(path, str):
            detail = "the farm's rows are in PostgreSQL, which only a running server looks at"
            remedy = "Start the server, then run `buildplate doctor` without --data-dir."
            yield Finding("database", WARNING, detail, remedy)
            return
        if not path.exists():
            remedy = f"Check --data-dir; `buildplate serve --data-dir {path.parent}` makes a farm."
            yield Finding("database", FAILED, f"there is no database {path}", remedy)
            return
        try:
            found = examine(path)
        except StorageError as error:
            remedy = "Stop the server, keep a copy of the folder, and restore the latest backup."
            yield Finding("database", FAILED, f"{path} cannot be read: {error}", remedy)
            return
        yield _judged(path, found)
        if found.revision == found.newest and not found.complaints:
            self._database = found
            yield from queue(found.prints)

    def _keys(self) -> Iterator[Finding]:
        key_file = KeyFile(self._settings.key_path)
        records = _records(self._database)
        sealed = sum(isinstance(v, Sealed) for r in records for v in r.connection.values())
        try:
            self._seals = Seals(key_file.read())
        except KeyFileMissing as error:
            self._seals = Seals((), str(error))
            if not sealed:
                yield Finding("key file", OK, f"{error}; the next start makes one")
                return
            yield Finding("key file", FAILED, f"{error}, and {sealed} secrets need it", LOST)
            return
        except KeyFileError as error:
            self._seals = Seals((), str(error))
            yield Finding("key file", FAILED, str(error), LOST)
            return
        if key_file.open_to_others():
            detail = f"{key_file.path} can be read or changed by others"
            remedy = f"Run: chmod 600 {key_file.path}; then `buildplate key-file rotate`."
            yield Finding("key file", FAILED, detail, remedy)
            return
        yield self._fits(key_file, records)

    def _fits(self, key_file: KeyFile, records: Sequence[PrinterRecord]) -> Finding:
        assert self._seals is not None  # noqa: S101 (its caller has just read it)
        locked = [record.spec.name for record in records if not _opens(self._seals, record)]
        if locked:
            detail = f"{key_file.path} does not open the secrets of {', '.join(locked[:5])}"
            return Finding("key file", FAILED, detail, LOST)
        return Finding("key file", OK, f"{key_file.path} opens every secret")

    async def _printers(self, rows: Sequence[sqlite3.Row]) -> list[Finding]:
        room = asyncio.Semaphore(AT_ONCE)

        async def one(record: PrinterRecord) -> Finding:
            async with room:
                return await self._printer(record)

        records = [record for record in map(record_from, rows) if record.spec.enabled]
        return list(await asyncio.gather(*(one(record) for record in records)))

    async def _printer(self, record: PrinterRecord) -> Finding:
        check = f"printer {record.spec.number} {record.spec.name}"
        manifest = self._manifests.get(record.driver)
        if manifest is None:
            detail = f"its driver {record.driver} is not installed"
            return Finding(check, FAILED, detail, "Install the package that brings the driver.")
        assert self._seals is not None  # noqa: S101 (set before printers are asked)
        try:
            connection = self._seals.open(record.id, record.connection)
            driver = manifest.make(connection, DriverTimings())
            try:
                async with asyncio.timeout(CONNECT_S):
                    identity = await driver.connect()
            finally:
                async with asyncio.timeout(CONNECT_S):
                    await driver.close()
        except DriverError as error:
            return Finding(check, FAILED, str(error), error.hint)
        except TimeoutError:
            remedy = "Check its power, its network and its address."
            return Finding(check, FAILED, "nothing answered in time", remedy)
        if identity.warnings:
            return Finding(check, WARNING, "; ".join(identity.warnings), "See its own settings.")
        return Finding(check, OK, f"{identity.software} {identity.version} answers")


LOST = (
    "Put back the key file that belongs to this database. If it is lost for good: `buildplate "
    "--data-dir DIR key-file replace`, then enter each printer's key again."
)


def _records(database: Examination | None) -> list[PrinterRecord]:
    return [] if database is None else [record_from(row) for row in database.printers]


def _opens(seals: Seals, record: PrinterRecord) -> bool:
    try:
        seals.open(record.id, record.connection)
    except SecretLocked:
        return False
    return True


def versions() -> Iterator[Finding]:
    """Whether Python, SQLite and OpenSSL are new enough."""
    python, library = sys.version_info[:3], sqlite3.sqlite_version_info
    detail = (
        f"Python {'.'.join(map(str, python))}, SQLite {sqlite3.sqlite_version}, "
        f"{ssl.OPENSSL_VERSION}"
    )
    if python < OLDEST_PYTHON or library < OLDEST_SQLITE:
        remedy = "Use Python 3.11 or newer with SQLite 3.37 or newer."
        yield Finding("versions", FAILED, detail, remedy)
    else:
        yield Finding("versions", OK, detail)


def folder(data_dir: Path) -> Iterator[Finding]:
    """Whether the data folder is there, ours to write, and closed to others."""
    try:
        status = data_dir.stat()
    except OSError as error:
        remedy = "Check --data-dir; the folder is made by `buildplate serve`."
        yield Finding("data folder", FAILED, f"{data_dir}: {error.strerror}", remedy)
        return
    if not stat.S_ISDIR(status.st_mode) or not os.access(data_dir, os.R_OK | os.W_OK | os.X_OK):
        remedy = f"Give the folder to the user that runs the server: chown -R USER {data_dir}"
        yield Finding("data folder", FAILED, f"{data_dir} cannot be written to", remedy)
    elif status.st_mode & OTHERS:
        detail = f"{data_dir} can be read by others than its owner"
        yield Finding("data folder", WARNING, detail, f"Run: chmod 700 {data_dir}")
    else:
        yield Finding("data folder", OK, f"{data_dir} is its owner's alone")


def disk(data_dir: Path) -> Iterator[Finding]:
    """Whether there is room for print files and for the database."""
    try:
        room = os.statvfs(data_dir)
    except OSError:
        return  # told by `folder`
    free = room.f_bavail * room.f_frsize
    detail = f"{free / 1e9:.1f} GB free"
    remedy = "Delete print files that are not needed, or use a larger disk."
    if free < NO_ROOM or (room.f_files and not room.f_favail):
        yield Finding("disk", FAILED, detail, remedy)
    elif free < LITTLE_ROOM:
        yield Finding("disk", WARNING, detail, remedy)
    else:
        yield Finding("disk", OK, detail)


def port(host: str, number: int) -> Finding:
    """Whether the server could listen where it is told to."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, number))
        except OSError as error:
            detail = f"{host}:{number} cannot be listened on: {error.strerror}"
            remedy = "Stop what uses the port, or choose another one with --port or PORT."
            return Finding("port", FAILED, detail, remedy)
    return Finding("port", OK, f"{host}:{number} is free")


def _judged(path: Path, found: Examination) -> Finding:
    if found.complaints:
        remedy = "Keep a copy of the folder, look at the disk, and restore the latest backup."
        detail = f"{path} is damaged: {'; '.join(found.complaints)}"
        return Finding("database", FAILED, detail, remedy)
    if found.revision != found.newest:
        known = found.revision or "no"
        older = found.revision is None or found.revision < found.newest
        remedy = (
            "It is copied and upgraded at the next start, or now by: buildplate db upgrade"
            if older
            else "Install the release that wrote it, or a newer one."
        )
        detail = f"{path} has the schema {known}, this release has {found.newest}"
        return Finding("database", WARNING if older else FAILED, detail, remedy)
    return Finding("database", OK, f"{path} is whole, schema {found.revision}")


def queue(prints: Mapping[str, int]) -> Iterator[Finding]:
    """Whether work piles up or waits for a person."""
    waiting, asking = prints.get("queued", 0), prints.get("needs_attention", 0)
    detail = f"{waiting} prints wait, {asking} need a person's word"
    if asking:
        remedy = "Look at the beds, then: buildplate print list"
        yield Finding("queue", WARNING, detail, remedy)
    elif waiting > LONG_QUEUE:
        yield Finding("queue", WARNING, detail, "See why they wait: buildplate queue list")
    else:
        yield Finding("queue", OK, detail)


def restored(path: Path) -> Iterator[Finding]:
    """A restore that was cut off: no farm runs on what it has left."""
    if is_unfinished(path):
        yield Finding("restore", FAILED, f"a restore into {path} was cut off", RestoreCutOff.hint)


def clock(database: Examination | None, now: datetime | None = None) -> Iterator[Finding]:
    """Whether the wall clock can be right."""
    now = now or datetime.now(UTC)
    remedy = "Set the clock and keep it by NTP: timedatectl set-ntp true"
    latest = None if database is None or database.latest_event is None else database.latest_event
    if now < BUILT:
        yield Finding("clock", FAILED, f"it is {now:%Y-%m-%d %H:%M} UTC here", remedy)
    elif latest is not None and from_micros(latest) > now + AHEAD:
        ahead = from_micros(latest) - now
        detail = f"the newest event is {ahead} ahead of the clock: it was set back"
        yield Finding("clock", FAILED, detail, remedy)
    else:
        zone = time.strftime("%Z")
        yield Finding("clock", OK, f"{now:%Y-%m-%d %H:%M:%S} UTC, local time zone {zone}")


def tls(settings: Settings) -> Iterator[Finding]:
    """Whether the certificate can be used, and for how long yet."""
    try:
        context = tls_context(settings)
    except SettingsError as error:
        yield Finding("tls", FAILED, str(error), error.hint)
        return
    if context is None or settings.tls_cert is None:
        return
    found = x509.load_pem_x509_certificates(settings.tls_cert.read_bytes())[0]
    left = found.not_valid_after_utc - datetime.now(UTC)
    detail = f"{settings.tls_cert} is valid until {found.not_valid_after_utc:%Y-%m-%d}"
    if left < timedelta(0):
        yield Finding("tls", FAILED, detail, "Renew the certificate, then restart the server.")
    elif left < SOON:
        yield Finding("tls", WARNING, detail, "Renew the certificate, then restart the server.")
    else:
        yield Finding("tls", OK, detail)
