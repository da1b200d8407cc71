"""Bringing a backup back: into an empty place only, verified first, whole or not at all."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from buildplate.app.database import FarmUnfinished
from buildplate.app.key_file import KeyFile
from buildplate.backups import restoring
from buildplate.backups.errors import BackupNoRoom, Damaged, TargetTaken, TooNew, WrongPassphrase
from buildplate.backups.taking import RESERVE
from buildplate.backups.unfinished import MARK
from buildplate.files.store import LocalBlobStore
from buildplate.storage import DatabaseInUse, StorageError
from tests import postgres
from tests.service.api.paper import PaperHost
from tests.service.api.people import browser, user
from tests.service.api.surface import GCODE, Surface, open_surface
from tests.service.backups.backing import PASSPHRASE, brought_back, fetched, taken


async def backed_up(folder: Path, floor: dict[str, PaperHost] | None = None) -> Path:
    """A farm with a printer, a file and a job, and its backup with the key file."""
    async with open_surface(folder / "farm", floor=floor) as surface:
        await surface.printer()
        await surface.client.post("/api/v1/queue/stop", json={})
        await surface.job(copies=2)
        await user(surface, name="ann")
        await browser(surface)
        found = await taken(surface, PASSPHRASE)
        return await fetched(surface, found["id"], folder / "backup.tar")


class Usage(NamedTuple):
    free: int


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


async def test_everything_is_back_and_the_farm_is_stopped(tmp_path: Path) -> None:
    floor: dict[str, PaperHost] = {}
    source = await backed_up(tmp_path, floor)
    outcome = await brought_back(source, tmp_path / "new")
    assert outcome.keys
    async with open_surface(tmp_path / "new", floor=floor) as surface:
        (printer,) = (await surface.client.get("/api/v1/printers")).json()["items"]
        await surface.until(printer["id"], link="online")
        assert len((await surface.client.get("/api/v1/prints")).json()["items"]) == 2
        (file,) = (await surface.client.get("/api/v1/files")).json()["items"]
        content = await surface.client.get(f"/api/v1/files/{file['id']}/content")
        assert content.content == GCODE
        farm = (await surface.client.get("/api/v1/queue")).json()
        assert farm["stopped"] is True
        assert outcome.manifest.id in farm["stopped_reason"]
        assert f"{outcome.manifest.taken_at:%Y-%m-%d %H:%M}" in farm["stopped_reason"]
        assert await surface.farm.files.sweep() == 0, "the contents are this database's own"


async def test_the_farm_can_be_restored_into_the_place_of_the_lost_one(tmp_path: Path) -> None:
    """The folder of backups and the file itself may lie there; nothing else may."""
    source = await backed_up(tmp_path)
    folder = tmp_path / "new"
    (folder / "backups").mkdir(parents=True)
    inside = folder / "backup.tar"
    inside.write_bytes(source.read_bytes())
    await brought_back(inside, folder)
    assert {"backups", "backup.tar", "buildplate.db", "files", "secrets.key"} <= names(folder)


@pytest.mark.parametrize("there", ["buildplate.db", "files", "other.txt", "secrets.key"])
async def test_nothing_that_is_there_is_ever_replaced(tmp_path: Path, there: str) -> None:
    source = await backed_up(tmp_path)
    folder = tmp_path / "new"
    folder.mkdir()
    (folder / there).write_text("precious")
    with pytest.raises(TargetTaken):
        await brought_back(source, folder)
    assert (folder / there).read_text() == "precious"
    assert names(folder) <= {there, "farm.lock", "buildplate.db.lock"}


@pytest.mark.parametrize("end", ["-wal", "-shm", "-journal"])
async def test_what_a_lost_database_left_beside_its_place_is_refused(
    tmp_path: Path, end: str
) -> None:
    """SQLite would merge it into the restored one at the next opening."""
    source = await backed_up(tmp_path)
    left = tmp_path / "elsewhere" / f"farm.db{end}"
    left.parent.mkdir()
    left.write_bytes(b"pages")
    with pytest.raises(TargetTaken, match=left.name) as refused:
        await brought_back(source, tmp_path / "new", database=left.parent / "farm.db")
    assert "Move them aside" in refused.value.hint
    assert left.read_bytes() == b"pages"
    assert names(tmp_path / "new") <= {"farm.lock"}


async def test_a_key_file_that_was_brought_already_stays(tmp_path: Path) -> None:
    source = await backed_up(tmp_path)
    folder = tmp_path / "new"
    folder.mkdir()
    before = (tmp_path / "farm" / "secrets.key").read_text()
    (folder / "secrets.key").write_text(before)
    outcome = await brought_back(source, folder, passphrase=None)
    assert not outcome.keys
    assert (folder / "secrets.key").read_text() == before


async def test_while_a_server_runs_on_the_folder_it_is_refused(tmp_path: Path) -> None:
    source = await backed_up(tmp_path)
    async with open_surface(tmp_path / "new"):
        with pytest.raises(DatabaseInUse):
            await brought_back(source, tmp_path / "new")


@pytest.mark.parametrize("place", [700, 10_000, -5000])
async def test_a_damaged_backup_writes_nothing(tmp_path: Path, place: int) -> None:
    source = await backed_up(tmp_path)
    content = bytearray(source.read_bytes())
    content[place] ^= 1
    source.write_bytes(content)
    with pytest.raises(Damaged):
        await brought_back(source, tmp_path / "new")
    assert names(tmp_path / "new") == set()


async def test_a_full_disk_is_said_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = await backed_up(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(RESERVE))
    with pytest.raises(BackupNoRoom, match="the farm needs"):
        await brought_back(source, tmp_path / "new")
    assert names(tmp_path / "new") <= {"farm.lock", "buildplate.db.lock"}


async def test_a_wrong_passphrase_writes_nothing(tmp_path: Path) -> None:
    source = await backed_up(tmp_path)
    with pytest.raises(WrongPassphrase):
        await brought_back(source, tmp_path / "new", "correct horse batteries")
    assert names(tmp_path / "new") == set()


async def test_a_newer_schema_is_refused_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = await backed_up(tmp_path)
    monkeypatch.setattr(restoring, "known_revisions", lambda: {"0001"})
    with pytest.raises(TooNew):
        await brought_back(source, tmp_path / "new")
    assert names(tmp_path / "new") == set()


class CutOff(Exception):
    """The process ends here."""


def cut(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, *, after: bool) -> None:
    """End the restore before, or right after, a step."""
    does: Callable[..., Any] = getattr(owner, name)

    async def waited(*args: Any, **kwargs: Any) -> None:
        if after:
            await does(*args, **kwargs)
        raise CutOff

    def plain(*args: Any, **kwargs: Any) -> None:
        if after:
            does(*args, **kwargs)
        raise CutOff

    monkeypatch.setattr(owner, name, waited if asyncio.iscoroutinefunction(does) else plain)


STEPS = {
    "the mark": (restoring._Mark, "write"),
    "the files": (restoring, "_restore_files"),
    "whose they are": (LocalBlobStore, "own"),
    "the key file": (KeyFile, "replace"),
    "the rows": (restoring, "_restore_rows"),
}


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", STEPS)
async def test_a_restore_that_is_cut_off_makes_no_farm_and_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, *, after: bool
) -> None:
    source = await backed_up(tmp_path)
    folder = tmp_path / "new"
    cut(monkeypatch, *STEPS[step], after=after)
    with pytest.raises(CutOff):
        await brought_back(source, folder)
    monkeypatch.undo()
    if (folder / MARK).exists():
        with pytest.raises(FarmUnfinished, match="cut off"):
            async with open_surface(folder):
                pass
    else:
        assert names(folder) <= {"farm.lock", "buildplate.db.lock"}, "nothing of it is there"
    outcome = await brought_back(source, folder)
    assert outcome.again is (step == "the rows" and after)
    assert not (folder / MARK).exists()
    async with open_surface(folder) as surface:
        assert len((await surface.client.get("/api/v1/prints")).json()["items"]) == 2
        assert (await surface.client.get("/api/v1/queue")).json()["stopped"] is True
        assert await surface.farm.files.sweep() == 0


async def test_one_that_was_cut_off_while_it_wrote_its_mark_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = await backed_up(tmp_path)
    folder = tmp_path / "new"
    cut(monkeypatch, os, "fsync", after=False)
    with pytest.raises(CutOff):
        await brought_back(source, folder)
    monkeypatch.undo()
    assert names(folder) == {"farm.lock", "buildplate.db.lock", "restoring.new"}
    await brought_back(source, folder)
    assert "restoring.new" not in names(folder)


async def test_a_key_file_that_was_brought_since_a_restore_was_cut_off_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = await backed_up(tmp_path)
    folder = tmp_path / "new"
    cut(monkeypatch, KeyFile, "replace", after=False)
    with pytest.raises(CutOff):
        await brought_back(source, folder)
    monkeypatch.undo()
    key = folder / "secrets.key"
    KeyFile(key).make()
    mine = key.read_bytes()
    with pytest.raises(TargetTaken, match="there is a key file already"):
        await brought_back(source, folder)
    assert key.read_bytes() == mine
    assert not (await brought_back(source, folder, passphrase=None)).keys
    assert key.read_bytes() == mine


async def _cut_at_the_very_end(
    source: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, passphrase: str | None
) -> None:
    cut(monkeypatch, restoring, "_restore_rows", after=True)
    with pytest.raises(CutOff):
        await brought_back(source, folder, passphrase)
    monkeypatch.undo()


async def test_another_backup_does_not_pass_for_the_one_whose_restore_was_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, folder = await backed_up(tmp_path), tmp_path / "new"
    (tmp_path / "other").mkdir()
    other = await backed_up(tmp_path / "other")
    await _cut_at_the_very_end(source, folder, monkeypatch, None)
    with pytest.raises(TargetTaken, match="another backup"):
        await brought_back(other, folder, None)
    assert (folder / MARK).exists(), "nothing is whole yet"
    assert (await brought_back(source, folder, None)).again


async def test_a_passphrase_that_comes_with_the_repetition_only_brings_the_key_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, folder = await backed_up(tmp_path), tmp_path / "new"
    await _cut_at_the_very_end(source, folder, monkeypatch, None)
    outcome = await brought_back(source, folder)
    assert (outcome.again, outcome.keys) == (True, True)
    held = (tmp_path / "farm" / "secrets.key").read_bytes()
    assert (folder / "secrets.key").read_bytes() == held


async def test_the_key_file_that_an_earlier_try_brought_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, folder = await backed_up(tmp_path), tmp_path / "new"
    await _cut_at_the_very_end(source, folder, monkeypatch, PASSPHRASE)
    assert (await brought_back(source, folder, None)).keys


@pytest.mark.parametrize("there", ["nonsense", "another program's"])
async def test_a_file_that_is_no_farm_is_an_error_that_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: str
) -> None:
    source, folder = await backed_up(tmp_path), tmp_path / "new"
    await _cut_at_the_very_end(source, folder, monkeypatch, None)
    database = folder / "buildplate.db"
    database.unlink()
    if there == "nonsense":
        database.write_bytes(b"nonsense" * 1000)
    else:
        with closing(sqlite3.connect(database)) as rows:
            rows.execute("CREATE TABLE mine (id)")
    before = database.read_bytes()
    with pytest.raises((StorageError, TargetTaken)) as refused:
        await brought_back(source, folder, None)
    assert isinstance(refused.value, StorageError | TargetTaken)
    assert refused.value.hint
    assert database.read_bytes() == before


async def test_rows_come_into_their_place_in_one_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut off in the middle of them, there is no database under the farm's name."""
    source = await backed_up(tmp_path)
    cut(monkeypatch, restoring, "settle_prints", after=True)
    with pytest.raises(CutOff):
        await brought_back(source, tmp_path / "new")
    assert not (tmp_path / "new" / "buildplate.db").exists()
    monkeypatch.undo()
    await brought_back(source, tmp_path / "new")
    assert not [name for name in names(tmp_path / "new") if ".restoring" in name]


