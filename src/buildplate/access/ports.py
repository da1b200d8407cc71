"""What the access room needs from others: rows of keys."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from buildplate.access.model import ApiKey


class KeyRows(Protocol):
    """The rows of the keys. Every call is one transaction, durable when it returns."""

    async def add(self, key: ApiKey, event_id: str) -> None:
        """Stores a new key."""
        ...

    async def add_first(self, key: ApiKey, event_id: str) -> bool:
        """Stores the key if there is none at all, revoked ones counted; whether it did."""
        ...

    async def by_hash(self, sha256: str) -> ApiKey | None:
        """The key with this hash."""
        ...

    async def every(self) -> list[ApiKey]:
        """All keys, newest first, the revoked ones too."""
        ...

    async def revoke(self, key_id: str, at: datetime, event_id: str) -> ApiKey:
        """Revokes a key; one that is revoked already stays as it is.

        Raises:
            UnknownKey: there is none with this id.
            LastAdmin: no other admin key would be left that works for good.
        """
        ...
