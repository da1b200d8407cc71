"""Taking backups of a running farm: whole or not at all, one at a time, and no file forgotten."""

from __future__ import annotations

import asyncio
import hashlib
import io
import shutil
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from buildplate.backups import taking
from buildplate.backups.archive import verify
from buildplate.backups.errors import BackupDiskFailed
from buildplate.backups.folder import BackupFolder
from buildplate.backups.service import BackupService
from buildplate.backups.taking import RESERVE
from buildplate.storage.portable import snapshot_of, write_table
from buildplate.storage.postgres import portable as postgres_portable
from buildplate.storage.sqlite import portable as sqlite_portable
from tests.service.api.surface import GCODE, Surface, open_surface
from tests.service.backups.backing import PASSPHRASE, begin, ended, fetched, taken


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def folder_of(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "backups").iterdir())


class Held:
    """Holds the thread that takes a backup at some step until it is let go."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.go_on = threading.Event()

    def __call__(self) -> None:
        self.reached.set()
        assert self.go_on.wait(10)


@contextmanager
def held_at(monkeypatch: pytest.MonkeyPatch, step: str) -> Iterator[Held]:
    held, does = Held(), getattr(taking, step)

    def first(*args: Any) -> Any:
        held()
        return does(*args)

    monkeypatch.setattr(taking, step, first)
    try:
        yield held
    finally:
        held.go_on.set()


async def reached(held: Held) -> None:
    assert await asyncio.to_thread(held.reached.wait, 10)


async def test_a_backup_holds_every_row_and_file_and_says_what_it_is(
    surface: Surface, tmp_path: Path
) -> None:
    await surface.printer()
    await surface.job(copies=3)
    found = await taken(surface)
    path = await fetched(surface, found["id"], tmp_path / "fetched.tar")
    manifest = await asyncio.to_thread(lambda: verify(io.BytesIO(path.read_bytes())))
    assert manifest.id == found["id"]
    assert (manifest.rows["printers"], manifest.rows["prints"]) == (1, 3)
    assert [part.name for part in manifest.parts if part.name.startswith("files/")] == [
        "files/" + hashlib.sha256(GCODE).hexdigest()
    ]
    assert (found["files"], found["missing_files"], found["key_file"]) == (1, 0, False)
    assert found["size"] == path.stat().st_size
    assert found["rows"] == sum(manifest.rows.values())


async def test_a_finished_backup_alone_has_its_name_and_is_its_owner_s(
    surface: Surface, tmp_path: Path
) -> None:
    found = await taken(surface)
    (name,) = folder_of(tmp_path)
    assert name.endswith(f"-{found['id']}.tar")
    assert (tmp_path / "backups" / name).stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "backups").stat().st_mode & 0o777 == 0o700


async def test_while_one_is_taken_the_farm_goes_on_and_another_one_waits_for_it(
    surface: Surface, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    await surface.printer()
    with held_at(monkeypatch, "_write") as held:
        first = (await begin(surface)).json()
        await reached(held)
        assert not [name for name in folder_of(tmp_path) if name.endswith(".tar")]
        refused = await begin(surface)
        assert (refused.status_code, refused.json()["code"]) == (409, "backup_under_way")
        listed = (await surface.client.get("/api/v1/backups")).json()["items"]
        assert [(one["id"], one["state"]) for one in listed] == [(first["id"], "running")]
        content = await surface.client.get(f"/api/v1/backups/{first['id']}/content")
        assert (content.status_code, content.json()["code"]) == (409, "backup_not_ready")
        kept = await surface.client.delete(f"/api/v1/backups/{first['id']}")
        assert (kept.status_code, kept.json()["code"]) == (409, "backup_under_way")
        _, print_ = await surface.running()
        assert print_["state"] == "printing"
    assert (await ended(surface, first["id"]))["state"] == "ready"


async def test_a_file_deleted_while_a_backup_is_taken_is_in_it_and_then_goes(
    surface: Surface, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = await surface.file()
    content = surface.farm.files
    with held_at(monkeypatch, "_write") as held:
        begun = (await begin(surface)).json()
        await reached(held)
        gone = await surface.client.delete(f"/api/v1/files/{file['id']}")
        assert gone.status_code == 204
        assert (await surface.client.get(f"/api/v1/files/{file['id']}")).status_code == 404
    found = await ended(surface, begun["id"])
    assert (found["files"], found["missing_files"]) == (1, 0)
    async with asyncio.timeout(5):
        while await content._room.store.has(file["sha256"]):
            await asyncio.sleep(0.01)


async def test_a_file_deleted_and_uploaded_again_meanwhile_stays(
    surface: Surface, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = await surface.file()
    with held_at(monkeypatch, "_write") as held:
        begun = (await begin(surface)).json()
        await reached(held)
        await surface.client.delete(f"/api/v1/files/{file['id']}")
        again = await surface.file()
    await ended(surface, begun["id"])
    await asyncio.sleep(0.1)
    fetched_ = await surface.client.get(f"/api/v1/files/{again['id']}/content")
    assert fetched_.content == GCODE


async def test_a_file_whose_content_is_gone_or_spoiled_is_named_as_missing(
    surface: Surface, tmp_path: Path
) -> None:
    contents = [GCODE + b"; %d\n" % n for n in range(3)]
    paths = []
    for content in contents:
        sha256 = (await surface.file(content))["sha256"]
        paths.append(tmp_path / "files" / sha256[:2] / sha256)
    paths[0].unlink()
    paths[1].write_bytes(b"x" * len(contents[1]))
    found = await taken(surface)
    assert (found["files"], found["missing_files"]) == (1, 2)
    path = await fetched(surface, found["id"], tmp_path / "fetched.tar")
    manifest = await asyncio.to_thread(lambda: verify(io.BytesIO(path.read_bytes())))
    assert set(manifest.missing) == {path.name for path in paths[:2]}


async def test_a_full_disk_is_refused_before_anything_is_written_and_said_clearly(
    surface: Surface, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    await surface.file()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(1, 1, RESERVE - 1))
    failed = await ended(surface, (await begin(surface)).json()["id"])
    assert failed["state"] == "failed"
    assert "MB" in failed["problem"]
    assert "Free space" in failed["hint"]
    assert folder_of(tmp_path) == []
    monkeypatch.undo()
    assert (await taken(surface))["state"] == "ready", "the next one is not in its way"


@pytest.mark.parametrize("step", ["_look", "_write", "read_parts"])
async def test_a_failure_anywhere_leaves_nothing_behind(
    surface: Surface, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, step: str
) -> None:
    def broken(*_: Any) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(taking, step, broken)
    failed = await ended(surface, (await begin(surface)).json()["id"])
    assert failed["state"] == "failed"
    assert "Input/output error" in failed["problem"]
    assert folder_of(tmp_path) == []
    shown = (await surface.client.get(f"/api/v1/backups/{failed['id']}")).json()
    assert shown == failed
    assert (await surface.client.delete(f"/api/v1/backups/{failed['id']}")).status_code == 204
    assert (await surface.client.get("/api/v1/backups")).json()["items"] == []


async def test_what_nobody_foresaw_fails_once_and_is_not_tried_again(
    surface: Surface, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tries = []

    def broken(*_: Any) -> None:
        tries.append(1)
        raise ZeroDivisionError

    monkeypatch.setattr(taking, "_look", broken)
    failed = await ended(surface, (await begin(surface)).json()["id"])
    assert (failed["state"], failed["hint"]) == ("failed", "See the log.")
    await asyncio.sleep(0.7)
    assert len(tries) == 1
    assert folder_of(tmp_path) == []


async def test_only_the_newest_are_kept(tmp_path: Path) -> None:
    async with open_surface(tmp_path, backups_kept=2) as surface:
        made = [(await taken(surface))["id"] for _ in range(2)]
        (tmp_path / "backups" / "mine.txt").write_text("people's own files stay")
        await asyncio.sleep(1.1)  # names tell seconds
        made.append((await taken(surface))["id"])
        async with asyncio.timeout(5):
            while len(folder_of(tmp_path)) > 3:
                await asyncio.sleep(0.01)
        listed = (await surface.client.get("/api/v1/backups")).json()["items"]
        assert made[-1] == listed[0]["id"]
        assert len(listed) == 2
        assert "mine.txt" in folder_of(tmp_path)


async def test_the_newest_stays_although_the_clock_says_that_it_is_the_oldest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_surface(tmp_path, backups_kept=1) as surface:
        before = await taken(surface)
        parts = surface.farm.backups._parts
        behind = replace(parts, now=lambda: parts.now() - timedelta(days=400))
        monkeypatch.setattr(surface.farm.backups, "_parts", behind)
        after = await taken(surface)
        async with asyncio.timeout(5):
            while any(before["id"] in name for name in folder_of(tmp_path)):
                await asyncio.sleep(0.01)
        (name,) = folder_of(tmp_path)
        assert after["id"] in name


async def test_a_backup_that_is_whole_stays_ready_although_an_old_one_cannot_be_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def refused(*_: Any) -> None:
        message = "the disk failed: Permission denied"
        raise BackupDiskFailed(message)

    async with open_surface(tmp_path, backups_kept=1) as surface:
        await taken(surface)
        monkeypatch.setattr(BackupFolder, "delete", refused)
        found = await taken(surface)
        said = ""
        async with asyncio.timeout(5):
            while "backup.not_removed" not in said:
                await asyncio.sleep(0.01)
                said += capfd.readouterr().out
        shown = (await surface.client.get(f"/api/v1/backups/{found['id']}")).json()
        assert shown["state"] == "ready"
        assert len(folder_of(tmp_path)) == 2


async def test_its_time_is_from_before_its_rows_were_read(
    surface: Surface, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What is done after it is done after that time, and never before."""
    entered: list[datetime] = []
    opening = snapshot_of

    @contextmanager
    def noted(*args: Any) -> Iterator[Any]:
        entered.append(datetime.now(UTC))
        with opening(*args) as snapshot:
            yield snapshot

    monkeypatch.setattr(taking, "snapshot_of", noted)
    found = await taken(surface)
    path = await fetched(surface, found["id"], tmp_path / "fetched.tar")
    manifest = await asyncio.to_thread(lambda: verify(io.BytesIO(path.read_bytes())))
    assert manifest.taken_at <= entered[0]


