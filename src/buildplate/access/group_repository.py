"""The rows of printer groups, and the names by which keys and users are confined to them.

A group is called by its name: in the rows of printers, which the database itself keeps in step, in
jobs, and in the lists of keys and users. So whoever decides about groups or names one holds the
farm, and a rename changes all of these in one transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import bindparam, delete, insert, select, update

from buildplate.access.errors import GroupChanged, GroupExists, GroupInUse, UnknownGroup
from buildplate.access.model import Group, Groups
from buildplate.access.ports import GroupFollower
from buildplate.core.materials import normalised
from buildplate.storage import (
    EventRecord,
    Row,
    Storage,
    Tx,
    from_json,
    from_micros,
    hold_farm,
    script,
    to_json,
    to_micros,
)
from buildplate.storage.tables import api_keys, printer_groups, users

_ADD = insert(printer_groups)
_ALL = select(printer_groups).order_by(printer_groups.c.name)
_BY_ID = select(printer_groups).where(printer_groups.c.id == bindparam("group_id"))
_NAMES = select(printer_groups.c.id, printer_groups.c.name).order_by(printer_groups.c.id)
_EDIT = (
    update(printer_groups)
    .where(printer_groups.c.id == bindparam("group_id"))
    .values(
        version=printer_groups.c.version + 1,
        name=bindparam("new_name"),
        description=bindparam("new_description"),
    )
)
_REMOVE = delete(printer_groups).where(printer_groups.c.id == bindparam("group_id"))
_KEYS = (
    select(api_keys.c.id, api_keys.c.name, api_keys.c.printer_groups)
    .where(api_keys.c.printer_groups.is_not(None))
    .order_by(api_keys.c.id)
)
_WORKING = _KEYS.where(api_keys.c.revoked_at.is_(None)).where(
    api_keys.c.expires_at.is_(None) | (api_keys.c.expires_at > bindparam("at"))
)
_USERS = (
    select(users.c.id, users.c.name, users.c.printer_groups)
    .where(users.c.printer_groups.is_not(None))
    .order_by(users.c.id)
)
_CONFINE_KEY = (
    update(api_keys)
    .where(api_keys.c.id == bindparam("row_id"))
    .values(printer_groups=bindparam("new_groups"))
)
_CONFINE_USER = (
    update(users)
    .where(users.c.id == bindparam("row_id"))
    .values(printer_groups=bindparam("new_groups"), version=users.c.version + 1)
)
SHOWN = 5
GROUP_EDITED = "group.edited"


def groups_json(groups: Groups) -> str | None:
    """The names that somebody is confined to as they are kept."""
    return None if groups is None else to_json(sorted(groups))


def groups_from(text: str | None) -> Groups:
    """The names of `groups_json`."""
    return None if text is None else frozenset(from_json(text))


def _group(row: Row) -> Group:
    return Group(
        id=row["id"],
        version=row["version"],
        name=row["name"],
        description=row["description"],
        created_at=from_micros(row["created_at"]),
    )


def _event(group: Group, kind: str, event_id: str, at: datetime) -> EventRecord:
    return EventRecord(event_id, at, kind, data={"group_id": group.id, "name": group.name})


async def _insert(tx: Tx, group: Group, event_id: str) -> None:
    values = {
        "id": group.id,
        "name": group.name,
        "description": group.description,
        "created_at": to_micros(group.created_at),
    }
    await tx.change(_ADD, values)
    await tx.record(_event(group, "group.created", event_id, group.created_at))


async def spelled(tx: Tx, name: str) -> str | None:
    """The name of the group that is meant, as the group spells it; None where there is none."""
    rows = await tx.rows(_NAMES)
    if any(row["name"] == name for row in rows):
        return name
    wanted = normalised(name)
    return next((str(row["name"]) for row in rows if normalised(row["name"]) == wanted), None)


async def ensured(tx: Tx, name: str, ids: Sequence[str], at: datetime) -> str:
    """The name of the group that is meant; one that is not there yet is made, with these two ids.

    The caller holds the farm.
    """
    found = await spelled(tx, name)
    if found is not None:
        return found
    group = Group(ids[0], 1, name.strip(), "", at)
    await _insert(tx, group, ids[1])
    return group.name


async def confined(tx: Tx, names: Groups, ids: Sequence[str], at: datetime) -> Groups:
    """As `ensured`, of all groups that somebody is to be confined to; two ids for each."""
    if names is None:
        return None
    found = set()
    for place, name in enumerate(sorted(names)):
        found.add(await ensured(tx, name, ids[2 * place : 2 * place + 2], at))
    return frozenset(found)


@script
async def add_group(tx: Tx, group: Group, event_id: str) -> None:
    """Insert a group; GroupExists."""
    await hold_farm(tx)
    await _check_free(tx, group)
    await _insert(tx, group, event_id)


@script
async def edit_group(
    tx: Tx, group: Group, followers: Sequence[GroupFollower], event_id: str, at: datetime
) -> Group:
    """Write a group's name and description, the name wherever the group is called by it.

    Raises UnknownGroup, GroupChanged, GroupExists.
    """
    await hold_farm(tx)
    known = await by_id(tx, group.id)
    if known.version != group.version:
        message = f"{known.name} was changed in the meantime"
        raise GroupChanged(message)
    if known.name != group.name:
        await _check_free(tx, group)
    values = {"new_name": group.name, "new_description": group.description}
    await tx.change(_EDIT, {"group_id": group.id, **values})
    if known.name != group.name:
        for follower in followers:
            await follower.renamed(tx, known.name, group.name)
        await _rename_confined(tx, known.name, group.name)
    await tx.record(_event(group, GROUP_EDITED, event_id, at))
    return replace(group, version=group.version + 1)


@script
async def remove_group(
    tx: Tx,
    group: Group,
    followers: Sequence[GroupFollower],
    event_id: str,
    at: datetime,
) -> None:
    """Delete a group that nothing in service belongs to and nobody is confined to.

    Raises UnknownGroup, GroupChanged, GroupInUse.
    """
    await hold_farm(tx)
    known = await by_id(tx, group.id)
    if known.version != group.version:
        message = f"{known.name} was changed in the meantime"
        raise GroupChanged(message)
    await _check_nobody_is_confined(tx, known.name, at)
    for follower in followers:
        await follower.left(tx, known.name)
    await tx.change(_REMOVE, {"group_id": known.id})
    await tx.record(_event(known, "group.removed", event_id, at))


async def _check_free(tx: Tx, group: Group) -> None:
    """Names that the planner takes for one are one; those of older farms may stay as they are."""
    wanted = normalised(group.name)
    for row in await tx.rows(_NAMES):
        if row["id"] != group.id and normalised(row["name"]) == wanted:
            message = f"there is a group named {row['name']} already"
            raise GroupExists(message)


async def _rename_confined(tx: Tx, old: str, new: str) -> None:
    for rows, change in ((_KEYS, _CONFINE_KEY), (_USERS, _CONFINE_USER)):
        for row in await tx.rows(rows):
            names = groups_from(row["printer_groups"]) or frozenset()
            if old in names:
                fresh = groups_json(names - {old} | {new})
                await tx.change(change, {"row_id": row["id"], "new_groups": fresh})


async def _check_nobody_is_confined(tx: Tx, name: str, at: datetime) -> None:
    keys = await tx.rows(_WORKING, {"at": to_micros(at)})
    kinds = (("key", keys), ("user", await tx.rows(_USERS)))
    found = [
        f"the {kind} {row['name']}"
        for kind, rows in kinds
        for row in rows
        if name in (groups_from(row["printer_groups"]) or ())
    ]
    if found:
        message = f"confined to the group {name}: {shortened(found)}"
        hint = "Revoke these keys, and give these users other groups, then remove it."
        raise GroupInUse(message, hint)


def shortened(names: Iterable[str]) -> str:
    """A list that stays readable however long it is."""
    all_ = list(names)
    more = f" and {len(all_) - SHOWN} more" if len(all_) > SHOWN else ""
    return ", ".join(all_[:SHOWN]) + more


async def by_id(tx: Tx, group_id: str) -> Group:
    """The group with this id; UnknownGroup."""
    row = await tx.row(_BY_ID, {"group_id": group_id})
    if row is None:
        message = f"there is no group {group_id}"
        raise UnknownGroup(message)
    return _group(row)


async def _every(tx: Tx) -> list[Group]:
    return [_group(row) for row in await tx.rows(_ALL)]


class SqlGroups:
    """`GroupRows` on the storage room: every call is one transaction."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def add(self, group: Group, event_id: str) -> None:
        """Stores a new group; GroupExists."""
        await self._storage.write(add_group, group, event_id)

    async def by_id(self, group_id: str) -> Group:
        """The group with this id; UnknownGroup."""
        return await self._storage.read(by_id, group_id)

    async def every(self) -> list[Group]:
        """All groups, by name."""
        return await self._storage.read(_every)

    async def edit(
        self, group: Group, followers: Sequence[GroupFollower], event_id: str, at: datetime
    ) -> Group:
        """Writes a changed group, and its name everywhere."""
        return await self._storage.write(edit_group, group, followers, event_id, at)

    async def remove(
        self, group: Group, followers: Sequence[GroupFollower], event_id: str, at: datetime
    ) -> None:
        """Deletes a group."""
        await self._storage.write(remove_group, group, followers, event_id, at)
