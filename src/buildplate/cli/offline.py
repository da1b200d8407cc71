"""Keys and users straight in the data, while no server holds it: the way back in."""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from buildplate.access.audit import Deed, doing
from buildplate.access.audit_repository import AuditWriter
from buildplate.access.errors import AccessError, UnknownUser
from buildplate.access.model import ApiKey, Caller, CallerKind, Groups, Role, User
from buildplate.access.passwords import Passwords
from buildplate.access.repository import SqlKeys
from buildplate.access.service import KeyService
from buildplate.access.user_repository import SqlUsers
from buildplate.access.user_service import UserService
from buildplate.app.clock import SystemClock
from buildplate.app.composition import new_id
from buildplate.app.database import database_of, must_be_whole
from buildplate.app.settings import Settings, SettingsError, load_settings
from buildplate.cli.failures import fail, note
from buildplate.storage import StorageError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Desk:
    """What can be done on the data alone."""

    keys: KeyService
    users: UserService


def add_key(
    data_dir: Path, name: str, role: str, expires: str | None, groups: Sequence[str] | None
) -> dict[str, Any]:
    """Make a key."""
    until = None if expires is None else datetime.fromisoformat(expires)

    async def make(desk: Desk) -> dict[str, Any]:
        made = await desk.keys.create(name, Role(role), until, _groups(groups))
        return {**_key_view(made.key), "key": made.secret}

    _say_if_new(data_dir)
    return _at_desk(data_dir, "key add", make)


def list_keys(data_dir: Path) -> list[dict[str, Any]]:
    """Every key ever made."""

    async def every(desk: Desk) -> list[dict[str, Any]]:
        return [_key_view(key) for key in await desk.keys.keys()]

    _must_exist(data_dir)
    return _at_desk(data_dir, "key list", every)


def revoke_key(data_dir: Path, key_id: str) -> dict[str, Any]:
    """Revoke a key."""

    async def end(desk: Desk) -> dict[str, Any]:
        return _key_view(await desk.keys.revoke(key_id))

    _must_exist(data_dir)
    return _at_desk(data_dir, "key revoke", end)


def add_user(
    data_dir: Path, name: str, role: str, password: str, groups: Sequence[str] | None
) -> dict[str, Any]:
    """Make a user."""

    async def make(desk: Desk) -> dict[str, Any]:
        return _user_view(await desk.users.create(name, Role(role), password, _groups(groups)))

    _say_if_new(data_dir)
    return _at_desk(data_dir, "user add", make)


def list_users(data_dir: Path) -> list[dict[str, Any]]:
    """All users."""

    async def every(desk: Desk) -> list[dict[str, Any]]:
        return [_user_view(user) for user in await desk.users.users()]

    _must_exist(data_dir)
    return _at_desk(data_dir, "user list", every)


def show_user(data_dir: Path, reference: str) -> dict[str, Any]:
    """One user."""

    async def show(desk: Desk) -> dict[str, Any]:
        return _user_view(await _found(desk, reference))

    _must_exist(data_dir)
    return _at_desk(data_dir, "user show", show)


def edit_user(data_dir: Path, reference: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Change a user's role, groups or password, or disable them."""
    wanted = dict(changes)
    if "role" in wanted:
        wanted["role"] = Role(wanted["role"])
    if "groups" in wanted:
        wanted["groups"] = _groups(wanted["groups"])

    async def edit(desk: Desk) -> dict[str, Any]:
        return _user_view(await desk.users.edit(await _found(desk, reference), wanted))

    _must_exist(data_dir)
    return _at_desk(data_dir, "user change", edit)


def remove_user(data_dir: Path, reference: str) -> dict[str, Any]:
    """Remove a user."""

    async def remove(desk: Desk) -> dict[str, Any]:
        return _user_view(await desk.users.remove((await _found(desk, reference)).id))

    _must_exist(data_dir)
    return _at_desk(data_dir, "user remove", remove)


async def _found(desk: Desk, reference: str) -> User:
    named = await desk.users.named(reference)
    if named is not None:
        return named
    try:
        return await desk.users.user(reference)
    except UnknownUser:
        message = f"there is no user named {reference}"
        raise UnknownUser(message, "See them with: buildplate user list") from None


def _groups(names: Sequence[str] | None) -> Groups:
    return None if not names else frozenset(names)


def _settings(data_dir: Path) -> Settings:
    try:
        settings = load_settings(data_dir=data_dir)
        settings.database  # noqa: B018 (refuse what cannot be right, now)
        must_be_whole(settings)
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


def _say_if_new(data_dir: Path) -> None:
    path = _file(_settings(data_dir))
    if path is not None and not path.exists():
        note(f"There was no farm in {data_dir}: a new one is made there.")


def _at_desk(data_dir: Path, what: str, work: Callable[[Desk], Awaitable[T]]) -> T:
    try:
        return asyncio.run(_opened(_settings(data_dir), what, work))
    except (AccessError, StorageError) as error:
        return fail(str(error), error.hint)
    except OSError as error:
        hint = "Name a folder that you may write to."
        return fail(f"{data_dir} cannot be used: {error.strerror}", hint)


async def _opened(settings: Settings, what: str, work: Callable[[Desk], Awaitable[T]]) -> T:
    path = _file(settings)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    storage = database_of(settings)
    await storage.open()
    passwords = Passwords()
    try:
        now = SystemClock().now
        storage.on_write = AuditWriter(storage, now, new_id).watched
        keys = KeyService(SqlKeys(storage), now, new_id)
        users = UserService(SqlUsers(storage), passwords, now, new_id, keys)
        with doing(_deed(what)):
            return await work(Desk(keys, users))
    finally:
        passwords.close()
        await storage.close()


def _deed(what: str) -> Deed:
    who = Caller(CallerKind.CONSOLE, None, _login(), Role.ADMIN)
    return Deed(
        who, address=None, path="--data-dir", request_id=None, action=lambda: f"buildplate {what}"
    )


def _login() -> str:
    """Who sits at the machine, as it knows them."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def _key_view(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "role": key.role.value,
        "groups": None if key.groups is None else sorted(key.groups),
        "created_at": key.created_at.isoformat(),
        "expires_at": None if key.expires_at is None else key.expires_at.isoformat(),
        "revoked_at": None if key.revoked_at is None else key.revoked_at.isoformat(),
    }


def _user_view(user: User) -> dict[str, Any]:
    return {
        "id": user.id,
        "version": user.version,
        "name": user.name,
        "role": user.role.value,
        "groups": None if user.groups is None else sorted(user.groups),
        "disabled": user.disabled,
        "created_at": user.created_at.isoformat(),
        "password_at": user.password_at.isoformat(),
    }
