"""`buildplate db upgrade`: looks first, refuses what cannot go well, and says how to go back."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import pytest
from typer.testing import CliRunner, Result

from buildplate.cli.main import app
from buildplate.storage import PostgresAddress, SqliteConfig, SqliteStorage, StorageError
from buildplate.storage.lock import ProcessLock
from buildplate.storage.postgres.ownership import _TAKE
from buildplate.storage.postgres.preflight import look
from buildplate.storage.schema import HEAD
from tests import postgres
from tests.contract.old_farms import Database
from tests.contract.storage_engines import ENGINES


class Room(NamedTuple):
    """As much of a disk as is looked at."""

    f_bavail: int
    f_frsize: int


class Farm:
    """The data of a farm of a former release, and somebody at its machine."""

    def __init__(self, engine: str, folder: Path) -> None:
        self.folder = folder
        self.url = postgres.new_database(empty=True) if engine == "postgresql" else ""
        self.file = folder / "buildplate.db"
        self.database = Database(self.url or self.file)

    def type(self, line: str, code: int = 0) -> Result:
        env = {"DATABASE_URL": self.url or None}
        words = ["--data-dir", str(self.folder), *line.split()]
        result = CliRunner(env=env).invoke(app, words)
        assert result.exit_code == code, (line, result.output, result.stderr, result.exception)
        return result

    def looked(self, line: str = "db upgrade --check", code: int = 1) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.type(f"{line} --json", code).stdout)
        return found

    def failed(self, code: int = 1) -> dict[str, str]:
        """What stands in the way, by check."""
        checks = self.looked(code=code)["checks"]
        return {one["check"]: one["detail"] for one in checks if one["status"] == "failed"}


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def farm(engine: str, tmp_path: Path) -> Farm:
    return made(engine, tmp_path)


@pytest.fixture
def file_farm(tmp_path: Path) -> Farm:
    return made("sqlite", tmp_path)


@pytest.fixture
def server_farm(tmp_path: Path) -> Farm:
    return made("postgresql", tmp_path)


def made(engine: str, folder: Path) -> Farm:
    found = Farm(engine, folder)
    asyncio.run(found.database.make("0002"))
    return found


def schema(farm: Farm) -> str:
    (row,) = asyncio.run(farm.database.rows())["alembic_version"]
    return str(row["version_num"])


def test_a_look_changes_nothing_and_tells_what_is_to_be_done(farm: Farm) -> None:
    before = farm.file.read_bytes() if not farm.url else b""
    shown = farm.type("db upgrade --check", 1).stdout
    assert "from 0002 to 0006 in 4 steps" in shown
    assert "0003  What printers did" in shown
    found = farm.looked()
    assert (found["found"], found["newest"]) == ("0002", HEAD)
    assert (found["needed"], found["refused"], found["upgraded"]) == (True, False, False)
    assert [step["revision"] for step in found["pending"]] == ["0003", "0004", "0005", "0006"]
    assert schema(farm) == "0002"
    if farm.url:
        assert "pg_dump" in shown
    else:
        assert farm.file.read_bytes() == before
        assert not list(farm.folder.glob("*.schema-*"))


def test_an_upgrade_says_what_it_did_and_how_to_go_back(farm: Farm) -> None:
    shown = farm.type("db upgrade").stdout
    assert "Upgraded from 0002 to 0006." in shown
    assert schema(farm) == HEAD
    if not farm.url:
        copy = farm.folder / "buildplate.db.schema-0002"
        assert str(copy) in shown
        assert "To go back: stop the server" in shown
        assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    again = farm.looked("db upgrade", 0)
    assert (again["needed"], again["upgraded"], again["copy"]) == (False, False, None)
    assert "nothing to do" in farm.type("db upgrade --check").stdout
    assert farm.looked(code=0)["pending"] == []


def test_the_copy_put_back_is_the_former_farm(file_farm: Farm) -> None:
    copy = Path(file_farm.looked("db upgrade", 0)["copy"])
    for suffix in ("", "-wal", "-shm"):
        Path(f"{file_farm.file}{suffix}").unlink(missing_ok=True)
    copy.rename(file_farm.file)
    assert schema(file_farm) == "0002"
    assert file_farm.looked("db upgrade", 0)["upgraded"] is True


def test_a_newer_schema_is_refused_with_the_release_that_is_needed(farm: Farm) -> None:
    farm.type("db upgrade")
    change = (
        "UPDATE alembic_version SET version_num = '9999'",
        "UPDATE identity SET release = '7.8.9'",
    )
    if farm.url:
        postgres.say(farm.url, *change)
    else:
        with closing(sqlite3.connect(farm.file, isolation_level=None)) as database:
            for statement in change:
                database.execute(statement)
    for line in ("db upgrade", "db upgrade --check"):
        refused = farm.type(line, 1)
        assert "9999" in refused.stderr
        assert "Install Buildplate 7.8.9 or newer." in refused.stderr
    assert schema(farm) == "9999"


@pytest.mark.parametrize("lock", ["farm", "buildplate.db"])
def test_a_server_that_runs_on_it_is_left_alone(file_farm: Farm, lock: str) -> None:
    held = ProcessLock(file_farm.folder / lock)
    held.take()
    try:
        assert str(os.getpid()) in file_farm.failed()["server"]
        refused = file_farm.type("db upgrade", 1).stderr
        assert f"in use by process {os.getpid()}" in refused
    finally:
        held.release()
    assert schema(file_farm) == "0002"
    assert file_farm.failed() == {}


def test_a_server_that_holds_the_server_s_database_is_left_alone(server_farm: Farm) -> None:
    async def held() -> None:
        connection = await asyncpg.connect(server_farm.url)
        try:
            assert await connection.fetchval(_TAKE)
            failed = await asyncio.to_thread(server_farm.failed)
            assert "runs on it" in failed["server"]
            refused = await asyncio.to_thread(server_farm.type, "db upgrade", 1)
            assert "in use" in refused.stderr
        finally:
            await connection.close()

    asyncio.run(held())
    assert schema(server_farm) == "0002"
    assert server_farm.failed() == {}


def test_a_disk_without_room_for_a_copy_is_refused(
    file_farm: Farm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.statvfs", lambda _: Room(10, 1_000_000))
    assert "10 MB free" in file_farm.failed()["disk"]
    for line in ("db upgrade", "key list"):
        assert "Free space" in file_farm.type(line, 1).stderr, line
    assert schema(file_farm) == "0002"


def test_a_damaged_file_is_refused(file_farm: Farm) -> None:
    with closing(sqlite3.connect(file_farm.file)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        page = database.execute("PRAGMA page_size").fetchone()[0]
        root = database.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'printers'"
        ).fetchone()[0]
    with file_farm.file.open("r+b") as raw:
        raw.seek((root - 1) * page)
        raw.write(b"\xff" * page)
    assert "damaged" in file_farm.failed()["integrity"]
    refused = file_farm.type("db upgrade", 1).stderr
    assert "restore the latest backup" in refused
    assert not list(file_farm.folder.glob("*.schema-*"))


def test_rows_that_refer_to_nothing_are_refused(file_farm: Farm) -> None:
    with closing(sqlite3.connect(file_farm.file, isolation_level=None)) as database:
        database.execute("DELETE FROM print_files")
    assert "jobs" in file_farm.failed()["integrity"]
    file_farm.type("db upgrade", 1)
    assert schema(file_farm) == "0002"


async def test_who_may_not_change_the_tables_is_told_what_to_do(tmp_path: Path) -> None:
    farm = Farm("postgresql", tmp_path)
    await farm.database.make("0002")
    connection = await asyncpg.connect(farm.url)
    try:
        address = PostgresAddress.parse(farm.url)
        await connection.execute("RESET ROLE; GRANT SELECT ON ALL TABLES IN SCHEMA public TO "
                                 "pg_monitor; SET ROLE pg_monitor")  # fmt: skip
        refused = (await look(connection, address)).refused
        assert refused is not None
        assert "pg_monitor may not make tables" in str(refused)
        assert refused.hint == "As its owner: GRANT CREATE ON SCHEMA public TO pg_monitor"
        await connection.execute(
            "RESET ROLE; GRANT CREATE ON SCHEMA public TO pg_monitor; SET ROLE pg_monitor"
        )
        refused = (await look(connection, address)).refused
        assert refused is not None
        assert "pg_monitor does not own alembic_version" in str(refused)
        assert "ALTER TABLE" in refused.hint
        await connection.execute("RESET ROLE")
        assert (await look(connection, address)).refused is None
    finally:
        await connection.close()


def test_a_folder_without_a_farm_stays_without_one(tmp_path: Path) -> None:
    folder = tmp_path / "mistyped"
    farm = Farm("sqlite", folder)
    for line in ("db upgrade", "db upgrade --check"):
        assert "Check --data-dir" in farm.type(line, 1).stderr
    assert not folder.exists()


async def test_a_start_refuses_what_an_upgrade_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "farm.db"
    await Database(path).make("0003")
    monkeypatch.setattr("os.statvfs", lambda _: Room(10, 1_000_000))
    with pytest.raises(StorageError, match="10 MB free") as refused:
        await SqliteStorage(SqliteConfig(path)).open()
    assert refused.value.code == "upgrade_refused"
    assert (await Database(path).rows())["alembic_version"] == [{"version_num": "0003"}]
