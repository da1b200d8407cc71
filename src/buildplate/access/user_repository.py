"""The rows of users, their sessions, spent refresh tokens and set-up links in the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update

from buildplate.access.errors import (
    LastAdminUser,
    LoginFailed,
    SetupDone,
    UnknownUser,
    UserChanged,
    UserExists,
)
from buildplate.access.group_repository import confined, groups_from, groups_json
from buildplate.access.model import Role, Session, SessionKind, User
from buildplate.storage import (
    EventRecord,
    Row,
    Storage,
    Tx,
    from_micros,
    hold_farm,
    script,
    share_farm,
    to_micros,
)
from buildplate.storage.tables import api_keys, setup_links, spent_tokens, user_sessions, users

_ADD = insert(users)
_ALL = select(users).order_by(users.c.name)
_BY_ID = select(users).where(users.c.id == bindparam("user_id"))
_BY_NAME = select(users).where(users.c.name == bindparam("of_name"))
_OTHER_ADMIN = (
    select(users.c.id)
    .where(users.c.role == Role.ADMIN.value)
    .where(users.c.disabled.is_(False))
    .where(users.c.id != bindparam("user_id"))
    .limit(1)
)
_ANY_ADMIN = (
    select(users.c.id)
    .where(users.c.role == Role.ADMIN.value)
    .where(users.c.disabled.is_(False))
    .limit(1)
)
_ADMIN_KEY = (
    select(api_keys.c.id)
    .where(api_keys.c.role == Role.ADMIN.value)
    .where(api_keys.c.revoked_at.is_(None))
    .where(api_keys.c.expires_at.is_(None))
    .limit(1)
)
_EDIT = (
    update(users)
    .where(users.c.id == bindparam("user_id"))
    .where(users.c.version == bindparam("seen_version"))
    .values(
        version=users.c.version + 1,
        role=bindparam("new_role"),
        printer_groups=bindparam("new_groups"),
        password=bindparam("new_password"),
        password_at=bindparam("new_password_at"),
        disabled=bindparam("new_disabled"),
    )
)
_REHASH = (
    update(users)
    .where(users.c.id == bindparam("user_id"))
    .where(users.c.password == bindparam("old_password"))
    .values(password=bindparam("new_password"))
)
_REMOVE = delete(users).where(users.c.id == bindparam("user_id"))

_ADD_SESSION = insert(user_sessions)
_SESSION_BY_ID = select(user_sessions).where(user_sessions.c.id == bindparam("session_id"))
_SESSION_BY_HASH = select(user_sessions).where(user_sessions.c.sha256 == bindparam("of_sha256"))
_OF_USER = (
    select(user_sessions)
    .where(user_sessions.c.user_id == bindparam("user_id"))
    .order_by(user_sessions.c.id.desc())
)
_GONE = select(user_sessions.c.id).where(user_sessions.c.expires_at <= bindparam("at")).limit(100)
_TOUCH = (
    update(user_sessions)
    .where(user_sessions.c.id == bindparam("session_id"))
    .values(seen_at=bindparam("new_seen_at"))
)
_ROTATE = (
    update(user_sessions)
    .where(user_sessions.c.id == bindparam("session_id"))
    .values(sha256=bindparam("new_sha256"), seen_at=bindparam("new_seen_at"))
)
_END = delete(user_sessions).where(user_sessions.c.id == bindparam("session_id"))
_SPEND = insert(spent_tokens)
_SPENT = select(spent_tokens.c.session_id).where(spent_tokens.c.sha256 == bindparam("of_sha256"))
_FORGET_SPENT = delete(spent_tokens).where(spent_tokens.c.session_id == bindparam("session_id"))

_ADD_LINK = insert(setup_links)
_LINK = select(setup_links.c.expires_at).where(setup_links.c.sha256 == bindparam("of_sha256"))
_FORGET_LINKS = delete(setup_links)
MOST_SESSIONS = 100
"""Of one user; the oldest end when there are more."""


def _user(row: Row) -> User:
    return User(
        id=row["id"],
        version=row["version"],
        name=row["name"],
        role=Role(row["role"]),
        groups=groups_from(row["printer_groups"]),
        password=row["password"],
        created_at=from_micros(row["created_at"]),
        password_at=from_micros(row["password_at"]),
        disabled=bool(row["disabled"]),
    )


def _session(row: Row) -> Session:
    return Session(
        id=row["id"],
        user_id=row["user_id"],
        kind=SessionKind(row["kind"]),
        sha256=row["sha256"],
        address=row["address"],
        created_at=from_micros(row["created_at"]),
        seen_at=from_micros(row["seen_at"]),
        expires_at=from_micros(row["expires_at"]),
    )


def _event(user: User, kind: str, event_id: str, at: datetime) -> EventRecord:
    data = {
        "user_id": user.id,
        "name": user.name,
        "role": user.role.value,
        "disabled": user.disabled,
    }
    return EventRecord(event_id, at, kind, data=data)


@script
async def add_user(tx: Tx, user: User, event_id: str, ids: Sequence[str] = ()) -> User:
    """Insert a user, and groups that were not there, with two of the ids each; UserExists."""
    if user.groups is not None:
        await hold_farm(tx)
        user = replace(user, groups=await confined(tx, user.groups, ids, user.created_at))
    if await tx.row(_BY_NAME, {"of_name": user.name}) is not None:
        message = f"there is a user named {user.name} already"
        raise UserExists(message)
    values = {
        "id": user.id,
        "name": user.name,
        "role": user.role.value,
        "printer_groups": groups_json(user.groups),
        "password": user.password,
        "created_at": to_micros(user.created_at),
        "password_at": to_micros(user.password_at),
    }
    await tx.change(_ADD, values)
    await tx.record(_event(user, "user.created", event_id, user.created_at))
    return user


@script
async def edit_user(
    tx: Tx, user: User, event_id: str, at: datetime, ids: Sequence[str] = ()
) -> User:
    """Write a user's role, groups, password and whether they are disabled.

    A new password ends the user's sessions, and so does it to be disabled. Groups that were not
    there are made, with two of the ids each. Raises UnknownUser, UserChanged, LastAdminUser.
    """
    await hold_farm(tx)
    known = await _by_id(tx, user.id)
    if known.version != user.version:
        message = f"{user.name} was changed in the meantime"
        raise UserChanged(message)
    if user.role is not Role.ADMIN or user.disabled:
        await _not_the_last(tx, known)
    groups = user.groups
    if groups != known.groups:
        groups = await confined(tx, groups, ids, at)
    values = {
        "user_id": user.id,
        "seen_version": user.version,
        "new_role": user.role.value,
        "new_groups": groups_json(groups),
        "new_password": user.password,
        "new_password_at": to_micros(user.password_at),
        "new_disabled": user.disabled,
    }
    await tx.change(_EDIT, values)
    if known.password != user.password or user.disabled:
        await _end_sessions(tx, user.id)
    await tx.record(_event(user, "user.changed", event_id, at))
    return await _by_id(tx, user.id)


@script
async def remove_user(tx: Tx, user_id: str, event_id: str, at: datetime) -> User:
    """Delete a user with all sessions; UnknownUser, LastAdminUser."""
    await hold_farm(tx)
    known = await _by_id(tx, user_id)
    await _not_the_last(tx, known)
    await _end_sessions(tx, user_id)
    await tx.change(_REMOVE, {"user_id": user_id})
    await tx.record(_event(known, "user.removed", event_id, at))
    return known


async def _not_the_last(tx: Tx, user: User) -> None:
    manages = user.role is Role.ADMIN and not user.disabled
    if manages and await tx.row(_OTHER_ADMIN, {"user_id": user.id}) is None:
        message = f"{user.name} is the last administrator"
        raise LastAdminUser(message)


@script
async def rehash(tx: Tx, user_id: str, old: str, new: str) -> None:
    """Keep the same password under a newer hash."""
    values = {"user_id": user_id, "old_password": old, "new_password": new}
    await tx.change(_REHASH, values)


@script
async def start_session(tx: Tx, session: Session, ends: str | None, password_at: datetime) -> None:
    """Insert a session, end the one it takes the place of, and forget those that ran out.

    Raises UnknownUser where the user was removed in the meantime, LoginFailed where the password,
    which was that of `password_at`, has been changed since, or the user was disabled.
    """
    await share_farm(tx)
    user = await _by_id(tx, session.user_id)
    if user.password_at != password_at or user.disabled:
        message = "the user was changed in the meantime"
        raise LoginFailed(message)
    gone = [row["id"] for row in await tx.rows(_GONE, {"at": to_micros(session.created_at)})]
    crowd = [row["id"] for row in await tx.rows(_OF_USER, {"user_id": session.user_id})]
    old = {*gone, *crowd[MOST_SESSIONS - 1 :], *([] if ends is None else [ends])}
    for session_id in sorted(old):
        await end_session(tx, session_id)
    values = {
        "id": session.id,
        "user_id": session.user_id,
        "kind": session.kind.value,
        "sha256": session.sha256,
        "address": session.address,
        "created_at": to_micros(session.created_at),
        "seen_at": to_micros(session.seen_at),
        "expires_at": to_micros(session.expires_at),
    }
    await tx.change(_ADD_SESSION, values)


@script
async def touch_session(tx: Tx, session_id: str, at: datetime) -> None:
    """Note that a session was used."""
    await tx.change(_TOUCH, {"session_id": session_id, "new_seen_at": to_micros(at)})


@script
async def end_session(tx: Tx, session_id: str) -> None:
    """Delete a session and what it spent."""
    await tx.change(_FORGET_SPENT, {"session_id": session_id})
    await tx.change(_END, {"session_id": session_id})


@dataclass(frozen=True, slots=True)
class Rotated:
    """What became of a refresh token: a session that goes on, or one that ended for `reused`."""

    session: Session | None
    reused: bool = False


@script
async def rotate_refresh(tx: Tx, old: str, new: str, at: datetime) -> Rotated:
    """Put a refresh token in the place of the one it is bought with; both are hashes.

    A token that was spent before ends its session: two parties hold copies of it.
    """
    row = await tx.row(_SESSION_BY_HASH, {"of_sha256": old})
    if row is None:
        spent = await tx.row(_SPENT, {"of_sha256": old})
        if spent is None:
            return Rotated(None)
        await end_session(tx, spent["session_id"])
        return Rotated(None, reused=True)
    session = _session(row)
    if session.kind is not SessionKind.PROGRAM or session.expires_at <= at:
        return Rotated(None)
    micros = to_micros(at)
    await tx.change(_SPEND, {"sha256": old, "session_id": session.id, "spent_at": micros})
    values = {"session_id": session.id, "new_sha256": new, "new_seen_at": micros}
    await tx.change(_ROTATE, values)
    return Rotated(session)


@script
async def offer_setup(tx: Tx, sha256: str, expires_at: datetime) -> bool:
    """Keep the hash of the one set-up link, unless there is an administrator; whether it was."""
    await hold_farm(tx)
    if await tx.row(_ANY_ADMIN) is not None or await tx.row(_ADMIN_KEY) is not None:
        return False
    await tx.change(_FORGET_LINKS)
    await tx.change(_ADD_LINK, {"sha256": sha256, "expires_at": to_micros(expires_at)})
    return True


@script
async def take_setup(tx: Tx, sha256: str | None, user: User, event_id: str) -> None:
    """Add the first administrator by a set-up link, or without one at the console; SetupDone."""
    await hold_farm(tx)
    if await tx.row(_ANY_ADMIN) is not None:
        message = "there is an administrator already"
        raise SetupDone(message)
    if sha256 is not None and not await _offered(tx, sha256, user.created_at):
        message = "this set-up link does not work, or not any more"
        raise SetupDone(message)
    await tx.change(_FORGET_LINKS)
    await add_user(tx, user, event_id)


async def _offered(tx: Tx, sha256: str, at: datetime) -> bool:
    row = await tx.row(_LINK, {"of_sha256": sha256})
    return row is not None and to_micros(at) < row["expires_at"]


async def _end_sessions(tx: Tx, user_id: str) -> None:
    for row in await tx.rows(_OF_USER, {"user_id": user_id}):
        await end_session(tx, row["id"])


async def _by_id(tx: Tx, user_id: str) -> User:
    row = await tx.row(_BY_ID, {"user_id": user_id})
    if row is None:
        message = f"there is no user {user_id}"
        raise UnknownUser(message)
    return _user(row)


async def _by_name(tx: Tx, name: str) -> User | None:
    row = await tx.row(_BY_NAME, {"of_name": name})
    return None if row is None else _user(row)


async def _every(tx: Tx) -> list[User]:
    return [_user(row) for row in await tx.rows(_ALL)]


async def _of_user(tx: Tx, user_id: str) -> list[Session]:
    return [_session(row) for row in await tx.rows(_OF_USER, {"user_id": user_id})]


async def _with_user(
    tx: Tx, statement: Any, params: Mapping[str, Any]
) -> tuple[User, Session] | None:
    row = await tx.row(statement, params)
    if row is None:
        return None
    session = _session(row)
    return await _by_id(tx, session.user_id), session


async def _setup_works(tx: Tx, sha256: str, at: datetime) -> bool:
    return await tx.row(_ANY_ADMIN) is None and await _offered(tx, sha256, at)


class SqlUsers:
    """`UserRows` and `SessionRows` on the storage room: every call is one transaction."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def add(self, user: User, event_id: str, ids: Sequence[str]) -> User:
        """Stores a new user; UserExists."""
        return await self._storage.write(add_user, user, event_id, ids)

    async def by_id(self, user_id: str) -> User:
        """The user with this id; UnknownUser."""
        return await self._storage.read(_by_id, user_id)

    async def by_name(self, name: str) -> User | None:
        """The user with this name."""
        return await self._storage.read(_by_name, name)

    async def every(self) -> list[User]:
        """All users, by name."""
        return await self._storage.read(_every)

    async def edit(self, user: User, event_id: str, at: datetime, ids: Sequence[str]) -> User:
        """Writes a changed user; UnknownUser, UserChanged, LastAdminUser."""
        return await self._storage.write(edit_user, user, event_id, at, ids)

    async def remove(self, user_id: str, event_id: str, at: datetime) -> User:
        """Deletes a user; UnknownUser, LastAdminUser."""
        return await self._storage.write(remove_user, user_id, event_id, at)

    async def rehash(self, user_id: str, old: str, new: str) -> None:
        """Keeps the same password under a newer hash."""
        await self._storage.write(rehash, user_id, old, new)

    async def offer_setup(self, sha256: str, expires_at: datetime) -> bool:
        """Keeps a set-up link's hash, unless there is an administrator; whether it was."""
        return await self._storage.write(offer_setup, sha256, expires_at)

    async def take_setup(self, sha256: str | None, user: User, event_id: str) -> None:
        """Stores the first administrator; SetupDone."""
        await self._storage.write(take_setup, sha256, user, event_id)

    async def setup_works(self, sha256: str, at: datetime) -> bool:
        """Whether a set-up link would be taken."""
        return await self._storage.read(_setup_works, sha256, at)