async def test_on_postgresql_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = await backed_up(tmp_path)
    url = postgres.new_database(empty=True)
    cut(monkeypatch, restoring, "settle_prints", after=True)
    with pytest.raises(CutOff):
        await brought_back(source, tmp_path / "new", database=url)
    assert postgres.say(url, "SELECT * FROM printers") == []
    monkeypatch.undo()
    await brought_back(source, tmp_path / "new", database=url)
    assert len(postgres.say(url, "SELECT * FROM printers")) == 1
    async with open_surface(tmp_path / "new", database=url) as surface:
        assert (await surface.client.get("/api/v1/queue")).json()["stopped"] is True


async def test_on_postgresql_one_that_was_cut_off_at_the_very_end_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = await backed_up(tmp_path)
    url = postgres.new_database(empty=True)
    cut(monkeypatch, restoring, "_restore_rows", after=True)
    with pytest.raises(CutOff):
        await brought_back(source, tmp_path / "new", database=url)
    monkeypatch.undo()
    assert (await brought_back(source, tmp_path / "new", database=url)).again


async def test_nobody_is_logged_in_any_more_and_keys_and_users_are_as_they_were(
    tmp_path: Path,
) -> None:
    source = await backed_up(tmp_path)
    await brought_back(source, tmp_path / "new")
    with closing(sqlite3.connect(tmp_path / "new" / "buildplate.db")) as rows:
        assert rows.execute("SELECT count(*) FROM user_sessions").fetchone() == (0,)
        assert rows.execute("SELECT name FROM users").fetchall() == [("ann",)]
        assert rows.execute("SELECT count(*) FROM api_keys").fetchone() == (1,)


