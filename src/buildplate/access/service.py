"""The use cases of API keys: made and shown once, checked at every request, listed, revoked."""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from hashlib import sha256

from buildplate.access.errors import InvalidKey, KeyRequired
from buildplate.access.model import ApiKey, Groups, NewKey, Rights, Role
from buildplate.access.ports import KeyRows
from buildplate.access.remembering import Memory
from buildplate.access.user_service import MOST_GROUPS

PREFIX = "bp_"
SECRET_BYTES = 32
SHAPE = re.compile(r"bp_[A-Za-z0-9_-]{43}")
LONGEST_NAME = 100
REMEMBERED = 1024
REMEMBERED_S = 60.0
FIRST_NAME = "first admin"


class KeyService:
    """The farm's API keys. Of a key only its sha256 is kept: 256 random bits need no slow hash.

    Checked keys are remembered for a while, so that most requests ask no database. A revocation in
    this process holds at once, one of another process within that while.
    """

    def __init__(
        self, rows: KeyRows, now: Callable[[], datetime], new_id: Callable[[], str]
    ) -> None:
        self._rows = rows
        self._now = now
        self._new_id = new_id
        self._known: Memory[ApiKey] = Memory(REMEMBERED, REMEMBERED_S)

    async def create(
        self,
        name: str,
        role: Role,
        expires_at: datetime | None = None,
        groups: Groups = None,
    ) -> NewKey:
        """Make a key; the answer is the only place where it is ever to be seen. InvalidKey."""
        made = self._made(name, role, expires_at, groups)
        ids = [self._new_id() for _ in range(2 * len(groups or ()))]
        return replace(made, key=await self._rows.add(made.key, self._new_id(), ids))

    async def first(self) -> NewKey | None:
        """Make the first start's admin key; None where a key was ever made."""
        made = self._made(FIRST_NAME, Role.ADMIN, None, None)
        return made if await self._rows.add_first(made.key, self._new_id()) else None

    async def check(self, secret: str, before_asking: Callable[[], None] | None = None) -> ApiKey:
        """The key that `secret` is; KeyRequired for one that is unknown, expired or revoked.

        `before_asking` is called, and may refuse, where the database has to be asked.
        """
        if SHAPE.fullmatch(secret) is None:
            message = "this is no key of Buildplate"
            raise KeyRequired(message)
        digest = sha256(secret.encode()).hexdigest()
        key = self._known.known(digest)
        if key is None:
            if before_asking is not None:
                before_asking()
            key = await self._known.find(digest, self._rows.by_hash)
        if key is None or not hmac.compare_digest(key.sha256, digest):
            message = "the key is not known here"
            raise KeyRequired(message)
        if not key.works(self._now()):
            message = "the key was revoked" if key.revoked_at else "the key has expired"
            raise KeyRequired(message)
        return key

    async def rights(self, key_id: str) -> Rights | None:
        """What a key that was checked before opens now; None where it works no longer."""
        key = await self._rows.by_id(key_id)
        works = key is not None and key.works(self._now())
        return (key.role, key.groups) if key is not None and works else None

    def forget(self) -> None:
        """Look every key up anew."""
        self._known.forget()

    async def keys(self) -> list[ApiKey]:
        """Every key ever made, newest first."""
        return await self._rows.every()

    async def revoke(self, key_id: str) -> ApiKey:
        """End a key at once and for good; UnknownKey, LastAdmin."""
        key = await self._rows.revoke(key_id, self._now(), self._new_id())
        self.forget()
        return key

    def _made(self, name: str, role: Role, expires_at: datetime | None, groups: Groups) -> NewKey:
        shown = " ".join(name.split())
        if not shown or len(shown) > LONGEST_NAME or not shown.isprintable():
            message = f"a key's name has 1 to {LONGEST_NAME} visible characters"
            raise InvalidKey(message)
        now = self._now()
        if expires_at is not None and expires_at <= now:
            message = "a new key cannot have expired already"
            raise InvalidKey(message, "Give a time to come as expires_at, or none.")
        _check_groups(role, groups)
        secret = PREFIX + secrets.token_urlsafe(SECRET_BYTES)
        digest = sha256(secret.encode()).hexdigest()
        key = ApiKey(self._new_id(), shown, digest, role, now, expires_at, None, groups)
        return NewKey(key, secret)


def _check_groups(role: Role, groups: Groups) -> None:
    if groups is None:
        return
    if role is Role.ADMIN:
        message = "an admin key manages the whole farm and cannot be confined to groups"
        raise InvalidKey(message, "Leave groups out, or choose operator or viewer.")
    if not 1 <= len(groups) <= MOST_GROUPS or not all(group.strip() for group in groups):
        message = f"groups names 1 to {MOST_GROUPS} printer groups"
        raise InvalidKey(message, "Name the groups as the printers have them; null is all.")
