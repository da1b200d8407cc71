"""Joins the access room: keys, users, sessions, limits and the audit of one farm."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from buildplate.access.audit_repository import AuditWriter
from buildplate.access.group_repository import SqlGroups
from buildplate.access.group_service import GroupService
from buildplate.access.limiting import Lockout, RateLimits, Rates
from buildplate.access.passwords import Passwords
from buildplate.access.repository import SqlKeys
from buildplate.access.room import AccessRoom
from buildplate.access.service import KeyService
from buildplate.access.session_service import SessionLives, SessionParts, SessionService
from buildplate.access.tokens import Tokens, TokenSecrets, kept_secret
from buildplate.access.user_repository import SqlSessions, SqlUsers
from buildplate.access.user_service import UserService
from buildplate.app.settings import Settings, SettingsError
from buildplate.storage import Storage


def access_room(
    settings: Settings,
    storage: Storage,
    now: Callable[[], datetime],
    new_id: Callable[[], str],
) -> AccessRoom:
    """The room over this storage, whose writes it watches from now on. SettingsError."""
    users = SqlUsers(storage)
    passwords = Passwords()
    limits = RateLimits(_rates(settings))
    life = timedelta(seconds=settings.access_token_seconds)
    try:
        tokens = Tokens(_secrets(settings), life, now)
    except ValueError as error:
        message = f"JWT_SECRET_KEY cannot be used: {error}"
        raise SettingsError(message) from None
    sessions = SessionService(
        SessionParts(
            users=users,
            sessions=SqlSessions(storage),
            passwords=passwords,
            tokens=tokens,
            limits=limits,
            lockout=Lockout(),
            lives=_lives(settings),
            now=now,
            new_id=new_id,
        )
    )
    audit = AuditWriter(storage, now, new_id)
    storage.on_write = audit.watched
    keys = KeyService(SqlKeys(storage), now, new_id)
    return AccessRoom(
        keys=keys,
        groups=GroupService(SqlGroups(storage), now, new_id, (keys, sessions)),
        users=UserService(users, passwords, now, new_id, sessions),
        sessions=sessions,
        limits=limits,
        audit=audit,
        passwords=passwords,
    )


def _lives(settings: Settings) -> SessionLives:
    return SessionLives(
        browser=timedelta(seconds=settings.session_seconds),
        idle=timedelta(seconds=settings.session_idle_seconds),
        program=timedelta(seconds=settings.refresh_token_seconds),
    )


def _rates(settings: Settings) -> Rates:
    return Rates(
        caller=settings.requests_per_minute,
        address=settings.open_requests_per_minute,
        failures=settings.failures_per_minute,
        logins=settings.logins_per_minute,
    )


def _secrets(settings: Settings) -> TokenSecrets:
    previous = settings.jwt_previous_secret_key or None
    if settings.jwt_secret_key:
        return TokenSecrets(settings.jwt_secret_key, previous)
    try:
        return TokenSecrets(kept_secret(settings.data_dir), previous)
    except OSError as error:
        raise SettingsError(str(error)) from None
