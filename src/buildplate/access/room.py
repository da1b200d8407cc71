"""The whole of the access room, as the surface and the command line get it."""

from __future__ import annotations

from dataclasses import dataclass, field

from buildplate.access.audit_repository import AuditWriter
from buildplate.access.group_service import GroupService
from buildplate.access.limiting import RateLimits
from buildplate.access.model import Caller, Standing
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
        """Whether somebody who was let in a while ago would be let in again, to the same."""
        return await self.standing(caller) is Standing.SAME

    async def standing(self, caller: Caller) -> Standing:
        """What has become of somebody who was let in a while ago."""
        now = None
        if caller.session_id is not None:
            now = await self.sessions.rights(caller.session_id)
        elif caller.id is not None:
            now = await self.keys.rights(caller.id)
        if now is None:
            return Standing.GONE
        return Standing.SAME if now == (caller.role, caller.groups) else Standing.CHANGED