@pytest.mark.parametrize("step", ["_write", "read_parts"])
async def test_a_server_that_stops_meanwhile_stops_the_backup_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    with held_at(monkeypatch, step) as held:
        async with open_surface(tmp_path) as surface:
            await surface.file()
            await begin(surface)
            await reached(held)
            asyncio.get_running_loop().call_later(0.5, held.go_on.set)  # the server waits for it
    assert folder_of(tmp_path) == []


async def test_a_stop_is_heard_at_every_batch_of_rows(
    surface: Surface, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[str] = []
    at = [""]
    telling, writing = BackupService._told, write_table

    def told(service: BackupService, done: int, total: int) -> None:
        heard.append(at[0])
        telling(service, done, total)

    def write(snapshot: Any, table: str, *more: Any) -> int:
        at[0] = table
        return writing(snapshot, table, *more)

    for engine in (sqlite_portable, postgres_portable):
        monkeypatch.setattr(engine, "BATCH", 1)
    monkeypatch.setattr(BackupService, "_told", told)
    monkeypatch.setattr(taking, "write_table", write)
    found = await taken(surface)
    assert found["state"] == "ready"
    assert heard.count("counters") >= 4, "one for each row, as each is a batch here"


async def test_what_a_crash_left_half_made_goes_at_the_next_start(tmp_path: Path) -> None:
    half = tmp_path / "backups" / ".01a21e35-5299-74b8-943d-3312bfaba091.half"
    work = half.with_suffix(".taking")
    work.mkdir(parents=True)
    half.write_bytes(b"half")
    (work / "jobs.jsonl").write_bytes(b"rows")
    async with open_surface(tmp_path):
        assert folder_of(tmp_path) == []


async def test_a_backup_is_fetched_whole_although_it_is_deleted_meanwhile(
    surface: Surface, tmp_path: Path
) -> None:
    found = await taken(surface)
    _, pieces = await surface.farm.backups.content(found["id"])
    assert (await surface.client.delete(f"/api/v1/backups/{found['id']}")).status_code == 204
    content = b"".join([piece async for piece in pieces])
    verify(io.BytesIO(content))
    assert folder_of(tmp_path) == []
    again = await surface.client.get(f"/api/v1/backups/{found['id']}/content")
    assert (again.status_code, again.json()["code"]) == (404, "backup_not_found")


async def test_a_spoiled_file_among_the_backups_says_so_and_stops_nothing(
    surface: Surface, tmp_path: Path
) -> None:
    found = await taken(surface)
    (name,) = folder_of(tmp_path)
    (tmp_path / "backups" / name).write_bytes(b"spoiled")
    (listed,) = (await surface.client.get("/api/v1/backups")).json()["items"]
    assert (listed["id"], listed["state"]) == (found["id"], "failed")
    assert "does not begin as a backup" in listed["problem"]
    assert (await taken(surface))["state"] == "ready"


@pytest.mark.parametrize("name", ["..", "%2e%2e%2fsecrets.key", "secrets.key", "1"])
async def test_no_path_of_a_user_leads_to_a_file(surface: Surface, name: str) -> None:
    await taken(surface)
    for method in ("GET", "DELETE"):
        answer = await surface.client.request(method, f"/api/v1/backups/{name}")
        assert answer.status_code in (404, 405), answer.text
    assert (await surface.client.get(f"/api/v1/backups/{name}/content")).status_code == 404


async def test_a_passphrase_without_a_key_file_is_refused(surface: Surface, tmp_path: Path) -> None:
    (tmp_path / "secrets.key").unlink()
    refused = await begin(surface, PASSPHRASE)
    assert (refused.status_code, refused.json()["code"]) == (409, "no_key_file")
    weak = await begin(surface, "short")
    assert (weak.status_code, weak.json()["code"]) == (422, "weak_passphrase")
    assert (await surface.client.get("/api/v1/backups")).json()["items"] == []


async def test_no_secret_stands_in_a_backup_its_listing_the_audit_or_the_log(
    surface: Surface, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The printer's key is sealed in the rows; what opens it is sealed by the passphrase."""
    await surface.printer()
    found = await taken(surface, PASSPHRASE)
    path = await fetched(surface, found["id"], tmp_path / "fetched.tar")
    key = (tmp_path / "secrets.key").read_text().splitlines()[1]
    content = path.read_bytes()
    with tarfile.open(path) as members:
        assert "key.sealed" in members.getnames()
    listing = (await surface.client.get("/api/v1/backups")).text
    audit = (await surface.client.get("/api/v1/audit")).text
    log = capfd.readouterr().out
    assert "backup.taken" in log
    for secret in ("paper-secret", key, PASSPHRASE, surface.secret):
        assert secret.encode() not in content
        assert secret not in listing
        assert secret not in audit
        assert secret not in log
