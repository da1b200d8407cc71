"""The use cases of logging in: sessions by cookie, sessions by tokens, their use and their end."""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256

from buildplate.access.audit import acts_for
from buildplate.access.errors import KeyRequired, LoginFailed, NoSession, UnknownSession
from buildplate.access.limiting import Lockout, RateLimits
from buildplate.access.model import (
    Caller,
    Rights,
    Session,
    SessionKind,
    User,
    caller_of_user,
)
from buildplate.access.passwords import LONGEST, Passwords
from buildplate.access.ports import SessionRows, UserRows
from buildplate.access.remembering import Memory
from buildplate.access.tokens import Tokens
from buildplate.access.user_service import LONGEST_NAME, normal_name

COOKIE_SHAPE = re.compile(r"bps_[A-Za-z0-9_-]{43}")
REFRESH_SHAPE = re.compile(r"bpr_[A-Za-z0-9_-]{43}")
REMEMBERED = 2048
REMEMBERED_S = 5.0


@dataclass(frozen=True, slots=True)
class SessionLives:
    """How long sessions last: in all, and unused."""

    browser: timedelta = timedelta(days=7)
    idle: timedelta = timedelta(hours=12)
    program: timedelta = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """A session by cookie just begun; `secret` is the cookie's value."""

    caller: Caller
    secret: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class TokenPair:
    """A session by tokens, just begun or renewed."""

    access: str
    refresh: str
    expires_in: int


@dataclass(frozen=True, slots=True)
class SessionParts:
    """What logging in works with."""

    users: UserRows
    sessions: SessionRows
    passwords: Passwords
    tokens: Tokens
    limits: RateLimits
    lockout: Lockout
    lives: SessionLives
    now: Callable[[], datetime]
    new_id: Callable[[], str]


