"""PostgreSQL for tests: a server that runs or one of our own, and databases that go with the test.

`BUILDPLATE_TEST_POSTGRES` names a server (a user who may create databases); else the default
socket and 127.0.0.1 are tried; else one is started from an installed PostgreSQL.
`BUILDPLATE_TEST_DATABASE=postgresql` runs the tests of whole farms on it.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import pwd
import shutil
import subprocess
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import asyncpg
import pytest

from buildplate.storage.postgres.engine import PostgresConfig, PostgresStorage
from buildplate.storage.tables import metadata

if TYPE_CHECKING:
    from collections.abc import Coroutine

GIVEN = "BUILDPLATE_TEST_POSTGRES"
CHOICE = "BUILDPLATE_TEST_DATABASE"
USUAL = ("postgresql:///postgres", "postgresql://postgres@127.0.0.1:5432/postgres")
INSTALLED = Path("/usr/lib/postgresql")
MISSING = f"no PostgreSQL: apt install postgresql, or name a server with {GIVEN}"
_PREFIX = "buildplate_test"
_USED: set[str] = set()
_EMPTY: set[str] = set()
_CLEAN: list[str] = []
_ONE_AT_A_TIME = threading.Lock()


def _at_once(work: Coroutine[Any, Any, Any]) -> Any:
    """Run to the end, also where a loop is running already."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


async def _say(url: str, *statements: str) -> Any:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        result = None
        for statement in statements:
            result = await connection.fetch(statement)
        return result
    finally:
        await connection.close()


def say(url: str, *statements: str) -> Any:
    """Run statements on a connection of their own; the last one's rows."""
    return _at_once(_say(url, *statements))


def _answers(url: str) -> bool:
    try:
        say(url, "SELECT 1")
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False
    return True