class SqlSessions:
    """`SessionRows` on the storage room: every call is one transaction."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def start(self, session: Session, ends: str | None, password_at: datetime) -> None:
        """Stores a session in the place of another one; UnknownUser."""
        await self._storage.write(start_session, session, ends, password_at)

    async def by_id(self, session_id: str) -> tuple[User, Session] | None:
        """The session with this id, and whose it is."""
        return await self._storage.read(_with_user, _SESSION_BY_ID, {"session_id": session_id})

    async def by_hash(self, sha256: str) -> tuple[User, Session] | None:
        """The session with this cookie or refresh token, and whose it is."""
        return await self._storage.read(_with_user, _SESSION_BY_HASH, {"of_sha256": sha256})

    async def of_user(self, user_id: str) -> list[Session]:
        """The sessions of a user, the newest first."""
        return await self._storage.read(_of_user, user_id)

    async def touch(self, session_id: str, at: datetime) -> None:
        """Notes that a session was used."""
        await self._storage.write(touch_session, session_id, at)

    async def end(self, session_id: str) -> None:
        """Deletes a session."""
        await self._storage.write(end_session, session_id)

    async def rotate(self, old: str, new: str, at: datetime) -> Rotated:
        """Spends a refresh token."""
        return await self._storage.write(rotate_refresh, old, new, at)
