"""Sealing the secrets of printers' connections: what the database holds of them, nobody can read.

AES-256-GCM with a random nonce (NIST SP 800-38D); printer and field are authenticated with it, so
a sealed value opens nowhere but where it was put. A secret is opened only to make a driver.
"""

from __future__ import annotations

import hashlib
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from buildplate.drivers.sdk import AuthRequired, BadConnectionSettings
from buildplate.storage import from_json, to_json

KEY_BYTES = 32
NONCE_BYTES = 12
MARK = "$sealed"


@dataclass(frozen=True, slots=True)
class Sealed:
    """A secret as the database holds it: the name of the key that opens it, and the rest."""

    key_name: str
    token: str = field(repr=False)


class SecretLocked(AuthRequired):
    """A stored secret cannot be opened with the keys at hand: it has to be entered again."""

    code = "secret_locked"
    hint = "Enter the printer's key again, or put back the key file that belongs to this database."


def key_name(key: bytes) -> str:
    """What a key is called beside what it sealed; says nothing of the key itself."""
    return hashlib.sha256(b"buildplate key name\0" + key).hexdigest()[:16]


def _nobody(_: Any) -> None:
    pass


class Seals:
    """Seals with the first key, opens with all of them.

    Without a key nothing opens and nothing can be sealed; `trouble` says why there is none.
    `opened` is told each secret that is sealed or opened here, to keep it out of the log.
    """

    def __init__(
        self,
        keys: Sequence[bytes],
        trouble: str = "",
        opened: Callable[[Any], None] = _nobody,
    ) -> None:
        self._told = opened
        self._ciphers = {key_name(key): AESGCM(key) for key in keys}
        self._present = next(iter(self._ciphers), None)
        self._trouble = trouble

    @property
    def present(self) -> str | None:
        """The name of the key that seals; None where there is none."""
        return self._present

    @property
    def trouble(self) -> str:
        """Why there is no key; empty where there is one."""
        return self._trouble

    def opens(self, value: Sealed) -> bool:
        """Whether the key is at hand that the value was sealed with."""
        return value.key_name in self._ciphers

    def seal(
        self,
        printer_id: str,
        connection: Mapping[str, Any],
        secrets: Iterable[str],
        before: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """The connection with each of its secrets sealed; those that are sealed stay as they are.

        A secret that `before` holds already is left as it stands there. SecretLocked without a key.
        """
        result = dict(connection)
        for name, value in connection.items():
            if name in secrets:
                result[name] = self._sealed(printer_id, name, value, (before or {}).get(name))
            elif isinstance(value, Mapping) and MARK in value:
                message = f"{name}: {MARK} is no field of a connection"
                raise BadConnectionSettings(message)
        return result

    def open(self, printer_id: str, connection: Mapping[str, Any]) -> dict[str, Any]:
        """The connection as its driver takes it; SecretLocked where a key is missing."""
        return {
            name: self._opened(printer_id, name, value) if isinstance(value, Sealed) else value
            for name, value in connection.items()
        }

    def renewed(
        self, printer_id: str, connection: Mapping[str, Any], secrets: Iterable[str] | None
    ) -> dict[str, Any]:
        """The connection with exactly its secrets sealed, and those with the present key.

        `secrets` None: nobody knows which they are, so everything plain is sealed. What cannot be
        opened stays as it is, and so does everything where there is no key.
        """
        if self._present is None:
            return dict(connection)
        result = dict(connection)
        for name, value in connection.items():
            if isinstance(value, Sealed):
                result[name] = self._renewed(printer_id, name, value, secrets)
            elif secrets is None or name in secrets:
                result[name] = self._sealed(printer_id, name, value, None)
        return result

    def _renewed(
        self, printer_id: str, name: str, value: Sealed, secrets: Iterable[str] | None
    ) -> Any:
        try:
            plain = self._opened(printer_id, name, value)
        except SecretLocked:
            return value
        if secrets is not None and name not in secrets:
            return plain
        if value.key_name == self._present:
            return value
        return self._sealed(printer_id, name, plain, None)

    def _sealed(self, printer_id: str, name: str, value: Any, before: Any) -> Any:
        if value is None or isinstance(value, Sealed):
            return value
        if self._present is None:
            message = f"the secret {name} cannot be stored: {self._trouble}"
            raise SecretLocked(message, NO_KEY)
        if isinstance(before, Sealed) and self._is(printer_id, name, before, value):
            return before
        self._told(value)
        nonce = os.urandom(NONCE_BYTES)
        plain = to_json(value).encode()
        closed = self._ciphers[self._present].encrypt(nonce, plain, _place(printer_id, name))
        return Sealed(self._present, urlsafe_b64encode(nonce + closed).decode())

    def _is(self, printer_id: str, name: str, sealed: Sealed, value: Any) -> bool:
        try:
            return bool(self._opened(printer_id, name, sealed) == value)
        except SecretLocked:
            return False

    def _opened(self, printer_id: str, name: str, value: Sealed) -> Any:
        cipher = self._ciphers.get(value.key_name)
        if cipher is None:
            why = self._trouble or "it was sealed with a key that is not in the key file"
            message = f"the secret {name} cannot be opened: {why}"
            raise SecretLocked(message, NO_KEY if self._present is None else None)
        try:
            token = urlsafe_b64decode(value.token)
            nonce, closed = token[:NONCE_BYTES], token[NONCE_BYTES:]
            plain = cipher.decrypt(nonce, closed, _place(printer_id, name))
        except (InvalidTag, ValueError):
            message = f"the secret {name} is damaged or belongs to another printer"
            raise SecretLocked(message) from None
        found = from_json(plain.decode())
        self._told(found)
        return found


NO_KEY = (
    "Put the key file back that belongs to this database and restart. If it is lost for good, stop "
    "the server, run `buildplate --data-dir DIR key-file replace`, and enter each printer's key "
    "again."
)


def _place(printer_id: str, name: str) -> bytes:
    """What a sealed value is bound to."""
    return b"\0".join((b"buildplate printer secret 1", printer_id.encode(), name.encode()))


def connection_json(connection: Mapping[str, Any]) -> str:
    """A connection as the database holds it."""
    return to_json(
        {
            name: {MARK: f"{value.key_name}.{value.token}"} if isinstance(value, Sealed) else value
            for name, value in connection.items()
        }
    )


def connection_from(text: str) -> dict[str, Any]:
    """The connection that `connection_json` wrote."""
    return {name: _value_from(value) for name, value in from_json(text).items()}


def _value_from(value: Any) -> Any:
    if isinstance(value, dict) and value.keys() == {MARK} and isinstance(value[MARK], str):
        name, _, token = value[MARK].partition(".")
        return Sealed(name, token)
    return value
