"""Backups for tests: taken over the API, brought back as the command does it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx

from buildplate.app.clock import SystemClock
from buildplate.app.composition import new_id
from buildplate.app.key_file import KeyFile
from buildplate.backups.restoring import Outcome, Target, Wish, restore
from tests.service.api.surface import Surface

PASSPHRASE = "correct horse battery"


async def begin(surface: Surface, passphrase: str | None = None) -> httpx.Response:
    return await surface.client.post("/api/v1/backups", json={"passphrase": passphrase})


async def ended(surface: Surface, backup_id: str) -> dict[str, Any]:
    path = f"/api/v1/backups/{backup_id}"
    return await surface.poll(path, lambda seen: bool(seen["state"] != "running"))


async def taken(surface: Surface, passphrase: str | None = None) -> dict[str, Any]:
    """A backup that is whole."""
    answer = await begin(surface, passphrase)
    assert answer.status_code == 202, answer.text
    found = await ended(surface, answer.json()["id"])
    assert found["state"] == "ready", found
    return found


async def fetched(surface: Surface, backup_id: str, to: Path) -> Path:
    answer = await surface.client.get(f"/api/v1/backups/{backup_id}/content")
    assert answer.status_code == 200, answer.text
    await asyncio.to_thread(to.write_bytes, answer.content)
    return to


def wish(
    source: Path, folder: Path, passphrase: str | None = None, database: str | Path | None = None
) -> Wish:
    where = folder / "buildplate.db" if database is None else database
    target = Target(folder, where, KeyFile(folder / "secrets.key"))
    return Wish(source, target, SystemClock().now, new_id, passphrase)


async def brought_back(
    source: Path,
    folder: Path,
    passphrase: str | None = PASSPHRASE,
    database: str | Path | None = None,
) -> Outcome:
    return await asyncio.to_thread(asyncio.run, restore(wish(source, folder, passphrase, database)))
