"""The Content-Digest header (RFC 9530): what the sender says the content's hash is."""

from __future__ import annotations

import base64
import binascii
import re

from buildplate.files.errors import BadDigest

MEMBER = re.compile(r"\s*([a-z*][a-z0-9_.*-]*)\s*=\s*:([A-Za-z0-9+/=]*):\s*(?:;[^,]*)?")
SHA256_BYTES = 32


def announced_sha256(header: str | None) -> str | None:
    """Returns the sha256 (hex) in a Content-Digest header; None where it names none.

    Other algorithms are passed over, as RFC 9530 asks for.

    Raises:
        BadDigest: the header is not of that form.
    """
    found = None
    for member in (header or "").split(","):
        if not member.strip():
            continue
        parsed = MEMBER.fullmatch(member)
        if parsed is None:
            raise BadDigest(member.strip())
        if parsed[1] == "sha-256":
            found = _as_hex(parsed[2])
    return found


def _as_hex(encoded: str) -> str:
    try:
        digest = base64.b64decode(encoded, validate=True)
    except binascii.Error as error:
        raise BadDigest(encoded) from error
    if len(digest) != SHA256_BYTES:
        raise BadDigest(encoded)
    return digest.hex()
