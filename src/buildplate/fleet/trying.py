"""What a connection that is tried takes over of a printer's stored one: secrets, to nobody new.

Whoever may try a connection could otherwise have a stored secret sent to a machine of their own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from buildplate.drivers.sdk import BadConnectionSettings, Manifest
from buildplate.fleet.sealing import Sealed

_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]*://[a-z0-9.:\[\]-]+)(?:/[a-z0-9._~/-]*)?", re.IGNORECASE)
"""Scheme, host and port, and a path; of letters that every program reads alike."""


class SecretNotSent(BadConnectionSettings):
    """The connection leads elsewhere than the stored one, whose secret is not sent there."""

    code = "secret_not_sent"
    hint = "Type the printer's key again: a stored one is sent only to where it goes already."


def with_stored_secrets(
    stored: Mapping[str, Any], given: Mapping[str, Any], manifest: Manifest
) -> dict[str, Any]:
    """The connection with those stored secrets that it leaves out, sealed as they are.

    Only an address' path may differ then. Raises SecretNotSent.
    """
    left_out = {
        name: value
        for name, value in stored.items()
        if name not in given
        and value is not None
        and (name in manifest.secrets or isinstance(value, Sealed))
    }
    form = manifest.connection_schema.get("properties", {})
    others = sorted((stored.keys() | given.keys()) - manifest.secrets - left_out.keys())
    moved = [
        name
        for name in others
        if not _same_place(_value(stored, name, form), _value(given, name, form))
    ]
    if left_out and moved:
        secrets = ", ".join(sorted(left_out))
        message = f"{', '.join(moved)} is not as stored, so the stored {secrets} is not sent there"
        fields = dict.fromkeys(left_out, "type it again: the connection leads elsewhere")
        raise SecretNotSent(message, fields=fields)
    return {**given, **left_out}


def _value(connection: Mapping[str, Any], name: str, form: Mapping[str, Any]) -> Any:
    """A field's value, or what its driver takes in its place."""
    found = connection.get(name)
    return form.get(name, {}).get("default") if found is None else found


def _same_place(stored: Any, given: Any) -> bool:
    if type(stored) is type(given) and stored == given:
        return True
    if not isinstance(stored, str) or not isinstance(given, str):
        return False
    before, after = _ADDRESS.fullmatch(stored), _ADDRESS.fullmatch(given)
    return before is not None and after is not None and before[1].lower() == after[1].lower()
