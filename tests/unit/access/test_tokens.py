"""Access tokens over a clock that tests set: how long they last, and the change of the secret."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from buildplate.access.errors import KeyRequired
from buildplate.access.tokens import Claims, Tokens, TokenSecrets, kept_secret

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
