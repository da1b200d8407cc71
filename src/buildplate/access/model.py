"""The values of the access room: roles, API keys, users, sessions, and whoever calls."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

Groups = frozenset[str] | None
"""The printer groups that somebody is confined to; None: the whole farm."""


@dataclass(frozen=True, slots=True)
class Group:
    """A group of printers; printers, jobs, keys and users call it by its name."""

    id: str
    version: int
    name: str
    description: str
    created_at: datetime


class Role(StrEnum):
    """What somebody may do: look; also run the farm's work; also everything else."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    def covers(self, needed: Role) -> bool:
        """Whether this role may do what `needed` may."""
        return _LEVELS[self] >= _LEVELS[needed]


_LEVELS = {role: level for level, role in enumerate(Role)}


class CallerKind(StrEnum):
    """What somebody showed: a key, or that they are a user; or who works beside the server."""

    KEY = "key"
    USER = "user"
    CONSOLE = "console"
    NOBODY = "nobody"


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
    groups: Groups = None

    def works(self, now: datetime) -> bool:
        """Whether the key opens anything at `now`."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made; `secret` is shown this once and kept nowhere."""

    key: ApiKey
    secret: str


@dataclass(frozen=True, slots=True)
class User:
    """A person with a password, of which only a slow hash is kept. Times are aware UTC.

    Whoever is `disabled` has no session and begins none.
    """

    id: str
    version: int
    name: str
    role: Role
    groups: Groups
    password: str
    created_at: datetime
    password_at: datetime
    disabled: bool = False


class SessionKind(StrEnum):
    """Held by a cookie, or by access and refresh tokens."""

    BROWSER = "browser"
    PROGRAM = "program"


@dataclass(frozen=True, slots=True)
class Session:
    """A user who is logged in; `sha256` is the hash of the cookie or of the refresh token."""

    id: str
    user_id: str
    kind: SessionKind
    sha256: str
    address: str | None
    created_at: datetime
    seen_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever makes a request, and what they may do. `csrf` is for sessions held by a cookie."""

    kind: CallerKind
    id: str | None
    name: str
    role: Role
    groups: Groups = None
    session_id: str | None = None
    csrf: str | None = None
    expires_at: datetime | None = None

    def reaches(self, group: str | None) -> bool:
        """Whether what belongs to this printer group is the caller's to see."""
        return self.groups is None or group in self.groups


Rights = tuple[Role, Groups]
"""What somebody may do, and with which printers."""


class Standing(StrEnum):
    """What has become of a caller: they may what they might then, or something else, or nothing."""

    SAME = "same"
    CHANGED = "changed"
    GONE = "gone"


def caller_of_key(key: ApiKey) -> Caller:
    """Whoever shows a key."""
    return Caller(CallerKind.KEY, key.id, key.name, key.role, key.groups, expires_at=key.expires_at)


def caller_of_user(user: User, session: Session, csrf: str | None = None) -> Caller:
    """A user who is logged in."""
    return Caller(
        CallerKind.USER,
        user.id,
        user.name,
        user.role,
        user.groups,
        session.id,
        csrf,
        session.expires_at,
    )
