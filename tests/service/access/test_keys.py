"""The use cases of keys on a real database: hashes only, revocations at once, one way in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import uuid_utils

from buildplate.access.errors import InvalidKey, KeyRequired, LastAdmin, UnknownKey
from buildplate.access.model import ApiKey, Role
from buildplate.access.repository import SqlKeys
from buildplate.access.service import REMEMBERED, KeyService
from buildplate.storage import SqliteConfig, SqliteStorage

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


class Watch:
    """A clock that tests set."""

    now = NOON

    def __call__(self) -> datetime:
        return self.now


class CountingKeys(SqlKeys):
    """Counts look-ups, and can hold one back."""

    looked_up = 0
    gate: asyncio.Event | None = None

    async def by_hash(self, sha256: str) -> ApiKey | None:
        self.looked_up += 1
        found = await super().by_hash(sha256)
        if self.gate is not None:
            await self.gate.wait()
        return found


@asynccontextmanager
async def room(folder: Path) -> AsyncIterator[tuple[KeyService, CountingKeys, Watch]]:
    storage = SqliteStorage(SqliteConfig(folder / "keys.db"))
    await storage.open()
    rows, watch = CountingKeys(storage), Watch()
    try:
        yield KeyService(rows, watch, lambda: str(uuid_utils.uuid7())), rows, watch
    finally:
        await storage.close()


async def test_the_first_key_is_made_once(tmp_path: Path) -> None:
    async with room(tmp_path) as (keys, _, _):
        first = await keys.first()
        assert first is not None
        assert (await keys.check(first.secret)).role is Role.ADMIN
        assert await keys.first() is None
        await keys.create("other", Role.ADMIN)
        await keys.revoke(first.key.id)
        assert await keys.first() is None
    async with room(tmp_path) as (keys, _, _):
        assert await keys.first() is None


async def test_secrets_are_long_random_and_not_kept(tmp_path: Path) -> None:
    async with room(tmp_path) as (keys, _, _):
        made = [await keys.create(f"key {n}", Role.VIEWER) for n in range(20)]
        assert len({one.secret for one in made}) == 20
        assert {len(one.secret) for one in made} == {46}
        assert not [key for key in await keys.keys() if key.sha256 in {m.secret for m in made}]


async def test_a_known_key_asks_no_database(tmp_path: Path) -> None:
    async with room(tmp_path) as (keys, rows, _):
        made = await keys.create("shop", Role.VIEWER)
        for _ in range(5):
            await keys.check(made.secret)
        assert rows.looked_up == 1


async def test_nonsense_asks_no_database(tmp_path: Path) -> None:
    async with room(tmp_path) as (keys, rows, _):
        for secret in ("", "bp_", "bp_" + "x" * 42, "x" * 46, "bp_" + "é" * 43, "bp_" + "x" * 44):
            with pytest.raises(KeyRequired):
                await keys.check(secret)
        assert rows.looked_up == 0
        with pytest.raises(KeyRequired):
            await keys.check("bp_" + "x" * 43)
        assert rows.looked_up == 1


async def test_what_is_remembered_is_bounded(tmp_path: Path) -> None:
    async with room(tmp_path) as (keys, _, _):
        made = await keys.create("shop", Role.VIEWER)

        async def look(_: str) -> ApiKey:
            return made.key

        for n in range(REMEMBERED):
            await keys._known.find(f"{n:064}", look)
        await keys.check(made.secret)
        assert len(keys._known) == REMEMBERED


async def test_a_revocation_beats_a_check_under_way(tmp_path: Path) -> None:
    async with room(tmp_path) as (keys, rows, _):
        made = await keys.create("shop", Role.VIEWER)
        rows.gate = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(keys.check(made.secret))
            async with asyncio.timeout(5):
                while not rows.looked_up:
                    await asyncio.sleep(0.01)
            await keys.revoke(made.key.id)
            rows.gate.set()
        with pytest.raises(KeyRequired, match="revoked"):
            await keys.check(made.secret)


async def test_a_key_works_until_its_expiry_and_not_at_it(tmp_path: Path) -> None:
    async with room(tmp_path) as (keys, _, watch):
        made = await keys.create("shop", Role.VIEWER, NOON + timedelta(hours=1))
        watch.now = NOON + timedelta(minutes=59)
        await keys.check(made.secret)
        watch.now = NOON + timedelta(hours=1)
        with pytest.raises(KeyRequired, match="expired"):
            await keys.check(made.secret)


async def test_somebody_can_always_manage_the_farm(tmp_path: Path) -> None:
    async with room(tmp_path) as (keys, _, _):
        first = await keys.first()
        assert first is not None
        await keys.create("operator", Role.OPERATOR)
        await keys.create("for a while", Role.ADMIN, NOON + timedelta(days=1))
        with pytest.raises(LastAdmin):
            await keys.revoke(first.key.id)
        second = await keys.create("second", Role.ADMIN)
        revoked = await keys.revoke(first.key.id)
        assert revoked.revoked_at == NOON
        assert await keys.revoke(first.key.id) == revoked
        with pytest.raises(LastAdmin):
            await keys.revoke(second.key.id)
        with pytest.raises(UnknownKey):
            await keys.revoke("nobody")


@pytest.mark.parametrize("name", ["", "   ", "x" * 101, "a\0b", "a\x1b[31mb"])
async def test_a_key_s_name_can_be_read(tmp_path: Path, name: str) -> None:
    async with room(tmp_path) as (keys, _, _):
        with pytest.raises(InvalidKey):
            await keys.create(name, Role.VIEWER)


def test_a_role_covers_those_below_it() -> None:
    order = [Role.VIEWER, Role.OPERATOR, Role.ADMIN]
    for level, role in enumerate(order):
        assert [role.covers(other) for other in order] == [n <= level for n in range(3)]
