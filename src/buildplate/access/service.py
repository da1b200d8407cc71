"""The use cases of API keys: made and shown once, checked at every request, listed, revoked."""

from __future__ import annotations

import hmac
import re
import secrets
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from hashlib import sha256

from buildplate.access.errors import InvalidKey, KeyRequired
from buildplate.access.model import ApiKey, NewKey, Role
from buildplate.access.ports import KeyRows

PREFIX = "bp_"
SECRET_BYTES = 32
SHAPE = re.compile(r"bp_[A-Za-z0-9_-]{43}")
LONGEST_NAME = 100
REMEMBERED = 1024
FIRST_NAME = "first admin"


class KeyService:
    """The farm's API keys. Of a key only its sha256 is kept: 256 random bits need no slow hash.

    Checked keys are remembered, so that most requests ask no database. A revocation in this process
    holds at once; no other process writes keys while this one holds the database.
    """

    def __init__(
        self, rows: KeyRows, now: Callable[[], datetime], new_id: Callable[[], str]
    ) -> None:
        self._rows = rows
        self._now = now
        self._new_id = new_id
        self._known: OrderedDict[str, ApiKey] = OrderedDict()
        self._revocations = 0

    async def create(self, name: str, role: Role, expires_at: datetime | None = None) -> NewKey:
        """Make a key; the answer is the only place where it is ever to be seen. InvalidKey."""
        made = self._made(name, role, expires_at)
        await self._rows.add(made.key, self._new_id())
        return made

    async def first(self) -> NewKey | None:
        """Make the first start's admin key; None where a key was ever made."""
        made = self._made(FIRST_NAME, Role.ADMIN, None)
        return made if await self._rows.add_first(made.key, self._new_id()) else None

    async def check(self, secret: str) -> ApiKey:
        """The key that `secret` is; KeyRequired for one that is unknown, expired or revoked."""
        if SHAPE.fullmatch(secret) is None:
            message = "this is no key of Buildplate"
            raise KeyRequired(message)
        digest = sha256(secret.encode()).hexdigest()
        key = self._known.get(digest)
        if key is None:
            key = await self._look_up(digest)
        if key is None or not hmac.compare_digest(key.sha256, digest):
            message = "the key is not known here"
            raise KeyRequired(message)
        if not key.works(self._now()):
            message = "the key was revoked" if key.revoked_at else "the key has expired"
            raise KeyRequired(message)
        return key

    async def works(self, key: ApiKey) -> bool:
        """Whether a key that was checked before still opens anything."""
        now = self._known.get(key.sha256) or await self._look_up(key.sha256)
        return now is not None and now.works(self._now())

    async def keys(self) -> list[ApiKey]:
        """Every key ever made, newest first."""
        return await self._rows.every()

    async def revoke(self, key_id: str) -> ApiKey:
        """End a key at once and for good; UnknownKey, LastAdmin."""
        key = await self._rows.revoke(key_id, self._now(), self._new_id())
        self._revocations += 1
        self._known.pop(key.sha256, None)
        return key

    async def _look_up(self, digest: str) -> ApiKey | None:
        before = self._revocations
        key = await self._rows.by_hash(digest)
        if key is not None and before == self._revocations:
            self._known[digest] = key
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return key

    def _made(self, name: str, role: Role, expires_at: datetime | None) -> NewKey:
        shown = " ".join(name.split())
        if not shown or len(shown) > LONGEST_NAME or not shown.isprintable():
            message = f"a key's name has 1 to {LONGEST_NAME} visible characters"
            raise InvalidKey(message)
        now = self._now()
        if expires_at is not None and expires_at <= now:
            message = "a new key cannot have expired already"
            raise InvalidKey(message, "Give a time to come as expires_at, or none.")
        secret = PREFIX + secrets.token_urlsafe(SECRET_BYTES)
        digest = sha256(secret.encode()).hexdigest()
        return NewKey(ApiKey(self._new_id(), shown, digest, role, now, expires_at), secret)
