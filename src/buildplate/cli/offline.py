"""Keys straight in the data, while no server holds it: the way back in when the key is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from buildplate.access.errors import AccessError
from buildplate.access.model import ApiKey, Role
from buildplate.access.repository import SqlKeys
from buildplate.access.service import KeyService
from buildplate.app.clock import SystemClock
from buildplate.app.composition import new_id
from buildplate.app.database import database_of
from buildplate.app.settings import Settings, SettingsError, load_settings
from buildplate.cli.failures import fail, note
from buildplate.storage import StorageError

T = TypeVar("T")


def add_key(data_dir: Path, name: str, role: str, expires: str | None) -> dict[str, Any]:
    """Make a key."""
    until = None if expires is None else datetime.fromisoformat(expires)

    async def make(keys: KeyService) -> dict[str, Any]:
        made = await keys.create(name, Role(role), until)
        return {**_view(made.key), "key": made.secret}

    path = _file(_settings(data_dir))
    if path is not None and not path.exists():
        note(f"There was no farm in {data_dir}: a new one is made there.")
    return _with_keys(data_dir, make)


def list_keys(data_dir: Path) -> list[dict[str, Any]]:
    """Every key ever made."""

    async def every(keys: KeyService) -> list[dict[str, Any]]:
        return [_view(key) for key in await keys.keys()]

    _must_exist(data_dir)
    return _with_keys(data_dir, every)


def revoke_key(data_dir: Path, key_id: str) -> dict[str, Any]:
    """Revoke a key."""

    async def end(keys: KeyService) -> dict[str, Any]:
        return _view(await keys.revoke(key_id))

    _must_exist(data_dir)
    return _with_keys(data_dir, end)


def _settings(data_dir: Path) -> Settings:
    try:
        settings = load_settings(data_dir=data_dir)
        settings.database  # noqa: B018 (refuse what cannot be right, now)
    except SettingsError as error:
        return fail(str(error), error.hint)
    return settings


def _file(settings: Settings) -> Path | None:
    """The database's file, where it has one."""
    return settings.database if isinstance(settings.database, Path) else None


def _must_exist(data_dir: Path) -> None:
    """A mistyped folder makes no farm."""
    path = _file(_settings(data_dir))
    if path is not None and not path.exists():
        fail(f"there is no farm in {data_dir}", f"Its database would be {path}.")


def _with_keys(data_dir: Path, work: Callable[[KeyService], Awaitable[T]]) -> T:
    try:
        return asyncio.run(_opened(_settings(data_dir), work))
    except (AccessError, StorageError) as error:
        return fail(str(error), error.hint)
    except OSError as error:
        hint = "Name a folder that you may write to."
        return fail(f"{data_dir} cannot be used: {error.strerror}", hint)


async def _opened(settings: Settings, work: Callable[[KeyService], Awaitable[T]]) -> T:
    path = _file(settings)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    storage = database_of(settings)
    await storage.open()
    try:
        return await work(KeyService(SqlKeys(storage), SystemClock().now, new_id))
    finally:
        await storage.close()


def _view(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "role": key.role.value,
        "created_at": key.created_at.isoformat(),
        "expires_at": None if key.expires_at is None else key.expires_at.isoformat(),
        "revoked_at": None if key.revoked_at is None else key.revoked_at.isoformat(),
    }
