"""`buildplate doctor`: broken set-ups, each named with its remedy; on data and on a server."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sqlite3
from collections import namedtuple
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from buildplate.app import doctor as module
from buildplate.app.clock import SystemClock
from buildplate.app.doctor import Doctor, Finding
from buildplate.app.key_file import KeyFile
from buildplate.app.settings import Settings
from buildplate.backups.unfinished import MARK
from buildplate.cli import examination
from buildplate.cli.doctor import findings_of
from buildplate.cli.main import app
from tests.service.api.certificates import Authority
from tests.service.api.conftest import surface
from tests.service.api.paper import KEY, PaperHost, paper_manifest
from tests.service.api.surface import Surface, listening, open_surface
from tests.service.cli.test_commands import Terminal, at_a_terminal

__all__ = ["surface"]
DATABASE, KEYS = "buildplate.db", "secrets.key"
Floor = dict[str, PaperHost]


@pytest.fixture
def floor() -> Floor:
    return {}


@pytest.fixture
async def farm(tmp_path: Path, floor: Floor) -> Path:
    """The data of a farm with one printer, on which no server runs."""
    folder = tmp_path / "farm"
    async with open_surface(folder, floor=floor) as surface:
        await surface.printer()
    folder.chmod(0o700)
    return folder


async def examined(folder: Path, floor: Floor, **settings: Any) -> dict[str, Finding]:
    known = Settings(data_dir=folder, **{"port": 0, **settings}, _env_file=None)
    found = await Doctor(known, {"paper": paper_manifest(floor)}).findings()
    return {finding.check: finding for finding in found}


def kept_in(folder: Path) -> list[str]:
    """Its files; SQLite's own two come and go with a reader."""
    names = (path.name for path in folder.iterdir())
    return sorted(name for name in names if not name.endswith(("-wal", "-shm")))


def broken(found: dict[str, Finding]) -> dict[str, Finding]:
    return {check: finding for check, finding in found.items() if finding.status != "ok"}


def change(folder: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(folder / DATABASE)) as database, database:
        database.execute(statement, values)


async def test_a_farm_in_order_has_nothing_to_mend_and_is_left_as_it_was(
    farm: Path, floor: Floor
) -> None:
    before = kept_in(farm)
    found = await examined(farm, floor)
    assert not broken(found)
    assert set(found) >= {"versions", "data folder", "disk", "port", "database", "key file"}
    assert set(found) >= {"queue", "clock", "printer 1 Left"}
    assert kept_in(farm) == before


Break = Callable[[Path], None]


def others_may_read_the_key(folder: Path) -> None:
    (folder / KEYS).chmod(0o644)


def key_file_gone(folder: Path) -> None:
    (folder / KEYS).unlink()


def another_key_file(folder: Path) -> None:
    (folder / KEYS).unlink()
    KeyFile(folder / KEYS).make()


def key_file_of_nothing(folder: Path) -> None:
    (folder / KEYS).write_text("nothing")


def others_may_read_the_folder(folder: Path) -> None:
    folder.chmod(0o755)


def database_gone(folder: Path) -> None:
    (folder / DATABASE).unlink()


def no_database(folder: Path) -> None:
    (folder / DATABASE).write_bytes(b"this is no database at all" * 100)


def damaged_database(folder: Path) -> None:
    with closing(sqlite3.connect(folder / DATABASE)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        (page,) = database.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'ix_prints_printer_id'"
        ).fetchone()
        (size,) = database.execute("PRAGMA page_size").fetchone()
    with (folder / DATABASE).open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * 64)


def newer_database(folder: Path) -> None:
    change(folder, "UPDATE alembic_version SET version_num = '9999'")


def older_database(folder: Path) -> None:
    change(folder, "UPDATE alembic_version SET version_num = '0000'")


def clock_set_back(folder: Path) -> None:
    later = datetime.now(UTC) + timedelta(days=2)
    micros = int(later.timestamp() * 1_000_000)
    change(folder, "UPDATE events SET at = ?", micros)


def restore_cut_off(folder: Path) -> None:
    (folder / MARK).write_text('{"identity": "x"}')


def unknown_driver(folder: Path) -> None:
    change(folder, "UPDATE printers SET driver = 'lost'")