@cache
def server() -> str:
    """The URL of a server's `postgres` database; skips the test where there is none."""
    given = os.environ.get(GIVEN)
    for url in [given] if given else USUAL:
        if _answers(url):
            _sweep(url)
            return url
    programs = sorted(INSTALLED.glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    if not given and programs:
        return _start(programs[-1].parent)
    pytest.skip(MISSING)


def _start(programs: Path) -> str:
    """A server of our own on a socket in a temporary folder, until this process ends."""
    own_user: dict[str, Any] = {}
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        entry = pwd.getpwnam("postgres")
        own_user = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    folder = Path(tempfile.mkdtemp(prefix="buildplate-postgres-", dir="/tmp"))
    if own_user:
        os.chown(folder, own_user["user"], own_user["group"])
    data, name = folder / "data", "postgres"
    options = f"-c listen_addresses= -c unix_socket_directories={folder}"
    for command in (
        [
            str(programs / "initdb"),
            "-D",
            str(data),
            "-U",
            name,
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-sync",
        ],
        [
            str(programs / "pg_ctl"),
            "-D",
            str(data),
            "-w",
            "-l",
            str(folder / "log"),
            "-o",
            options,
            "start",
        ],
    ):
        subprocess.run(command, check=True, capture_output=True, timeout=60, cwd="/", **own_user)
    atexit.register(_stop, programs, folder, own_user)
    return f"postgresql://{name}@/postgres?host={quote(str(folder), safe='')}"


def _stop(programs: Path, folder: Path, own_user: dict[str, Any]) -> None:
    stop = [str(programs / "pg_ctl"), "-D", str(folder / "data"), "-m", "immediate", "stop"]
    subprocess.run(stop, check=False, capture_output=True, timeout=60, cwd="/", **own_user)
    shutil.rmtree(folder, ignore_errors=True)


def _sweep(url: str) -> None:
    """Drop what test runs left that were killed; their process ids are in the names."""
    rows = say(url, f"SELECT datname FROM pg_database WHERE datname LIKE '{_PREFIX}%'")  # noqa: S608
    for row in rows:
        pid = row["datname"].split("_")[2]
        if not Path(f"/proc/{pid}").exists():
            with suppress(asyncpg.PostgresError):
                say(url, f'DROP DATABASE IF EXISTS "{row["datname"]}" WITH (FORCE)')


def url_of(database: str) -> str:
    """The URL of a database of the tests' server."""
    parts = urlsplit(server())
    return f"postgresql://{parts.netloc}/{database}?{parts.query}".rstrip("?")


def _name(suffix: str) -> str:
    return f"{_PREFIX}_{os.getpid()}_{suffix}"


def new_database(*, empty: bool = False) -> str:
    """The URL of a database for one test: as new, with this release's schema unless `empty`."""
    with _ONE_AT_A_TIME:
        if _CLEAN and not empty:
            name = _CLEAN.pop()
        else:
            name = _name(os.urandom(6).hex())
            template = "template0" if empty else _template()
            say(server(), f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        (_EMPTY if empty else _USED).add(name)
    return url_of(name)


@cache
def _template() -> str:
    name = _name("template")
    say(server(), f'CREATE DATABASE "{name}" TEMPLATE template0')
    atexit.register(_end)

    async def upgrade() -> None:
        storage = PostgresStorage(PostgresConfig(url_of(name)))
        await storage.open()
        await storage.close()

    _at_once(upgrade())
    return name


@cache
def _first_rows() -> dict[str, list[dict[str, Any]]]:
    """What a new database holds."""
    return {
        table.name: [dict(row) for row in say(url_of(_template()), f"SELECT * FROM {table.name}")]  # noqa: S608
        for table in metadata.sorted_tables
    }


async def _clean(name: str, first_rows: dict[str, list[dict[str, Any]]]) -> None:
    """Make a used database as new: cheaper than a new one. Fails where the schema was changed."""
    connection = await asyncpg.connect(url_of(name), timeout=10)
    try:
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        async with connection.transaction():
            for table in reversed(metadata.sorted_tables):
                await connection.execute(f"DELETE FROM {table.name}")  # noqa: S608
            await connection.execute("ALTER SEQUENCE outbox_id_seq RESTART")
            for table_name, rows in first_rows.items():
                for row in rows:
                    places = ", ".join(f"${place}" for place in range(1, len(row) + 1))
                    await connection.execute(
                        f"INSERT INTO {table_name} ({', '.join(row)}) VALUES ({places})",  # noqa: S608
                        *row.values(),
                    )
            await connection.execute("UPDATE identity SET id = gen_random_uuid()::text")
    finally:
        await connection.close()


def _drop(name: str) -> None:
    say(server(), f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def _end() -> None:
    for name in (*_CLEAN, *_USED, *_EMPTY, _template()):
        _drop(name)


def drop_databases() -> None:
    """Give back what tests made since the last call."""
    while _EMPTY:
        _drop(_EMPTY.pop())
    while _USED:
        _give_back(_USED.pop())


def give_back(url: str) -> None:
    """Give one database back before its test ends."""
    name = urlsplit(url).path.removeprefix("/")
    _USED.discard(name)
    _give_back(name)


def _give_back(name: str) -> None:
    try:
        with _ONE_AT_A_TIME:
            first_rows = _first_rows()
        _at_once(_clean(name, first_rows))
    except (asyncpg.PostgresError, OSError, TimeoutError):
        _drop(name)
    else:
        _CLEAN.append(name)


def is_there() -> bool:
    """Whether tests have a server; in CI a missing one is an error and no skip."""
    try:
        server()
    except pytest.skip.Exception:
        if os.environ.get("CI"):
            raise
        return False
    return True


def chosen(folder: Path) -> str:
    """What `DATABASE_URL` is for a farm over this folder: SQLite, unless CHOICE says otherwise."""
    if os.environ.get(CHOICE) != "postgresql":
        return ""
    return database_of(folder)


def database_of(folder: Path) -> str:
    """The URL of the database that stands for this folder, always the same one."""
    path = folder / "database-url"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(new_database())
    return path.read_text()


class Line:
    """A TCP line to a database of the tests' server that can be cut, at a chosen word too."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.port = 0
        self.cut_after = b""
        self.cut_before = b""

    @property
    def url(self) -> str:
        user = say(self._url, "SELECT current_user AS name")[0]["name"]
        return (
            f"postgresql://{user}@127.0.0.1:{self.port}{urlsplit(self._url).path}?sslmode=disable"
        )

    async def up(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def down(self) -> None:
        """Refuse new connections, and cut those there are."""
        if self._server is not None:
            self._server.close()
        self.cut()

    def cut(self) -> None:
        for writer in self._open:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await _to_server(self._url)
        mute = asyncio.Event()
        self._open |= {writer, back}
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._up(reader, back, mute))
                tasks.create_task(_down(there, writer, mute))
        except* OSError:
            pass
        finally:
            self._open -= {writer, back}
            writer.transport.abort()
            back.transport.abort()

    async def _up(
        self, reader: asyncio.StreamReader, back: asyncio.StreamWriter, mute: asyncio.Event
    ) -> None:
        while data := await reader.read(65536):
            if self.cut_before and self.cut_before in data:
                self.cut_before = b""
                self.cut()
                return
            last = bool(self.cut_after) and self.cut_after in data
            if last:
                mute.set()
            back.write(data)
            await back.drain()
            if last:
                self.cut_after = b""
                await asyncio.sleep(0.3)  # the server does it; its answer goes nowhere
                self.cut()
                return
        back.write_eof()


async def _down(
    there: asyncio.StreamReader, writer: asyncio.StreamWriter, mute: asyncio.Event
) -> None:
    while data := await there.read(65536):
        if mute.is_set():
            continue
        writer.write(data)
        await writer.drain()
    writer.close()


async def _to_server(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    parts = urlsplit(url)
    if parts.hostname:
        return await asyncio.open_connection(parts.hostname, parts.port or 5432)
    folder, port = _socket(url)
    return await asyncio.open_unix_connection(f"{folder}/.s.PGSQL.{port}")


@cache
def _socket(url: str) -> tuple[str, str]:
    folders = "SELECT current_setting('unix_socket_directories') AS value"
    ports = "SELECT current_setting('port') AS value"
    return say(url, folders)[0]["value"].split(",")[0].strip(), say(url, ports)[0]["value"]
