"""Access tokens (JWT, RFC 7519): short-lived, signed with one algorithm, and with a session behind.

The signature says only which user and session a token is for; both are looked up at each request,
so that a logout, a new role or a new password holds at once.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from buildplate.access.errors import KeyRequired

ALGORITHM = "HS256"
TYPE = "at+jwt"
ISSUER = "buildplate"
SHORTEST_SECRET = 32
LONGEST_TOKEN = 4096
SECRET_FILE = "jwt.key"  # noqa: S105 (a file's name)
_LIFE = jwt.JWTClaimsRegistry
ESSENTIAL = jwt.ClaimsOption(essential=True)


@dataclass(frozen=True, slots=True)
class TokenSecrets:
    """What tokens are signed with, and what they were signed with before the last rotation."""

    present: str
    previous: str | None = None

    def __repr__(self) -> str:
        return "TokenSecrets(…)"


@dataclass(frozen=True, slots=True)
class Claims:
    """What a valid token says."""

    user_id: str
    session_id: str


class Tokens:
    """Signs and reads access tokens.

    A token of the previous secret counts only if it was made before this process began, so the old
    secret is of no use to anybody once one `life` has passed.
    """

    def __init__(self, found: TokenSecrets, life: timedelta, now: Callable[[], datetime]) -> None:
        self.life = life
        self._now = now
        self._began = now()
        self._present = OctKey.import_key(found.present)
        self._previous = None if found.previous is None else OctKey.import_key(found.previous)

    def issue(self, user_id: str, session_id: str) -> str:
        """A token for a session, good for `life`."""
        made = int(self._now().timestamp())
        claims = {
            "iss": ISSUER,
            "sub": user_id,
            "sid": session_id,
            "iat": made,
            "exp": made + int(self.life.total_seconds()),
            "jti": secrets.token_urlsafe(12),
        }
        header = {"alg": ALGORITHM, "typ": TYPE}
        return jwt.encode(header, claims, self._present, algorithms=[ALGORITHM])

    def read(self, token: str) -> Claims:
        """What a token says; KeyRequired for one that is forged, foreign or has run out."""
        claims = self._claims(token) if len(token) <= LONGEST_TOKEN else None
        if claims is None:
            message = "this is no valid access token, or it has run out"
            raise KeyRequired(message, "Get a new one with POST /api/v1/auth/refresh, or log in.")
        return Claims(str(claims["sub"]), str(claims["sid"]))

    def _claims(self, token: str) -> dict[str, Any] | None:
        found = self._signed(token, self._present)
        if found is None and self._previous is not None:
            found = self._signed(token, self._previous)
            if found is not None and found["iat"] > self._began.timestamp():
                return None
        return found

    def _signed(self, token: str, key: OctKey) -> dict[str, Any] | None:
        now = int(self._now().timestamp())
        registry = _LIFE(
            now=now,
            iss={"essential": True, "value": ISSUER},
            sub=ESSENTIAL,
            sid=ESSENTIAL,
            iat=ESSENTIAL,
            exp=ESSENTIAL,
        )
        try:
            found = jwt.decode(token, key, algorithms=[ALGORITHM])
            registry.validate(found.claims)
        except (JoseError, ValueError, TypeError):
            return None
        # No token lives longer than it may, whatever it says itself.
        life = int(self.life.total_seconds())
        claims: dict[str, Any] = found.claims
        right = found.header.get("typ") == TYPE and claims["exp"] - claims["iat"] <= life
        return claims if right and now < claims["exp"] else None


def kept_secret(folder: Path) -> str:
    """The secret in the data folder; made there, readable by its owner only, if there is none.

    Raises PermissionError for a file that others may read.
    """
    path = folder / SECRET_FILE
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            message = f"{path} may be read by others; run: chmod 600 {path}"
            raise PermissionError(message) from None
        found = path.read_text(encoding="ascii").strip()
        if len(found) >= SHORTEST_SECRET:
            return found
        path.unlink()  # cut short by a crash while it was made
        return kept_secret(folder)
    made = secrets.token_urlsafe(48)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(made + "\n")
        file.flush()
        os.fsync(file.fileno())
    return made
