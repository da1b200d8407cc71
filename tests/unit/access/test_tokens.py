"""Access tokens over a clock that tests set: how long they last, and the change of the secret."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from buildplate.access.errors import KeyRequired
from buildplate.access.tokens import (
    ISSUER,
    TYPE,
    Claims,
    Tokens,
    TokenSecrets,
    kept_secret,
)

OLD, NEW = "o" * 32, "n" * 32
LIFE = timedelta(minutes=15)


class Watch:
    now = datetime(2030, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def test_a_token_lasts_its_life_and_no_longer() -> None:
    watch = Watch()
    tokens = Tokens(TokenSecrets(NEW), LIFE, watch)
    token = tokens.issue("ann", "session")
    watch.now += LIFE - timedelta(seconds=1)
    assert tokens.read(token) == Claims("ann", "session")
    watch.now += timedelta(seconds=1)
    with pytest.raises(KeyRequired):
        tokens.read(token)


def test_a_change_of_the_secret_ends_no_session_and_the_old_one_ends_with_its_tokens() -> None:
    watch = Watch()
    before = Tokens(TokenSecrets(OLD), LIFE, watch)
    token = before.issue("ann", "session")
    watch.now += timedelta(minutes=5)
    after = Tokens(TokenSecrets(NEW, OLD), LIFE, watch)
    assert after.read(token) == Claims("ann", "session")
    fresh = after.issue("ann", "session")
    assert Tokens(TokenSecrets(NEW), LIFE, watch).read(fresh) == Claims("ann", "session")
    with pytest.raises(KeyRequired):
        Tokens(TokenSecrets(NEW), LIFE, watch).read(token)
    watch.now += timedelta(minutes=1)
    with pytest.raises(KeyRequired):
        after.read(before.issue("ann", "session"))  # whoever knows the old secret makes a new token
    watch.now += timedelta(minutes=9)
    with pytest.raises(KeyRequired):
        after.read(token)


def signed(header: dict[str, Any], claims: dict[str, Any], secret: str = NEW) -> str:
    """A token as somebody who knows the secret could sign it."""
    algorithm = header["alg"]
    return jwt.encode(header, claims, OctKey.import_key(secret), algorithms=[algorithm])


WRONG: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "another kind of token": ({"typ": "JWT"}, {}),
    "no kind at all": ({"typ": None}, {}),
    "another algorithm": ({"alg": "HS512"}, {}),
    "another issuer": ({}, {"iss": "somebody"}),
    "a longer life than a token may have": ({}, {"exp": LIFE.total_seconds() + 1}),
    "no session": ({}, {"sid": None}),
    "no user": ({}, {"sub": None}),
    "no time of making": ({}, {"iat": None}),
    "no end": ({}, {"exp": None}),
}


@pytest.mark.parametrize("what", ["all as it should be", *WRONG])
def test_a_token_signed_with_the_secret_has_to_be_one_of_ours_in_every_word(what: str) -> None:
    watch = Watch()
    made = int(watch.now.timestamp())
    other_header, other_claims = WRONG.get(what, ({}, {}))
    header = {"alg": "HS256", "typ": TYPE} | other_header
    end = made + int(other_claims.get("exp") or LIFE.total_seconds())
    claims = {"iss": ISSUER, "sub": "ann", "sid": "s", "iat": made, "exp": end}
    claims |= {name: value for name, value in other_claims.items() if name != "exp" or not value}
    token = signed(
        {name: value for name, value in header.items() if value is not None},
        {name: value for name, value in claims.items() if value is not None},
    )
    tokens = Tokens(TokenSecrets(NEW), LIFE, watch)
    if what in WRONG:
        with pytest.raises(KeyRequired):
            tokens.read(token)
    else:
        assert tokens.read(token) == Claims("ann", "s")


def test_a_secret_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    made = kept_secret(tmp_path)
    assert kept_secret(tmp_path) == made
    (path,) = tmp_path.iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o640)
    with pytest.raises(PermissionError, match="chmod 600"):
        kept_secret(tmp_path)


def test_a_secret_that_a_crash_cut_short_is_made_again(tmp_path: Path) -> None:
    made = kept_secret(tmp_path)
    (path,) = tmp_path.iterdir()
    path.write_text("")
    assert kept_secret(tmp_path) not in ("", made)


def test_secrets_are_not_shown() -> None:
    assert NEW not in repr(TokenSecrets(NEW, OLD))