async def test_numbers_go_on_where_nobody_was_given_one_yet(tmp_path: Path) -> None:
    source = await backed_up(tmp_path)
    await brought_back(source, tmp_path / "new")
    async with open_surface(tmp_path / "new") as surface:
        job = await surface.job()
        assert job["number"] == 1_000_001
        (print_,) = await surface.prints(job["id"])
        assert print_["number"] == 1_000_001
        assert (await surface.printer("Right"))["number"] == 1_001


async def test_clients_that_follow_the_events_hear_that_the_log_is_another_one(
    tmp_path: Path,
) -> None:
    source = await backed_up(tmp_path)
    async with open_surface(tmp_path / "farm") as first:
        await first.printer("Right")
        await asyncio.sleep(0.2)
        page = (await first.client.get("/api/v1/events?limit=1000")).json()
        log, last = page["log"], page["items"][-1]["seq"]
    await brought_back(source, tmp_path / "new")
    async with open_surface(tmp_path / "new") as second:
        path = f"/api/v1/events?after={last + 1000}"
        ahead = await second.client.get(path)
        assert (ahead.status_code, ahead.json()["code"]) == (409, "log_restarted")
        known = await second.client.get(f"/api/v1/events?after=1&log={log}")
        assert (known.status_code, known.json()["code"]) == (409, "log_restarted")
        present = (await second.client.get("/api/v1/events?after=1")).json()["log"]
        assert present in known.json()["hint"]
        again = await second.client.get(f"/api/v1/events?after=1&log={present}")
        assert again.status_code == 200


async def test_without_the_key_file_every_printer_says_what_it_needs(tmp_path: Path) -> None:
    floor: dict[str, PaperHost] = {}
    source = await backed_up(tmp_path, floor)
    await brought_back(source, tmp_path / "new", passphrase=None)
    async with open_surface(tmp_path / "new", floor=floor) as surface:
        (printer,) = (await surface.client.get("/api/v1/printers")).json()["items"]
        seen = await surface.until(printer["id"], link="auth_required")
        assert "key file" in json.dumps(seen)


async def _online(surface: Surface) -> dict[str, Any]:
    (printer,) = (await surface.client.get("/api/v1/printers")).json()["items"]
    return await surface.until(printer["id"], link="online")


async def test_no_bed_is_clear_on_the_word_of_a_backup(tmp_path: Path) -> None:
    floor: dict[str, PaperHost] = {}
    source = await backed_up(tmp_path, floor)
    await brought_back(source, tmp_path / "new")
    async with open_surface(tmp_path / "new", floor=floor) as surface:
        printer = await _online(surface)
        assert printer["bed"] == "unknown"
        assert "backup" in printer["bed_reason"]
