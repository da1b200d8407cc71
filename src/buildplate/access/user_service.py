"""The use cases of users: made, changed, removed, and the first of them by a set-up link."""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Protocol

from buildplate.access.errors import InvalidUser
from buildplate.access.model import Groups, Role, User
from buildplate.access.passwords import Passwords, check_password
from buildplate.access.ports import UserRows

SETUP_LIFE = timedelta(hours=24)
SETUP_SHAPE = re.compile(r"[A-Za-z0-9_-]{43}")
LONGEST_NAME = 100
MOST_GROUPS = 50


class Forgetful(Protocol):
    """Whoever remembers users, and has to hear of changes."""

    def forget(self) -> None:
        """Look everything up anew."""
        ...


class UserService:
    """The farm's users. Every change is told to whoever remembers users."""

    def __init__(
        self,
        rows: UserRows,
        passwords: Passwords,
        now: Callable[[], datetime],
        new_id: Callable[[], str],
        memory: Forgetful,
    ) -> None:
        self._rows = rows
        self._passwords = passwords
        self._now = now
        self._new_id = new_id
        self._memory = memory

    async def create(self, name: str, role: Role, password: str, groups: Groups = None) -> User:
        """Make a user; InvalidUser, UserExists."""
        made = await self._made(name, role, password, groups)
        return await self._rows.add(made, self._new_id(), self._ids(groups))

    async def users(self) -> list[User]:
        """All users, by name."""
        return await self._rows.every()

    async def user(self, reference: str) -> User:
        """The user with this id; UnknownUser."""
        return await self._rows.by_id(reference)

    async def named(self, name: str) -> User | None:
        """The user with this name."""
        return await self._rows.by_name(normal_name(name))

    async def edit(self, user: User, changes: Mapping[str, Any]) -> User:
        """Change `role`, `groups`, `password` or `disabled` of the user as it was read.

        A new password ends the user's sessions, and so does it to be disabled. Raises InvalidUser,
        UserChanged, LastAdminUser.
        """
        wanted = replace(
            user,
            role=changes.get("role", user.role),
            groups=changes.get("groups", user.groups),
            disabled=changes.get("disabled", user.disabled),
        )
        check_groups(wanted.role, wanted.groups)
        if "password" in changes:
            check_password(user.name, changes["password"])
            kept = await self._passwords.hash(changes["password"])
            wanted = replace(wanted, password=kept, password_at=self._now())
        try:
            ids = self._ids(wanted.groups)
            return await self._rows.edit(wanted, self._new_id(), self._now(), ids)
        finally:
            self._memory.forget()

    async def remove(self, user_id: str) -> User:
        """Remove a user, whose sessions end; UnknownUser, LastAdminUser."""
        try:
            return await self._rows.remove(user_id, self._new_id(), self._now())
        finally:
            self._memory.forget()

    async def offer_setup(self) -> str | None:
        """A fresh one-time link's token, the only one that works; None where somebody manages."""
        token = secrets.token_urlsafe(32)
        offered = await self._rows.offer_setup(_digest(token), self._now() + SETUP_LIFE)
        return token if offered else None

    async def setup_works(self, token: str) -> bool:
        """Whether a link would be taken."""
        if SETUP_SHAPE.fullmatch(token) is None:
            return False
        return await self._rows.setup_works(_digest(token), self._now())

    async def set_up(self, token: str | None, name: str, password: str) -> User:
        """Make the first administrator; `token` is None for whoever holds the data itself.

        Raises SetupDone, InvalidUser.
        """
        made = await self._made(name, Role.ADMIN, password, None)
        digest = None if token is None else _digest(token)
        await self._rows.take_setup(digest, made, self._new_id())
        return made

    def _ids(self, groups: Groups) -> list[str]:
        """For the groups that may have to be made."""
        return [self._new_id() for _ in range(2 * len(groups or ()))]

    async def _made(self, name: str, role: Role, password: str, groups: Groups) -> User:
        shown = normal_name(name)
        if not shown or len(shown) > LONGEST_NAME or not shown.isprintable():
            message = f"a user's name has 1 to {LONGEST_NAME} visible characters"
            raise InvalidUser(message)
        check_groups(role, groups)
        check_password(shown, password)
        kept = await self._passwords.hash(password)
        now = self._now()
        return User(self._new_id(), 1, shown, role, groups, kept, now, now)


def normal_name(name: str) -> str:
    """A name as it is kept and compared: case and ways of writing do not tell people apart."""
    return " ".join(unicodedata.normalize("NFKC", name).split()).casefold()


def check_groups(role: Role, groups: Groups) -> None:
    """Refuse groups that confine nobody; InvalidUser."""
    if groups is None:
        return
    if role is Role.ADMIN:
        message = "an admin manages the whole farm and cannot be confined to groups"
        raise InvalidUser(message, "Leave groups out, or choose operator or viewer.")
    if not 1 <= len(groups) <= MOST_GROUPS or not all(group.strip() for group in groups):
        message = f"groups names 1 to {MOST_GROUPS} printer groups"
        raise InvalidUser(message, "Name the groups as the printers have them; null is all.")


def _digest(token: str) -> str:
    return sha256(token.encode()).hexdigest()
