"""Bringing every stored secret under the present key: after an upgrade, and in a rotation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from buildplate.drivers.sdk import Manifest
from buildplate.fleet import repository
from buildplate.fleet.model import PrinterRecord
from buildplate.fleet.sealing import Sealed, Seals
from buildplate.storage import Storage, Tx


@dataclass(frozen=True, slots=True)
class Resealed:
    """How many connections were stored anew, and how many of them held a secret in the open."""

    changed: int
    plain: int


@dataclass(frozen=True, slots=True)
class Held:
    """How many sealed values the database holds, and how many of them these keys do not open."""

    sealed: int
    locked: int


async def reseal(storage: Storage, seals: Seals, manifests: Mapping[str, Manifest]) -> Resealed:
    """Seal what is plain or under a former key, retired printers' secrets too."""
    changed: list[PrinterRecord] = []
    plain = 0
    for record in await storage.read(repository.every_printer):
        manifest = manifests.get(record.driver)
        secrets = None if manifest is None else manifest.secrets
        renewed = seals.renewed(record.id, record.connection, secrets)
        if renewed != dict(record.connection):
            changed.append(replace(record, connection=renewed))
            plain += _bared(record, renewed)
    if changed:
        await storage.write(repository.reseal_connections, changed)
    return Resealed(len(changed), plain)


def _bared(before: PrinterRecord, after: Mapping[str, object]) -> bool:
    """Whether the connection held something in the open that is sealed now."""
    return any(
        isinstance(value, Sealed) and not isinstance(before.connection[name], Sealed)
        for name, value in after.items()
    )


async def held(tx: Tx, seals: Seals) -> Held:
    """What the database holds of sealed values."""
    values = [
        value
        for record in await repository.every_printer(tx)
        for value in record.connection.values()
        if isinstance(value, Sealed)
    ]
    return Held(len(values), sum(not seals.opens(value) for value in values))
