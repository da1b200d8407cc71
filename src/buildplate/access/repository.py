"""The rows of API keys in the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import bindparam, insert, select, update

from buildplate.access.errors import LastAdmin, UnknownKey
from buildplate.access.group_repository import confined, groups_from, groups_json
from buildplate.access.model import ApiKey, Role
from buildplate.storage import (
    EventRecord,
    Row,
    Storage,
    Tx,
    from_micros,
    hold_farm,
    script,
    to_micros,
)
from buildplate.storage.tables import api_keys, users

_ADD = insert(api_keys)
_ALL = select(api_keys).order_by(api_keys.c.id.desc())
_ANY = select(api_keys.c.id).limit(1)
_BY_HASH = select(api_keys).where(api_keys.c.sha256 == bindparam("of_sha256"))
_BY_ID = select(api_keys).where(api_keys.c.id == bindparam("key_id"))
_OTHER_ADMIN = (
    select(api_keys.c.id)
    .where(api_keys.c.role == Role.ADMIN.value)
    .where(api_keys.c.id != bindparam("key_id"))
    .where(api_keys.c.revoked_at.is_(None))
    .where(api_keys.c.expires_at.is_(None))
    .limit(1)
)
_ADMIN_USER = select(users.c.id).where(users.c.role == Role.ADMIN.value).limit(1)
_REVOKE = (
    update(api_keys)
    .where(api_keys.c.id == bindparam("key_id"))
    .values(revoked_at=bindparam("new_revoked_at"))
)


def key_from(row: Row) -> ApiKey:
    """One row of `api_keys` as a value."""
    expires, revoked = row["expires_at"], row["revoked_at"]
    return ApiKey(
        id=row["id"],
        name=row["name"],
        sha256=row["sha256"],
        role=Role(row["role"]),
        created_at=from_micros(row["created_at"]),
        expires_at=None if expires is None else from_micros(expires),
        revoked_at=None if revoked is None else from_micros(revoked),
        groups=groups_from(row["printer_groups"]),
    )


@script
async def add_key(tx: Tx, key: ApiKey, event_id: str, ids: Sequence[str] = ()) -> ApiKey:
    """Insert a key, by its hash, and groups that were not there, with two of the ids each."""
    if key.groups is not None:
        await hold_farm(tx)
        key = replace(key, groups=await confined(tx, key.groups, ids, key.created_at))
    values = {
        "id": key.id,
        "name": key.name,
        "sha256": key.sha256,
        "role": key.role.value,
        "created_at": to_micros(key.created_at),
        "expires_at": None if key.expires_at is None else to_micros(key.expires_at),
        "printer_groups": groups_json(key.groups),
    }
    await tx.change(_ADD, values)
    await tx.record(_event(key, "key.created", event_id, key.created_at))
    return key


@script
async def add_first_key(tx: Tx, key: ApiKey, event_id: str) -> bool:
    """Insert a key where there is none at all; whether it did."""
    await hold_farm(tx)
    if await tx.row(_ANY) is not None:
        return False
    await add_key(tx, key, event_id)
    return True


@script
async def revoke_key(tx: Tx, key_id: str, at: datetime, event_id: str) -> ApiKey:
    """Revoke a key, unless it is the last admin's; UnknownKey, LastAdmin."""
    await hold_farm(tx)
    key = await _by_id(tx, key_id)
    if key.revoked_at is not None:
        return key
    if key.role is Role.ADMIN and not await _somebody_else(tx, key_id):
        message = f"{key.name} is the last admin key that works for good"
        raise LastAdmin(message)
    await tx.change(_REVOKE, {"key_id": key_id, "new_revoked_at": to_micros(at)})
    await tx.record(_event(key, "key.revoked", event_id, at))
    return await _by_id(tx, key_id)


async def _somebody_else(tx: Tx, key_id: str) -> bool:
    other = await tx.row(_OTHER_ADMIN, {"key_id": key_id})
    return other is not None or await tx.row(_ADMIN_USER) is not None


def _event(key: ApiKey, kind: str, event_id: str, at: datetime) -> EventRecord:
    data = {"key_id": key.id, "name": key.name, "role": key.role.value}
    return EventRecord(event_id, at, kind, data=data)


async def _by_id(tx: Tx, key_id: str) -> ApiKey:
    row = await tx.row(_BY_ID, {"key_id": key_id})
    if row is None:
        message = f"there is no key {key_id}"
        raise UnknownKey(message)
    return key_from(row)


async def _by_hash(tx: Tx, sha256: str) -> ApiKey | None:
    row = await tx.row(_BY_HASH, {"of_sha256": sha256})
    return None if row is None else key_from(row)


async def _with_id(tx: Tx, key_id: str) -> ApiKey | None:
    row = await tx.row(_BY_ID, {"key_id": key_id})
    return None if row is None else key_from(row)


async def _every(tx: Tx) -> list[ApiKey]:
    return [key_from(row) for row in await tx.rows(_ALL)]


class SqlKeys:
    """`KeyRows` on the storage room: every call is one transaction."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def add(self, key: ApiKey, event_id: str, ids: Sequence[str]) -> ApiKey:
        """Stores a new key."""
        return await self._storage.write(add_key, key, event_id, ids)

    async def add_first(self, key: ApiKey, event_id: str) -> bool:
        """Stores the key if there is none at all; whether it did."""
        return await self._storage.write(add_first_key, key, event_id)

    async def by_hash(self, sha256: str) -> ApiKey | None:
        """The key with this hash."""
        return await self._storage.read(_by_hash, sha256)

    async def by_id(self, key_id: str) -> ApiKey | None:
        """The key with this id."""
        return await self._storage.read(_with_id, key_id)

    async def every(self) -> list[ApiKey]:
        """All keys, newest first."""
        return await self._storage.read(_every)

    async def revoke(self, key_id: str, at: datetime, event_id: str) -> ApiKey:
        """Revokes a key; UnknownKey, LastAdmin."""
        return await self._storage.write(revoke_key, key_id, at, event_id)
