"""Printers' secrets: sealed in the database, opened by the key file alone, never lost silently."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from buildplate.app.key_file import KeyFile
from buildplate.cli import key_files
from buildplate.cli.main import app
from tests.service.api.paper import KEY, PaperHost, paper_manifest
from tests.service.api.surface import open_surface

DATABASE, KEYS = "buildplate.db", "secrets.key"


def everything_in(folder: Path) -> bytes:
    """Every byte of the data but the key file's."""
    found = [path for path in folder.rglob("*") if path.is_file() and path.name != KEYS]
    return b"".join(path.read_bytes() for path in found)


def stored(folder: Path, name: str = "Left") -> dict[str, object]:
    with closing(sqlite3.connect(folder / DATABASE)) as database:
        query = "SELECT connection FROM printers WHERE name = ?"
        (text,) = database.execute(query, (name,)).fetchone()
        found: dict[str, object] = json.loads(text)
        return found


def bare(folder: Path) -> None:
    """Write the connections as former versions did, and take the key away."""
    with closing(sqlite3.connect(folder / DATABASE)) as database, database:
        plain = json.dumps({"host": "Left", "api_key": KEY})
        database.execute("UPDATE printers SET connection = ?", (plain,))
    (folder / KEYS).unlink()


async def a_farm_with_a_printer(folder: Path, floor: dict[str, PaperHost]) -> None:
    async with open_surface(folder, floor=floor) as surface:
        await surface.printer()


def typed(folder: Path, line: str) -> Result:
    return CliRunner().invoke(app, ["--data-dir", str(folder), *line.split(), "--json"])


async def test_set_up_makes_a_key_file_that_only_its_owner_may_read(tmp_path: Path) -> None:
    async with open_surface(tmp_path):
        assert stat.S_IMODE((tmp_path / KEYS).stat().st_mode) == 0o600


async def test_a_stolen_database_reveals_no_secret_of_a_printer(tmp_path: Path) -> None:
    async with open_surface(tmp_path) as surface:
        printer = await surface.printer()
        path = f"/api/v1/printers/{printer['id']}"
        body = {"connection": {"host": "Left", "api_key": KEY + "-changed"}}
        assert (await surface.client.patch(path, json=body)).status_code == 200
        assert KEY.encode() not in everything_in(tmp_path), "while the farm runs"
    assert KEY.encode() not in everything_in(tmp_path), "once it has stopped"


async def test_a_database_on_another_machine_opens_no_secret(tmp_path: Path) -> None:
    floor: dict[str, PaperHost] = {}
    await a_farm_with_a_printer(tmp_path / "ours", floor)
    (tmp_path / "theirs").mkdir()
    shutil.copy(tmp_path / "ours" / DATABASE, tmp_path / "theirs")
    async with open_surface(tmp_path / "theirs", floor=floor) as thief:
        seen = await thief.until(1, link="auth_required")
        assert "key file" in seen["problem"]
    assert KEY.encode() not in everything_in(tmp_path / "theirs")
    assert not (tmp_path / "theirs" / KEYS).exists(), "no key is made over what needs another"


async def test_a_stolen_key_file_holds_no_secret_and_opens_no_other_farm(tmp_path: Path) -> None:
    await a_farm_with_a_printer(tmp_path / "ours", {})
    floor: dict[str, PaperHost] = {}
    await a_farm_with_a_printer(tmp_path / "other", floor)
    keys = (tmp_path / "ours" / KEYS).read_bytes()
    assert KEY.encode() not in keys
    (tmp_path / "other" / KEYS).write_bytes(keys)
    async with open_surface(tmp_path / "other", floor=floor) as surface:
        await surface.until(1, link="auth_required")


async def test_secrets_of_a_former_version_are_sealed_at_the_next_start(tmp_path: Path) -> None:
    floor: dict[str, PaperHost] = {}
    await a_farm_with_a_printer(tmp_path, floor)
    bare(tmp_path)
    assert KEY.encode() in everything_in(tmp_path)
    async with open_surface(tmp_path, floor=floor) as surface:
        await surface.until(1, link="online", version=1)
        assert KEY.encode() not in everything_in(tmp_path), "neither in rows nor in free space"
    assert "$sealed" in str(stored(tmp_path)["api_key"])


async def test_secrets_of_retired_printers_are_sealed_too(tmp_path: Path) -> None:
    async with open_surface(tmp_path) as surface:
        await surface.printer()
        assert (await surface.client.delete("/api/v1/printers/1")).status_code == 204
    bare(tmp_path)
    async with open_surface(tmp_path):
        pass
    assert KEY.encode() not in everything_in(tmp_path)


@pytest.mark.parametrize("loss", ["missing", "garbage", "another", "a folder"])
async def test_a_lost_key_file_asks_for_the_printers_key_and_harms_nothing_else(
    tmp_path: Path, loss: str
) -> None:
    floor: dict[str, PaperHost] = {}
    await a_farm_with_a_printer(tmp_path, floor)
    keys = tmp_path / KEYS
    keys.unlink()
    if loss == "garbage":
        keys.write_text("nothing of use")
    elif loss == "another":
        KeyFile(keys).make()
    elif loss == "a folder":
        keys.mkdir()
    async with open_surface(tmp_path, floor=floor) as surface:
        seen = await surface.until(1, link="auth_required", bed="clear")
        assert "api_key" in seen["problem"]
        assert "key" in seen["hint"]
        assert seen["connection"]["api_key"] == {"set": True}
        renamed = await surface.client.patch("/api/v1/printers/1", json={"location": "attic"})
        assert renamed.json()["location"] == "attic"
        assert (await surface.client.get("/health")).json()["status"] == "degraded"
    assert "$sealed" in str(stored(tmp_path)["api_key"]), "what may be opened again is kept"


