"""What the access room needs from others: rows of keys, users and sessions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from buildplate.access.model import ApiKey, Group, Session, User
from buildplate.storage import Tx


class KeyRows(Protocol):
    """The rows of the keys. Every call is one transaction, durable when it returns."""

    async def add(self, key: ApiKey, event_id: str, ids: Sequence[str]) -> ApiKey:
        """Stores a new key; groups that it names first are made, with two of the ids each."""
        ...

    async def add_first(self, key: ApiKey, event_id: str) -> bool:
        """Stores the key if there is none at all, revoked ones counted; whether it did."""
        ...

    async def by_hash(self, sha256: str) -> ApiKey | None:
        """The key with this hash."""
        ...

    async def by_id(self, key_id: str) -> ApiKey | None:
        """The key with this id."""
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


class GroupFollower(Protocol):
    """A room in which groups are called by their names."""

    async def renamed(self, tx: Tx, old: str, new: str) -> None:
        """Joins a rename, after the group's own row was changed."""
        ...

    async def left(self, tx: Tx, name: str) -> None:
        """Joins a removal, before the group's own row goes; GroupInUse."""
        ...

    async def settled(self) -> None:
        """The change is stored: what is remembered of groups is read anew."""
        ...


class GroupRows(Protocol):
    """The rows of the groups. Every call is one transaction, durable when it returns."""

    async def add(self, group: Group, event_id: str) -> None:
        """Stores a new group; GroupExists."""
        ...

    async def by_id(self, group_id: str) -> Group:
        """The group with this id; UnknownGroup."""
        ...

    async def every(self) -> list[Group]:
        """All groups, by name."""
        ...

    async def edit(
        self, group: Group, followers: Sequence[GroupFollower], event_id: str, at: datetime
    ) -> Group:
        """Writes a changed group, and its name everywhere.

        Raises UnknownGroup, GroupChanged, GroupExists.
        """
        ...

    async def remove(
        self, group: Group, followers: Sequence[GroupFollower], event_id: str, at: datetime
    ) -> None:
        """Deletes a group; UnknownGroup, GroupChanged, GroupInUse."""
        ...


class UserRows(Protocol):
    """The rows of the users. Every call is one transaction, durable when it returns."""

    async def add(self, user: User, event_id: str, ids: Sequence[str]) -> User:
        """Stores a new user, and groups as `KeyRows.add` does; UserExists."""
        ...

    async def by_id(self, user_id: str) -> User:
        """The user with this id; UnknownUser."""
        ...

    async def by_name(self, name: str) -> User | None:
        """The user with this name."""
        ...

    async def every(self) -> list[User]:
        """All users, by name."""
        ...

    async def edit(self, user: User, event_id: str, at: datetime, ids: Sequence[str]) -> User:
        """Writes a changed user, and groups as `KeyRows.add` does.

        A new password ends the user's sessions, and so does it to be disabled.

        Raises UnknownUser, UserChanged, LastAdminUser.
        """
        ...

    async def remove(self, user_id: str, event_id: str, at: datetime) -> User:
        """Deletes a user with all sessions; UnknownUser, LastAdminUser."""
        ...

    async def rehash(self, user_id: str, old: str, new: str) -> None:
        """Keeps the same password under a newer hash."""
        ...

    async def offer_setup(self, sha256: str, expires_at: datetime) -> bool:
        """Keeps a set-up link's hash, unless somebody manages the farm; whether it was."""
        ...

    async def take_setup(self, sha256: str | None, user: User, event_id: str) -> None:
        """Stores the first administrator; SetupDone."""
        ...

    async def setup_works(self, sha256: str, at: datetime) -> bool:
        """Whether a set-up link would be taken."""
        ...


class Rotation(Protocol):
    """What became of a refresh token."""

    @property
    def session(self) -> Session | None:
        """The session that goes on; None where the token does not work."""
        ...


class SessionRows(Protocol):
    """The rows of the sessions. Every call is one transaction, durable when it returns."""

    async def start(self, session: Session, ends: str | None, password_at: datetime) -> None:
        """Stores a session in the place of another one, if the password is still that of then.

        Raises UnknownUser, LoginFailed.
        """
        ...

    async def by_id(self, session_id: str) -> tuple[User, Session] | None:
        """The session with this id, and whose it is."""
        ...

    async def by_hash(self, sha256: str) -> tuple[User, Session] | None:
        """The session with this cookie or refresh token, and whose it is."""
        ...

    async def of_user(self, user_id: str) -> list[Session]:
        """The sessions of a user, the newest first."""
        ...

    async def touch(self, session_id: str, at: datetime) -> None:
        """Notes that a session was used."""
        ...

    async def end(self, session_id: str) -> None:
        """Deletes a session."""
        ...

    async def rotate(self, old: str, new: str, at: datetime) -> Rotation:
        """Spends a refresh token; one that was spent before ends its session."""
        ...
