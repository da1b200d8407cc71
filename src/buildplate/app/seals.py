"""The farm's seals: from its key file, made at set-up, and never made over what needs another."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping

import structlog

from buildplate.app.key_file import KeyFile, KeyFileError, KeyFileMissing
from buildplate.app.redaction import REDACTION
from buildplate.drivers.sdk import Manifest
from buildplate.fleet.resealing import Resealed, held, reseal
from buildplate.fleet.sealing import KEY_BYTES, Seals
from buildplate.storage import Storage

_LOG = structlog.get_logger("secrets")


async def seals_for(storage: Storage, key_file: KeyFile) -> Seals:
    """The seals of this database; without a key where the file is lost or unreadable.

    A key is made only while nothing is sealed yet.
    """
    try:
        try:
            keys = await asyncio.to_thread(key_file.read)
        except KeyFileMissing:
            found = await storage.read(held, Seals(()))
            if found.sealed:
                raise
            keys = await asyncio.to_thread(key_file.make)
    except KeyFileError as error:
        _LOG.error("secrets.locked", action="start", problem=str(error), hint=error.hint)
        return Seals((), str(error), REDACTION.learn)
    if key_file.open_to_others():
        closed = await asyncio.to_thread(key_file.close_to_others)
        _LOG.warning(
            "secrets.key_file_open",
            action="chmod 600" if closed else "could not chmod 600",
            hint="Others could read the key file: rotate it with `buildplate key-file rotate`.",
        )
    return Seals(keys, opened=REDACTION.learn)


async def seal_everything(
    storage: Storage, seals: Seals, key_file: KeyFile, manifests: Mapping[str, Manifest]
) -> Resealed:
    """Bring every secret under the present key, and forget former keys once nothing needs them."""
    found = await reseal(storage, seals, manifests)
    if seals.present is not None:
        keys = await asyncio.to_thread(key_file.read)
        if len(keys) > 1:
            await asyncio.to_thread(key_file.replace, keys[:1])
    return found


def tell(found: Resealed) -> None:
    """Log what was sealed anew."""
    if found.changed:
        _LOG.info("secrets.sealed", action="seal", printers=found.changed, were_plain=found.plain)


async def rotate(
    storage: Storage, key_file: KeyFile, manifests: Mapping[str, Manifest]
) -> Resealed:
    """Make a new key and seal every secret with it; a start completes one that was cut off."""
    keys = [secrets.token_bytes(KEY_BYTES), *await asyncio.to_thread(key_file.read)]
    await asyncio.to_thread(key_file.replace, keys)
    return await seal_everything(storage, Seals(keys), key_file, manifests)
