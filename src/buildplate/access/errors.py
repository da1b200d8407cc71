"""What can go wrong with keys, users and sessions, each case with a stable code and a hint."""

from __future__ import annotations


class AccessError(Exception):
    """Something about a key, a user or a session was refused."""

    code = "access_error"
    hint = "Look at the keys and users and try again."

    def __init__(self, detail: str, hint: str | None = None) -> None:
        super().__init__(detail)
        if hint is not None:
            self.hint = hint


class KeyRequired(AccessError):
    """No key, token or session was shown, or one that does not work: show a valid one."""

    code = "key_required"
    hint = "Send a valid key as X-Api-Key, or as Authorization: Bearer; or log in."


class NoCredential(KeyRequired):
    """Nothing was shown at all."""


class LoginFailed(AccessError):
    """Name and password do not belong together; which of them is wrong is not told."""

    code = "login_failed"
    hint = "Check the name and the password; an administrator can set a new one."


class RoleTooLow(AccessError):
    """The caller is known, but its role does not cover this: ask somebody with a higher one."""

    code = "role_too_low"
    hint = "Ask an administrator for a key with a higher role."


class ScopeTooNarrow(AccessError):
    """The caller is confined to printer groups, and this concerns the whole farm."""

    code = "scope_too_narrow"
    hint = "Use a key or a user that is not confined to printer groups."


class CsrfRefused(AccessError):
    """A change with a cookie came from elsewhere, or without its CSRF token."""

    code = "csrf_refused"
    hint = "Send X-CSRF-Token as /api/v1/me tells it, from a page of this server."


class TooManyRequests(AccessError):
    """Too much from one caller, or too many failed tries: wait as long as Retry-After says."""

    code = "too_many_requests"
    hint = "Wait for the seconds that Retry-After names, then try again."

    def __init__(self, detail: str, retry_after: float) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class LoginBusy(AccessError):
    """So many passwords are being checked that no more are taken now: try again soon."""

    code = "login_busy"
    hint = "Try again in a few seconds."


class NoSession(AccessError):
    """There is no session that could be ended: a key is revoked, not logged out."""

    code = "no_session"
    hint = "Only users log out; revoke a key with DELETE /api/v1/keys/{id}."


class UnknownSession(AccessError):
    """None of the caller's own sessions has this id."""

    code = "session_not_found"
    hint = "List your sessions to see their ids; it may have ended by itself."


class UnknownKey(AccessError):
    """No key has this id."""

    code = "key_not_found"
    hint = "List the keys to see their ids."


class InvalidKey(AccessError):
    """The description of a new key cannot be right."""

    code = "invalid_key"
    hint = "Correct the named field."


class LastAdmin(AccessError):
    """The key is the last one that can manage the farm: make another first."""

    code = "last_admin_key"
    hint = "Make another admin key without an expiry, or an admin user, then revoke this one."


class UnknownGroup(AccessError):
    """No printer group has this id."""

    code = "group_not_found"
    hint = "List the groups to see their ids."


class GroupExists(AccessError):
    """Another group has this name, or one that differs in case alone."""

    code = "group_exists"
    hint = "Choose another name, or use the group that has this one."


class GroupChanged(AccessError):
    """The group was changed in the meantime: read again and repeat the change."""

    code = "version_mismatch"
    hint = "Read the group again and repeat the change on what it is now."


class GroupInUse(AccessError):
    """Printers belong to the group, or somebody is confined to it."""

    code = "group_in_use"
    hint = "Give its printers another group, and its keys and users others, then remove it."


class UnknownUser(AccessError):
    """No user has this id."""

    code = "user_not_found"
    hint = "List the users to see their ids."


class InvalidUser(AccessError):
    """The description of a user cannot be right."""

    code = "invalid_user"
    hint = "Correct the named field."


class UserExists(AccessError):
    """The name is taken: every user has one of their own."""

    code = "user_exists"
    hint = "Choose another name, or change the user who has this one."


class UserChanged(AccessError):
    """The user was changed in the meantime: read again and repeat the change."""

    code = "version_mismatch"
    hint = "Read the user again and repeat the change on what it is now."


class LastAdminUser(AccessError):
    """The user is the last administrator: nobody could manage the farm without them."""

    code = "last_admin_user"
    hint = "Make another user an admin first."


class SetupDone(AccessError):
    """The set-up link was used, has run out, or never was one."""

    code = "setup_refused"
    hint = "Start the server again for a new link, or make a user with `buildplate user add`."
