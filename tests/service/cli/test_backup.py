"""`buildplate backup`, `backups …` and `restore`, with a server and without one."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from buildplate.backups.archive import verify
from buildplate.backups.errors import BackupDiskFailed
from buildplate.backups.folder import BackupFolder
from buildplate.backups.unfinished import MARK
from buildplate.cli.main import app
from buildplate.storage.lock import ProcessLock
from buildplate.storage.schema import HEAD, migrating, run_migrations
from tests.service.api.surface import open_surface
from tests.service.cli.test_commands import at_a_terminal

CANARY = "canary horse battery staple"
BY_ENVIRONMENT = {"BUILDPLATE_BACKUP_PASSPHRASE": CANARY}


async def alone(folder: Path, line: str, code: int = 0, **more: Any) -> Result:
    """A command on data that no server holds."""
    runner = CliRunner(env={"BUILDPLATE_CONFIG": str(folder / "none.json"), **more.pop("env", {})})
    result = await asyncio.to_thread(runner.invoke, app, shlex.split(line), **more)
    assert result.exit_code == code, (line, result.output, result.stderr, result.exception)
    return result


def made(folder: Path) -> list[Path]:
    return list(folder.glob("buildplate-*.tar"))


async def farm(folder: Path) -> None:
    async with open_surface(folder) as surface:
        await surface.printer()
        await surface.client.post("/api/v1/queue/stop", json={})
        await surface.job()


async def test_a_backup_of_a_running_server_is_taken_fetched_listed_and_deleted(
    tmp_path: Path,
) -> None:
    async with at_a_terminal(tmp_path) as me:
        await me.ready()
        said = await me.type(f"backup --to {tmp_path}", env=BY_ENVIRONMENT)
        assert "key_file" in said.stdout
        (file,) = made(tmp_path)
        assert file.stat().st_mode & 0o777 == 0o600
        with file.open("rb") as archive:
            manifest = verify(archive)
        (listed,) = await me.json("backups list")
        assert listed["id"] == manifest.id
        assert manifest.id in (await me.type("backups list")).stdout
        shown = await me.json(f"backups show {manifest.id}")
        assert (shown["state"], shown["key_file"]) == ("ready", True)
        again = tmp_path / "again.tar"
        await me.type(f"backups fetch {manifest.id} --to {again}")
        assert again.read_bytes() == file.read_bytes()
        refused = await me.type(f"backups fetch {manifest.id} --to {again}", code=2)
        assert "there already" in refused.stderr
        await me.type(f"backups delete {manifest.id}")
        assert "no backup yet" in (await me.type("backups list")).stdout
        assert "there is no backup" in (await me.type(f"backups show {manifest.id}", 1)).stderr


async def test_without_a_passphrase_it_says_that_the_key_file_is_not_in_it(
    tmp_path: Path,
) -> None:
    async with at_a_terminal(tmp_path) as me:
        assert "key file is not in it" in (await me.type("backup")).stderr


async def test_a_farm_is_backed_up_and_restored_without_a_server(tmp_path: Path) -> None:
    await farm(tmp_path / "farm")
    line = f"--data-dir {tmp_path / 'farm'} backup --json"
    taken = json.loads((await alone(tmp_path, line, env=BY_ENVIRONMENT)).stdout)
    file = Path(taken["file"])
    assert file.parent == tmp_path / "farm" / "backups"
    new = tmp_path / "new"
    said = (await alone(tmp_path, f"--data-dir {new} restore {file}", env=BY_ENVIRONMENT)).stdout
    assert "buildplate queue release" in said
    assert "Revoke again" in said
    keys = json.loads((await alone(tmp_path, f"--data-dir {new} key list --json")).stdout)
    assert [key["name"] for key in keys] == ["first admin"]
    async with open_surface(new) as surface:
        assert (await surface.client.get("/api/v1/queue")).json()["stopped"] is True


@pytest.mark.parametrize("way", ["a file", "standard input", "the environment"])
async def test_the_passphrase_comes_by_any_way_but_an_argument(tmp_path: Path, way: str) -> None:
    await farm(tmp_path / "farm")
    secret = tmp_path / "passphrase"
    secret.write_text(f"{CANARY}\n")
    ways: dict[str, tuple[str, dict[str, Any]]] = {
        "a file": (f"--passphrase-file {secret}", {}),
        "standard input": ("--passphrase-file -", {"input": f"{CANARY}\n"}),
        "the environment": ("", {"env": BY_ENVIRONMENT}),
    }
    option, more = ways[way]
    to = tmp_path / "b.tar"
    await alone(tmp_path, f"--data-dir {tmp_path / 'farm'} backup --to {to} {option}", **more)
    line = f"--data-dir {tmp_path / 'new'} restore {to} {option} --json"
    assert json.loads((await alone(tmp_path, line, **more)).stdout)["key_file"] is True


async def test_a_passphrase_that_cannot_be_had_is_said_before_anything_is_done(
    tmp_path: Path,
) -> None:
    await farm(tmp_path / "farm")
    base = f"--data-dir {tmp_path / 'farm'} backup"
    (tmp_path / "empty").touch()
    for option, why in (
        ("--ask-passphrase", "no terminal"),
        (f"--passphrase-file {tmp_path / 'nothing'}", "cannot be read"),
        (f"--passphrase-file {tmp_path / 'empty'}", "holds no passphrase"),
    ):
        assert why in (await alone(tmp_path, f"{base} {option}", 2)).stderr
    weak = {"BUILDPLATE_BACKUP_PASSPHRASE": "short"}
    assert "12 to 1000" in (await alone(tmp_path, base, 1, env=weak)).stderr
    assert not list((tmp_path / "farm" / "backups").glob("*.tar"))


async def test_each_refusal_is_a_sentence_and_what_to_do_next(tmp_path: Path) -> None:
    await farm(tmp_path / "farm")
    file = tmp_path / "b.tar"
    await alone(tmp_path, f"--data-dir {tmp_path / 'farm'} backup --to {file}", env=BY_ENVIRONMENT)
    new = tmp_path / "new"
    restore = f"--data-dir {new} restore {file}"
    wrong = {"BUILDPLATE_BACKUP_PASSPHRASE": "another horse battery"}
    assert "does not open the key file" in (await alone(tmp_path, restore, 1, env=wrong)).stderr
    assert "there is no file" in (await alone(tmp_path, f"{restore}.not", 2)).stderr
    assert "restored into a folder" in (await alone(tmp_path, f"restore {file}", 2)).stderr
    spoiled = tmp_path / "spoiled.tar"
    content = bytearray(file.read_bytes())
    content[5000] ^= 1
    spoiled.write_bytes(content)
    said = (await alone(tmp_path, f"--data-dir {new} restore {spoiled}", 1)).stderr
    assert "not as it was" in said
    assert "take another one" in said
    full = (await alone(tmp_path, f"--data-dir {tmp_path / 'farm'} restore {file}", 1)).stderr
    assert "there is a database already" in full
    assert "empty folder" in full
    nobody = (await alone(tmp_path, f"--data-dir {tmp_path / 'nobody'} backup", 1)).stderr
    assert "there is no farm" in nobody
    assert not (tmp_path / "nobody").exists()


async def test_a_farm_of_an_older_schema_is_upgraded_before_its_backup(tmp_path: Path) -> None:
    data = tmp_path / "farm"
    data.mkdir()

    def older() -> None:
        with migrating(data / "buildplate.db", 1.0) as connection:
            run_migrations(connection, "0003")

    await asyncio.to_thread(older)
    said = (await alone(tmp_path, f"--data-dir {data} backup", 1)).stderr
    assert f"the database has schema 0003, this release needs {HEAD}" in said
    assert "`buildplate db upgrade` (it makes a copy first), then take the backup" in said
    assert list((data / "backups").iterdir()) == []
    await alone(tmp_path, f"--data-dir {data} db upgrade")
    await alone(tmp_path, f"--data-dir {data} backup")


async def test_a_backup_is_there_although_an_old_one_cannot_be_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any) -> None:
        message = "the disk failed: Permission denied"
        raise BackupDiskFailed(message)

    await farm(tmp_path / "farm")
    monkeypatch.setenv("BUILDPLATE_BACKUPS_KEPT", "1")
    monkeypatch.setattr(BackupFolder, "delete", refused)
    line = f"--data-dir {tmp_path / 'farm'} backup --json"
    await alone(tmp_path, line)
    second = await alone(tmp_path, line)
    assert len(list((tmp_path / "farm" / "backups").glob("*.tar"))) == 2
    assert json.loads(second.stdout)["state"] == "ready"
    assert "Older backups were not deleted: the disk failed" in second.stderr


async def test_data_that_a_server_holds_are_backed_up_by_that_server_only(
    tmp_path: Path,
) -> None:
    await farm(tmp_path / "farm")
    lock = ProcessLock(tmp_path / "farm" / "farm")
    lock.take()
    try:
        said = (await alone(tmp_path, f"--data-dir {tmp_path / 'farm'} backup", 1)).stderr
        assert f"in use by process {os.getpid()}" in said
    finally:
        lock.release()


async def test_no_command_works_on_a_farm_that_is_half_restored(tmp_path: Path) -> None:
    await farm(tmp_path / "farm")
    (tmp_path / "farm" / MARK).write_text('{"identity": "x"}')
    for command in ("key list", "backup", "key-file show", "db upgrade"):
        said = (await alone(tmp_path, f"--data-dir {tmp_path / 'farm'} {command}", 1)).stderr
        assert "cut off" in said
        assert "Run the same `buildplate restore` again" in said


async def test_the_passphrase_is_in_no_process_list_while_a_backup_is_taken(
    tmp_path: Path,
) -> None:
    await farm(tmp_path / "farm")
    words = ("--data-dir", str(tmp_path / "farm"), "backup", "--passphrase-file", "-")
    program = str(Path(sys.executable).with_name("buildplate"))
    process = await asyncio.create_subprocess_exec(
        program,
        *words,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    seen: set[bytes] = set()
    waited = asyncio.get_running_loop().create_task(process.communicate(f"{CANARY}\n".encode()))
    while not waited.done():
        for name in ("cmdline", "environ"):
            try:
                seen.add(await asyncio.to_thread(Path(f"/proc/{process.pid}/{name}").read_bytes))
            except OSError:
                break
        await asyncio.sleep(0.01)
    said, complaint = waited.result()
    assert process.returncode == 0, complaint
    assert len(seen) >= 2
    for text in (*seen, said, complaint):
        assert CANARY.encode() not in text


async def test_a_stopped_farm_says_why_in_the_queue(tmp_path: Path) -> None:
    async with at_a_terminal(tmp_path) as me:
        await me.type("queue stop --reason 'the floor is wet'")
        said = (await me.type("queue list")).stdout
        assert "stopped: the floor is wet. Release it with: buildplate queue release" in said
        await me.type("queue release --anyway")
        assert "stopped" not in (await me.type("queue list")).stdout
