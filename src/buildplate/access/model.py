"""The values of the access room: roles, API keys, and whoever shows one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Role(StrEnum):
    """What a key may do: look; also run the farm's work; also everything else."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    def covers(self, needed: Role) -> bool:
        """Whether this role may do what `needed` may."""
        return _LEVELS[self] >= _LEVELS[needed]


_LEVELS = {role: level for level, role in enumerate(Role)}


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it is kept: its hash, never the key itself. Times are aware UTC."""

    id: str
    name: str
    sha256: str
    role: Role
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def works(self, now: datetime) -> bool:
        """Whether the key opens anything at `now`."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made; `secret` is shown this once and kept nowhere."""

    key: ApiKey
    secret: str
