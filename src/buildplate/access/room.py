"""The whole of the access room, as the surface and the command line get it."""

from __future__ import annotations

from dataclasses import dataclass, field

from buildplate.access.audit_repository import AuditWriter
from buildplate.access.group_service import GroupService
from buildplate.access.limiting import RateLimits
from buildplate.access.model import Caller
from buildplate.access.passwords import Passwords
from buildplate.access.service import KeyService
from buildplate.access.session_service import SessionService
from buildplate.access.user_service import UserService


@dataclass(frozen=True, slots=True)
class AccessRoom:
    """Who may call, how often, and what they did."""

    keys: KeyService
    users: UserService
    groups: GroupService
    sessions: SessionService
    limits: RateLimits
    audit: AuditWriter
    passwords: Passwords = field(repr=False)

    async def still(self, caller: Caller) -> bool:
        """Whether somebody who was let in a while ago would be let in again."""
        if caller.session_id is not None:
            return await self.sessions.lives(caller)
        return caller.id is not None and await self.keys.works(caller.id)