class SessionService:
    """Logs users in and out. Of cookies and refresh tokens only the sha256 is kept."""

    def __init__(self, parts: SessionParts) -> None:
        self._parts = parts
        self._known: Memory[tuple[User, Session]] = Memory(REMEMBERED, REMEMBERED_S)
        self._touched: dict[str, datetime] = {}

    def forget(self) -> None:
        """A user was changed: look all up anew."""
        self._known.forget()

    async def login(
        self, name: str, password: str, address: str | None, replaced: str | None = None
    ) -> LoggedIn:
        """Begin a session for a cookie, always with a new secret; `replaced` is the old cookie.

        Raises LoginFailed, TooManyRequests, LoginBusy.
        """
        user = await self._who(name, password, address)
        secret = "bps_" + secrets.token_urlsafe(32)
        session = self._session(user, SessionKind.BROWSER, secret, address)
        caller = caller_of_user(user, session, csrf_of(secret))
        acts_for(caller)
        old = await self._session_of(replaced)
        await self._parts.sessions.start(session, old, user.password_at)
        self.forget()
        return LoggedIn(caller, secret, session.expires_at)

    async def token(self, name: str, password: str, address: str | None) -> TokenPair:
        """Begin a session for a program; raises as `login` does."""
        user = await self._who(name, password, address)
        refresh = "bpr_" + secrets.token_urlsafe(32)
        session = self._session(user, SessionKind.PROGRAM, refresh, address)
        acts_for(caller_of_user(user, session))
        await self._parts.sessions.start(session, None, user.password_at)
        return self._pair(session, refresh)

    async def refresh(self, token: str, address: str | None) -> TokenPair:
        """A new pair for a refresh token, which works once; KeyRequired.

        One that is shown again ends the session: somebody else holds a copy.
        """
        self._parts.limits.login(address)
        if REFRESH_SHAPE.fullmatch(token) is None:
            raise _no_refresh()
        fresh = "bpr_" + secrets.token_urlsafe(32)
        digest = _digest(token)
        found = await self._parts.sessions.by_hash(digest)
        if found is not None:
            acts_for(caller_of_user(*found))
        rotated = await self._parts.sessions.rotate(digest, _digest(fresh), self._parts.now())
        self.forget()
        if rotated.session is None:
            raise _no_refresh()
        return self._pair(rotated.session, fresh)

    async def by_cookie(
        self, secret: str, before_asking: Callable[[], None] | None = None
    ) -> Caller:
        """Whoever holds this cookie; KeyRequired for a session that ended or was never one.

        `before_asking` is called, and may refuse, where the database has to be asked.
        """
        if COOKIE_SHAPE.fullmatch(secret) is None:
            raise _no_session()
        digest = _digest(secret)
        if before_asking is not None and self._known.known(digest) is None:
            before_asking()
        found = await self._known.find(digest, self._parts.sessions.by_hash)
        if found is None or not hmac.compare_digest(found[1].sha256, digest):
            raise _no_session()
        user, session = found
        if session.kind is not SessionKind.BROWSER:
            raise _no_session()
        await self._use(session)
        return caller_of_user(user, session, csrf_of(secret))

    async def by_token(self, token: str) -> Caller:
        """Whoever holds this access token; KeyRequired, also once its session has ended."""
        claims = self._parts.tokens.read(token)
        found = await self._known.find(claims.session_id, self._parts.sessions.by_id)
        if found is None or found[1].user_id != claims.user_id:
            raise _no_session()
        user, session = found
        if session.kind is not SessionKind.PROGRAM or self._parts.now() >= session.expires_at:
            raise _no_session()
        return caller_of_user(user, session)

    async def knows(self, user: User, password: str, address: str | None) -> bool:
        """Whether a user who is logged in knows their password; counted as a login is."""
        parts = self._parts
        parts.limits.login(address)
        parts.lockout.begin(user.name)
        fits = await parts.passwords.fits(user.password, password[: LONGEST + 1])
        if fits:
            parts.lockout.succeeded(user.name)
        return fits

    async def rights(self, session_id: str) -> Rights | None:
        """What the user of a session may do now; None where it goes on no longer.

        The database itself is asked: whoever asks has heard of a change that may be just made.
        """
        found = await self._parts.sessions.by_id(session_id)
        if found is None:
            return None
        user, session = found
        return (user.role, user.groups) if self._goes_on(session) else None

    async def logout(self, caller: Caller) -> None:
        """End the caller's session: its cookie, access and refresh tokens open nothing any more.

        Raises NoSession for whoever came with a key.
        """
        await self._end(_own(caller))

    async def sessions_of(self, caller: Caller) -> list[Session]:
        """The caller's sessions that go on, the one last used first. NoSession as `logout`."""
        _own(caller)
        found = await self._parts.sessions.of_user(caller.id or "")
        going_on = [
            replace(one, seen_at=self._last_use(one)) for one in found if self._goes_on(one)
        ]
        return sorted(going_on, key=lambda one: (one.seen_at, one.id), reverse=True)

    async def end_one(self, caller: Caller, session_id: str) -> None:
        """End one of the caller's sessions; UnknownSession, NoSession as `logout`."""
        if session_id not in {one.id for one in await self.sessions_of(caller)}:
            message = f"you have no session {session_id}"
            raise UnknownSession(message)
        await self._end(session_id)

    async def end_others(self, caller: Caller) -> int:
        """End all sessions of the caller but this one; how many. NoSession as `logout`."""
        others = {one.id for one in await self.sessions_of(caller)} - {_own(caller)}
        for session_id in sorted(others):
            await self._end(session_id)
        return len(others)

    async def _end(self, session_id: str) -> None:
        await self._parts.sessions.end(session_id)
        self._touched.pop(session_id, None)
        self.forget()

    async def _who(self, name: str, password: str, address: str | None) -> User:
        """The user, if the password is right.

        A wrong name, a wrong password and somebody who is disabled look the same.
        """
        parts = self._parts
        parts.limits.login(address)
        shown = normal_name(name)[: LONGEST_NAME + 1]
        parts.lockout.begin(shown)
        user = await parts.users.by_name(shown)
        fits = await parts.passwords.fits(
            None if user is None else user.password, password[: LONGEST + 1]
        )
        if user is None or not fits or user.disabled:
            parts.limits.failed(address)
            message = "this name and this password do not belong together"
            raise LoginFailed(message)
        parts.lockout.succeeded(shown)
        if parts.passwords.outdated(user.password):
            fresh = await parts.passwords.hash(password)
            await parts.users.rehash(user.id, user.password, fresh)
        return user

    def _session(self, user: User, kind: SessionKind, secret: str, address: str | None) -> Session:
        now, lives = self._parts.now(), self._parts.lives
        life = lives.browser if kind is SessionKind.BROWSER else lives.program
        return Session(
            id=self._parts.new_id(),
            user_id=user.id,
            kind=kind,
            sha256=_digest(secret),
            address=address,
            created_at=now,
            seen_at=now,
            expires_at=now + life,
        )

    async def _session_of(self, cookie: str | None) -> str | None:
        if cookie is None or COOKIE_SHAPE.fullmatch(cookie) is None:
            return None
        found = await self._parts.sessions.by_hash(_digest(cookie))
        return None if found is None else found[1].id

    def _pair(self, session: Session, refresh: str) -> TokenPair:
        tokens = self._parts.tokens
        access = tokens.issue(session.user_id, session.id)
        return TokenPair(access, refresh, int(tokens.life.total_seconds()))

    def _last_use(self, session: Session) -> datetime:
        return max(session.seen_at, self._touched.get(session.id, session.seen_at))

    def _is_unused(self, session: Session) -> bool:
        """Whether nobody has made a request with it for too long; an open socket makes none."""
        return self._parts.now() >= self._last_use(session) + self._parts.lives.idle

    def _goes_on(self, session: Session) -> bool:
        unused = session.kind is SessionKind.BROWSER and self._is_unused(session)
        return not unused and self._parts.now() < session.expires_at

    async def _use(self, session: Session) -> None:
        """Refuse a session that ran out, and note now and then that it is used."""
        now, idle = self._parts.now(), self._parts.lives.idle
        if now >= session.expires_at or self._is_unused(session):
            raise _no_session()
        if now >= self._last_use(session) + min(idle / 10, timedelta(minutes=1)):
            while len(self._touched) >= REMEMBERED:
                self._touched.pop(next(iter(self._touched)))
            self._touched[session.id] = now
            await self._parts.sessions.touch(session.id, now)


def _own(caller: Caller) -> str:
    """The session that the caller came with; NoSession."""
    if caller.session_id is None:
        message = "a key has no session"
        raise NoSession(message)
    return caller.session_id


def csrf_of(secret: str) -> str:
    """The CSRF token that belongs to a cookie: nobody knows it without knowing the cookie."""
    return hmac.new(secret.encode(), b"buildplate csrf", sha256).hexdigest()


def _digest(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()


def _no_session() -> KeyRequired:
    return KeyRequired("the session has ended", "Log in again.")


def _no_refresh() -> KeyRequired:
    return KeyRequired("this refresh token does not work, or not any more", "Log in again.")
