"""The key file and the sealed secrets straight in the data, while no server holds them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from buildplate.app.database import database_of
from buildplate.app.drivers import installed_drivers
from buildplate.app.key_file import KeyFile, KeyFileError
from buildplate.app.seals import rotate
from buildplate.app.settings import Settings, SettingsError, load_settings
from buildplate.cli.failures import fail
from buildplate.fleet.resealing import held
from buildplate.fleet.sealing import Seals
from buildplate.storage import Storage, StorageError

Work = Callable[[Storage, KeyFile], Awaitable[dict[str, Any]]]
NOT_LOST = "Use `buildplate key-file rotate`: it keeps the printers' secrets."


def look(data_dir: Path) -> dict[str, Any]:
    """What there is, and what it opens."""

    async def work(storage: Storage, key_file: KeyFile) -> dict[str, Any]:
        return await _told(storage, key_file, Seals(key_file.read()))

    return _with_data(data_dir, work)


def rotated(data_dir: Path) -> dict[str, Any]:
    """A new key, and every secret sealed with it."""

    async def work(storage: Storage, key_file: KeyFile) -> dict[str, Any]:
        await rotate(storage, key_file, installed_drivers())
        return await _told(storage, key_file, Seals(key_file.read()))

    return _with_data(data_dir, work)


def replaced(data_dir: Path) -> dict[str, Any]:
    """A new key in the place of one that is lost; refused while the present one opens anything."""

    async def work(storage: Storage, key_file: KeyFile) -> dict[str, Any]:
        try:
            found = await storage.read(held, Seals(key_file.read()))
        except KeyFileError:
            pass
        else:
            if found.locked < found.sealed or not found.sealed:
                fail("the key file is there and fits this database", NOT_LOST)
        aside = key_file.set_aside()
        told = await _told(storage, key_file, Seals(key_file.make()))
        hint = "Enter each key again: buildplate printer edit NAME --connection api_key=@FILE"
        return {**told, "set_aside": None if aside is None else str(aside), "hint": hint}

    return _with_data(data_dir, work)


async def _told(storage: Storage, key_file: KeyFile, seals: Seals) -> dict[str, Any]:
    found = await storage.read(held, seals)
    return {
        "file": str(key_file.path),
        "key": seals.present,
        "secrets": found.sealed,
        "locked": found.locked,
    }


def _with_data(data_dir: Path, work: Work) -> dict[str, Any]:
    try:
        settings = load_settings(data_dir=data_dir)
        file = settings.database
        if isinstance(file, Path) and not file.exists():
            fail(f"there is no farm in {data_dir}", f"Its database would be {file}.")
        return asyncio.run(_opened(settings, work))
    except (SettingsError, StorageError, KeyFileError) as error:
        return fail(str(error), error.hint)


async def _opened(settings: Settings, work: Work) -> dict[str, Any]:
    storage = database_of(settings)
    await storage.open()
    try:
        return await work(storage, KeyFile(settings.key_path))
    finally:
        await storage.close()
