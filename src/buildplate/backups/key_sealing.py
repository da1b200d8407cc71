"""The key file in a backup: sealed by a passphrase, so that the backup alone opens nothing.

Argon2id (RFC 9106, its second recommended choice: 3 passes over 64 MiB) makes a key of the
passphrase and a random salt; AES-256-GCM seals with it. The backup's id is authenticated, too.
"""

from __future__ import annotations

import os
from base64 import b64decode, b64encode
from collections.abc import Sequence

import orjson
from argon2.exceptions import HashingError
from argon2.low_level import Type, hash_secret_raw
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from buildplate.backups.errors import Damaged, WeakPassphrase, WrongPassphrase

SHORTEST = 12
LONGEST = 1000
KEY_BYTES = 32
PASSES, MEMORY_KIB, LANES = 3, 65_536, 4
MOST_PASSES, MOST_MEMORY_KIB, MOST_LANES = 16, 1 << 20, 16
SALT_BYTES, NONCE_BYTES = 16, 12
NOT_THIS_ONE = "the passphrase does not open the key file"
UNREADABLE = "the sealed key file cannot be read"


def check_passphrase(passphrase: str) -> None:
    """Refuse one that is too short to guard anything. WeakPassphrase."""
    if not SHORTEST <= len(passphrase) <= LONGEST:
        message = f"a passphrase has {SHORTEST} to {LONGEST} characters"
        raise WeakPassphrase(message)


def seal_keys(keys: Sequence[bytes], passphrase: str, backup_id: str) -> bytes:
    """The keys as a backup holds them. WeakPassphrase. Takes a moment, and 64 MiB."""
    check_passphrase(passphrase)
    salt, nonce = os.urandom(SALT_BYTES), os.urandom(NONCE_BYTES)
    key = _derived(passphrase, salt, PASSES, MEMORY_KIB, LANES)
    plain = orjson.dumps([b64encode(one).decode() for one in keys])
    return orjson.dumps(
        {
            "kdf": "argon2id",
            "passes": PASSES,
            "memory_kib": MEMORY_KIB,
            "lanes": LANES,
            "salt": b64encode(salt).decode(),
            "nonce": b64encode(nonce).decode(),
            "sealed": b64encode(AESGCM(key).encrypt(nonce, plain, _bound(backup_id))).decode(),
        }
    )


def open_keys(sealed: bytes, passphrase: str, backup_id: str) -> list[bytes]:
    """What `seal_keys` sealed. WrongPassphrase, Damaged."""
    try:
        told = orjson.loads(sealed)
        cost = (int(told["passes"]), int(told["memory_kib"]), int(told["lanes"]))
        salt, nonce = b64decode(told["salt"]), b64decode(told["nonce"])
        closed, kdf = b64decode(told["sealed"]), told["kdf"]
    except (ValueError, KeyError, TypeError):
        raise Damaged(UNREADABLE) from None
    most = (MOST_PASSES, MOST_MEMORY_KIB, MOST_LANES)
    if kdf != "argon2id" or any(one > limit for one, limit in zip(cost, most, strict=True)):
        raise Damaged(UNREADABLE)
    try:
        key = _derived(passphrase, salt, *cost)
        plain = AESGCM(key).decrypt(nonce, closed, _bound(backup_id))
    except InvalidTag:
        raise WrongPassphrase(NOT_THIS_ONE) from None
    except (HashingError, ValueError):
        raise Damaged(UNREADABLE) from None
    return [b64decode(one) for one in orjson.loads(plain)]


def _derived(passphrase: str, salt: bytes, passes: int, memory: int, lanes: int) -> bytes:
    return hash_secret_raw(
        passphrase.encode(),
        salt,
        time_cost=passes,
        memory_cost=memory,
        parallelism=lanes,
        hash_len=KEY_BYTES,
        type=Type.ID,
    )


def _bound(backup_id: str) -> bytes:
    """What a sealed key file is bound to."""
    return b"buildplate backup key 1\0" + backup_id.encode()