BREAKS: list[tuple[Break, str, str, str]] = [
    (others_may_read_the_key, "key file", "others", "chmod 600"),
    (key_file_gone, "key file", "missing", "key-file replace"),
    (another_key_file, "key file", "does not open", "Put back the key file"),
    (key_file_of_nothing, "key file", "no key file", "Put back the key file"),
    (others_may_read_the_folder, "data folder", "others", "chmod 700"),
    (database_gone, "database", "no database", "--data-dir"),
    (no_database, "database", "cannot be read", "backup"),
    (damaged_database, "database", "damaged", "backup"),
    (newer_database, "database", "9999", "newer"),
    (older_database, "database", "0000", "upgraded at the next start"),
    (clock_set_back, "clock", "set back", "NTP"),
    (restore_cut_off, "restore", "cut off", "again"),
    (unknown_driver, "printer 1 Left", "not installed", "Install"),
]


@pytest.mark.parametrize(("spoil", "check", "detail", "remedy"), BREAKS)
async def test_a_broken_set_up_is_named_with_its_remedy(
    farm: Path, floor: Floor, spoil: Break, check: str, detail: str, remedy: str
) -> None:
    spoil(farm)
    finding = broken(await examined(farm, floor))[check]
    assert detail in finding.detail
    assert remedy in finding.remedy


async def test_a_printer_that_does_not_answer_is_named(farm: Path, floor: Floor) -> None:
    floor["Left"].online = False
    finding = (await examined(farm, floor))["printer 1 Left"]
    assert finding.status == "failed"
    assert "power" in finding.remedy


async def test_a_printer_that_refuses_its_key_is_named(farm: Path, floor: Floor) -> None:
    async with open_surface(farm, floor=floor) as surface:
        body = {"connection": {"api_key": KEY + "-old"}}
        await surface.client.patch("/api/v1/printers/1", json=body)
    finding = (await examined(farm, floor))["printer 1 Left"]
    assert finding.status == "failed"
    assert "key" in finding.remedy
    assert KEY not in finding.detail + finding.remedy


async def test_a_port_that_is_taken_is_named(farm: Path, floor: Floor) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        found = await examined(farm, floor, port=other.getsockname()[1])
    assert found["port"].status == "failed"
    assert "--port" in found["port"].remedy


@pytest.mark.parametrize(("free", "status"), [(50, "failed"), (500, "warning"), (5000, "ok")])
async def test_a_full_disk_is_named(
    farm: Path, floor: Floor, monkeypatch: pytest.MonkeyPatch, free: int, status: str
) -> None:
    disk = namedtuple("disk", "f_bavail f_frsize f_files f_favail")  # noqa: PYI024 (as os has it)
    monkeypatch.setattr(os, "statvfs", lambda _: disk(free, 1_000_000, 10, 10))
    finding = (await examined(farm, floor))["disk"]
    assert finding.status == status
    assert bool(finding.remedy) is (status != "ok")


async def test_a_print_that_waits_for_a_person_is_named(farm: Path, floor: Floor) -> None:
    found = list(module.queue({"needs_attention": 2, "queued": 1}))
    assert found[0].status == "warning"
    assert "beds" in found[0].remedy


def test_a_clock_that_was_never_set_is_named() -> None:
    (finding,) = module.clock(None, datetime(1970, 1, 2, tzinfo=UTC))
    assert finding.status == "failed"
    assert "NTP" in finding.remedy


async def test_a_certificate_that_cannot_be_used_is_named(farm: Path, floor: Floor) -> None:
    pair = Authority(farm.parent, "ours").sign("farm")
    found = await examined(farm, floor, tls_cert=pair.cert, tls_key=pair.key)
    assert found["tls"].status == "warning", "it ends within the hour"
    pair.key.write_text("no key")
    found = await examined(farm, floor, tls_cert=pair.cert, tls_key=pair.key)
    assert found["tls"].status == "failed"


async def test_a_server_that_runs_on_the_data_keeps_its_printers(
    tmp_path: Path, floor: Floor
) -> None:
    from buildplate.storage.lock import ProcessLock  # noqa: PLC0415 (as the server takes it)

    async with open_surface(tmp_path, floor=floor) as surface:
        await surface.printer()
        lock = ProcessLock(tmp_path / "farm")
        lock.take()
        try:
            found = await examined(tmp_path, floor)
        finally:
            lock.release()
    assert str(os.getpid()) in found["server"].detail
    assert "port" not in found
    assert not [check for check in found if check.startswith("printer")]