async def test_a_printer_whose_key_is_entered_again_works_again(tmp_path: Path) -> None:
    floor: dict[str, PaperHost] = {}
    await a_farm_with_a_printer(tmp_path, floor)
    (tmp_path / KEYS).unlink()
    KeyFile(tmp_path / KEYS).make()
    async with open_surface(tmp_path, floor=floor) as surface:
        await surface.until(1, link="auth_required")
        body = {"connection": {"api_key": KEY}}
        assert (await surface.client.patch("/api/v1/printers/1", json=body)).status_code == 200
        await surface.until(1, link="online")


async def test_without_a_key_a_new_secret_is_refused_with_what_to_do(tmp_path: Path) -> None:
    floor: dict[str, PaperHost] = {}
    await a_farm_with_a_printer(tmp_path, floor)
    (tmp_path / KEYS).unlink()
    async with open_surface(tmp_path, floor=floor) as surface:
        body = {"connection": {"api_key": KEY}}
        answer = await surface.client.patch("/api/v1/printers/1", json=body)
        assert (answer.status_code, answer.json()["code"]) == (409, "secret_locked")
        assert "key-file replace" in answer.json()["hint"]
        assert KEY not in answer.text


async def test_a_key_file_that_others_could_read_is_closed_at_the_start(tmp_path: Path) -> None:
    await a_farm_with_a_printer(tmp_path, {})
    (tmp_path / KEYS).chmod(0o644)
    async with open_surface(tmp_path):
        assert stat.S_IMODE((tmp_path / KEYS).stat().st_mode) == 0o600


async def test_the_key_file_may_lie_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUILDPLATE_KEY_FILE", str(tmp_path / "elsewhere.key"))
    async with open_surface(tmp_path / "farm") as surface:
        await surface.printer()
    assert (tmp_path / "elsewhere.key").is_file()
    assert not (tmp_path / "farm" / KEYS).exists()


# --- by hand, while no server runs ---------------------------------------------------------------


async def test_a_rotation_leaves_the_former_key_without_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    floor: dict[str, PaperHost] = {}
    await a_farm_with_a_printer(tmp_path, floor)
    former = (tmp_path / KEYS).read_bytes()
    monkeypatch.setattr(key_files, "installed_drivers", lambda: {"paper": paper_manifest(floor)})
    told = await _in_thread(tmp_path, "key-file rotate")
    assert (told["secrets"], told["locked"]) == (1, 0)
    assert (tmp_path / KEYS).read_bytes() != former
    async with open_surface(tmp_path, floor=floor) as surface:
        await surface.until(1, link="online")
    (tmp_path / KEYS).write_bytes(former)
    told = await _in_thread(tmp_path, "key-file show")
    assert (told["secrets"], told["locked"]) == (1, 1)


async def test_a_rotation_that_was_cut_off_is_completed_by_the_next_start(tmp_path: Path) -> None:
    floor: dict[str, PaperHost] = {}
    await a_farm_with_a_printer(tmp_path, floor)
    file = KeyFile(tmp_path / KEYS)
    (former,) = file.read()
    file.replace([b"2" * 32, former])
    async with open_surface(tmp_path, floor=floor) as surface:
        await surface.until(1, link="online")
        assert file.read() == [b"2" * 32]


async def test_a_lost_key_is_replaced_only_on_request_and_never_while_it_is_of_use(
    tmp_path: Path,
) -> None:
    floor: dict[str, PaperHost] = {}
    await a_farm_with_a_printer(tmp_path, floor)
    refused = await _typed_in_thread(tmp_path, "key-file replace")
    assert refused.exit_code == 1
    assert "rotate" in refused.stderr
    (tmp_path / KEYS).unlink()
    told = await _in_thread(tmp_path, "key-file replace")
    assert (told["secrets"], told["locked"]) == (1, 1)
    assert "again" in told["hint"]
    async with open_surface(tmp_path, floor=floor) as surface:
        await surface.until(1, link="auth_required")
        await surface.client.patch("/api/v1/printers/1", json={"connection": {"api_key": KEY}})
        await surface.until(1, link="online")


@pytest.mark.usefixtures("surface")
async def test_the_key_file_is_not_touched_while_a_server_uses_it(tmp_path: Path) -> None:
    folder = tmp_path
    before = (folder / KEYS).read_bytes()
    for line in ("key-file rotate", "key-file replace"):
        refused = await _typed_in_thread(folder, line)
        assert refused.exit_code == 1
        assert "in use" in refused.stderr
    assert (folder / KEYS).read_bytes() == before


async def _in_thread(folder: Path, line: str) -> dict[str, Any]:
    done = await _typed_in_thread(folder, line)
    assert done.exit_code == 0, (done.output, done.exception)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


async def _typed_in_thread(folder: Path, line: str) -> Result:
    return await asyncio.to_thread(typed, folder, line)
