"""The key file in a backup: only its passphrase opens it, and only in its own backup."""

from __future__ import annotations

import orjson
import pytest

from buildplate.backups import key_sealing
from buildplate.backups.errors import Damaged, WeakPassphrase, WrongPassphrase
from buildplate.backups.key_sealing import open_keys, seal_keys

KEYS = [b"k" * 32, b"l" * 32]
PASSPHRASE = "correct horse battery"


@pytest.fixture(scope="module")
def sealed() -> bytes:
    return seal_keys(KEYS, PASSPHRASE, "one")


def test_the_passphrase_opens_what_it_sealed(sealed: bytes) -> None:
    assert open_keys(sealed, PASSPHRASE, "one") == KEYS


def test_nothing_else_opens_it(sealed: bytes) -> None:
    with pytest.raises(WrongPassphrase):
        open_keys(sealed, PASSPHRASE + " ", "one")
    with pytest.raises(WrongPassphrase):
        open_keys(sealed, PASSPHRASE, "another backup")


def test_neither_keys_nor_passphrase_stand_in_it(sealed: bytes) -> None:
    assert PASSPHRASE.encode() not in sealed
    assert b"kkkk" not in sealed
    assert b"a2tra2tr" not in sealed, "base64 of the key"


def test_it_costs_whoever_guesses_memory_and_time(sealed: bytes) -> None:
    told = orjson.loads(sealed)
    assert told["kdf"] == "argon2id"
    assert told["memory_kib"] >= 64 * 1024
    assert told["passes"] >= 3


@pytest.mark.parametrize("cost", [{"memory_kib": 1 << 30}, {"passes": 10_000}, {"lanes": 0}])
def test_a_cost_that_no_backup_has_is_refused_unpaid(sealed: bytes, cost: dict[str, int]) -> None:
    with pytest.raises(Damaged):
        open_keys(orjson.dumps(orjson.loads(sealed) | cost), PASSPHRASE, "one")


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"kdf": 1}'])
def test_what_is_no_sealed_key_file_is_damaged(content: bytes) -> None:
    with pytest.raises(Damaged):
        open_keys(content, PASSPHRASE, "one")


def test_a_short_passphrase_is_refused() -> None:
    for passphrase in ("", "x" * (key_sealing.SHORTEST - 1), "x" * (key_sealing.LONGEST + 1)):
        with pytest.raises(WeakPassphrase):
            seal_keys(KEYS, passphrase, "one")