# --- the command ---------------------------------------------------------------------------------


@pytest.fixture
def drivers(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examination, "installed_drivers", lambda: {"paper": paper_manifest(floor)})
    monkeypatch.setenv("PORT", "0")


@pytest.mark.usefixtures("drivers")
async def test_the_command_ends_with_1_where_something_failed_and_0_where_not(farm: Path) -> None:
    def run(*more: str) -> Any:
        return CliRunner().invoke(app, ["--data-dir", str(farm), "doctor", *more])

    fine = await asyncio.to_thread(run, "--json")
    assert fine.exit_code == 0, fine.output
    assert json.loads(fine.stdout)["ok"] is True
    key_file_gone(farm)
    wrong = await asyncio.to_thread(run)
    assert wrong.exit_code == 1
    assert "key-file replace" in wrong.stdout
    assert KEY not in wrong.output


@pytest.mark.usefixtures("drivers")
async def test_wrong_settings_are_a_finding(farm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUILDPLATE_POLL_SECOND", "3")
    done = await asyncio.to_thread(
        CliRunner().invoke, app, ["--data-dir", str(farm), "doctor", "--json"]
    )
    (finding,) = json.loads(done.stdout)["findings"]
    assert finding["check"] == "settings"
    assert "BUILDPLATE_POLL_SECONDS" in finding["detail"]
    assert done.exit_code == 1


async def test_a_running_server_is_examined_through_its_api(tmp_path: Path) -> None:
    async with at_a_terminal(tmp_path) as me:
        await me.ready()
        found = await told(me, 0)
        assert {one["status"] for one in found.values()} == {"ok"}, found
        await me.surface.floor["Left"].vanish()
        await me.surface.until(1, link="offline")
        found = await told(me, 1)
        assert found["printer 1 Left"]["status"] == "failed"
        assert found["printer 1 Left"]["remedy"]


async def told(me: Terminal, code: int) -> dict[str, Any]:
    done = await me.type("doctor --json", code)
    return {one["check"]: one for one in json.loads(done.stdout)["findings"]}


async def test_a_server_that_is_not_there_ends_with_3(tmp_path: Path) -> None:
    env = {"BUILDPLATE_URL": "http://127.0.0.1:9", "BUILDPLATE_API_KEY": "bp_" + "x" * 43}
    done = await asyncio.to_thread(CliRunner(env=env).invoke, app, ["doctor"])
    assert done.exit_code == 3


async def test_what_a_server_says_is_judged(surface: Surface) -> None:
    await surface.printer()
    health = (await surface.client.get("/health/detailed")).json()
    now = SystemClock().now()

    def judged(at: datetime = now, **parts: Any) -> dict[str, str]:
        found = findings_of({**health, **parts}, at)
        return {one["check"]: one["remedy"] for one in found if one["status"] != "ok"}

    assert judged() == {}
    assert "NTP" in judged(now + timedelta(minutes=5))["clock"]
    down = {"status": "down", "answer_s": None, "size_bytes": None}
    assert "log" in judged(database=down)["database"]
    full = {"status": "degraded", "free_bytes": 10, "total_bytes": 10}
    assert "Delete" in judged(storage=full)["disk"]
    lost = {"status": "degraded", "problem": "the key file is missing", "hint": "Put it back"}
    assert judged(secrets=lost)["key file"] == "Put it back"
    assert "processor" in judged(event_loop_lag_s=2.0)["load"]
    assert "database" in judged(queue={"waiting": None, "active": None})["queue"]
    assert "why" in judged(queue={"waiting": 5000, "active": 0})["queue"]


async def test_the_doctor_needs_a_key_of_the_server(surface: Surface) -> None:
    async with listening(surface) as port:
        env = {"BUILDPLATE_URL": f"http://127.0.0.1:{port}", "BUILDPLATE_CONFIG": "/nonexistent"}
        done = await asyncio.to_thread(CliRunner(env=env).invoke, app, ["doctor"])
    assert done.exit_code == 1
    assert "key" in done.stderr
