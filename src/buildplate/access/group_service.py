"""The use cases of printer groups: made, renamed, removed, wherever they are called by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import datetime

from buildplate.access.model import Group
from buildplate.access.ports import GroupFollower, GroupRows
from buildplate.access.user_service import Forgetful


class GroupService:
    """The farm's printer groups. `memories` are told of every rename, as are the followers."""

    def __init__(
        self,
        rows: GroupRows,
        now: Callable[[], datetime],
        new_id: Callable[[], str],
        memories: Sequence[Forgetful],
    ) -> None:
        self._rows = rows
        self._now = now
        self._new_id = new_id
        self._memories = memories
        self._followers: list[GroupFollower] = []

    def follow(self, follower: GroupFollower) -> None:
        """Have this room join every rename and removal."""
        self._followers.append(follower)

    async def create(self, name: str, description: str = "") -> Group:
        """Make a group; GroupExists."""
        group = Group(self._new_id(), 1, name.strip(), description, self._now())
        await self._rows.add(group, self._new_id())
        return group

    async def groups(self) -> list[Group]:
        """All groups, by name."""
        return await self._rows.every()

    async def group(self, group_id: str) -> Group:
        """The group with this id; UnknownGroup."""
        return await self._rows.by_id(group_id)

    async def edit(
        self, group: Group, *, name: str | None = None, description: str | None = None
    ) -> Group:
        """Change the name or the description of the group as it was read.

        Raises UnknownGroup, GroupChanged, GroupExists.
        """
        wanted = replace(
            group,
            name=group.name if name is None else name.strip(),
            description=group.description if description is None else description,
        )
        try:
            return await self._rows.edit(wanted, self._followers, self._new_id(), self._now())
        finally:
            await self._settle()

    async def remove(self, group: Group) -> None:
        """Remove a group as it was read; UnknownGroup, GroupChanged, GroupInUse."""
        try:
            await self._rows.remove(group, self._followers, self._new_id(), self._now())
        finally:
            await self._settle()

    async def _settle(self) -> None:
        """Have all look again, after an outcome that nobody knows, too; also where one fails."""
        async with AsyncExitStack() as stack:
            for follower in reversed(self._followers):
                stack.push_async_callback(follower.settled)
            for memory in self._memories:
                memory.forget()
