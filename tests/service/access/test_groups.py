"""The use cases of groups on a real database: whoever remembers a group's name forgets it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
import uuid_utils

from buildplate.access.group_repository import SqlGroups
from buildplate.access.group_service import GroupService
from buildplate.storage import SqliteConfig, SqliteStorage, Tx


class Memory:
    """Remembers names until it is told to forget."""

    remembers = True

    def forget(self) -> None:
        self.remembers = False


class Room:
    """Follows groups, and may fail to read anew."""

    def __init__(self, *, fails: bool) -> None:
        self.fails = fails
        self.settled_count = 0

    async def renamed(self, tx: Tx, old: str, new: str) -> None:
        pass

    async def left(self, tx: Tx, name: str) -> None:
        pass

    async def settled(self) -> None:
        self.settled_count += 1
        if self.fails:
            message = "the database went away"
            raise ConnectionError(message)


async def test_a_rename_is_heard_by_all_although_one_room_fails_after_it(tmp_path: Path) -> None:
    memory, rooms = Memory(), [Room(fails=True), Room(fails=False)]
    storage = SqliteStorage(SqliteConfig(tmp_path / "farm.db"))
    await storage.open()
    try:
        groups = GroupService(
            SqlGroups(storage), lambda: datetime.now(UTC), lambda: str(uuid_utils.uuid7()), [memory]
        )
        for room in rooms:
            groups.follow(room)
        group = await groups.create("hall")
        with pytest.raises(ConnectionError, match="went away"):
            await groups.edit(group, name="attic")
        assert (await groups.group(group.id)).name == "attic"
    finally:
        await storage.close()
    assert not memory.remembers, "keys and sessions keep no name that is gone"
    assert [room.settled_count for room in rooms] == [1, 1]
