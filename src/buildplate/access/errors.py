"""What can go wrong with API keys, each case with a stable code and what to do next."""

from __future__ import annotations


class AccessError(Exception):
    """Something about a key was refused."""

    code = "access_error"
    hint = "Look at the keys and try again."

    def __init__(self, detail: str, hint: str | None = None) -> None:
        super().__init__(detail)
        if hint is not None:
            self.hint = hint


class KeyRequired(AccessError):
    """No key was shown, or one that does not work: show a valid one."""

    code = "key_required"
    hint = "Send a valid key as X-Api-Key, or as Authorization: Bearer."


class RoleTooLow(AccessError):
    """The key works, but its role does not cover this: use another key."""

    code = "role_too_low"
    hint = "Ask an administrator for a key with a higher role."


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
    hint = "Make another admin key without an expiry first, then revoke this one."
