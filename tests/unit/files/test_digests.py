"""The Content-Digest header (RFC 9530)."""

from __future__ import annotations

import base64
import hashlib

import pytest

from buildplate.files.digests import announced_sha256
from buildplate.files.errors import BadDigest

DIGEST = hashlib.sha256(b"G28\n")
ENCODED = base64.b64encode(DIGEST.digest()).decode()


@pytest.mark.parametrize(
    "header",
    [
        f"sha-256=:{ENCODED}:",
        f"  sha-256=:{ENCODED}:  ",
        f"sha-512=:AAAA:, sha-256=:{ENCODED}:",
        f"sha-256=:{ENCODED}:;note=1, unixsum=:AAA=:",
    ],
)
def test_reads_the_sha256(header: str) -> None:
    assert announced_sha256(header) == DIGEST.hexdigest()


@pytest.mark.parametrize("header", [None, "", "sha-512=:AAAA:", "md5=:AAAA:, crc32c=:AAAA:"])
def test_passes_over_what_it_does_not_compute(header: str | None) -> None:
    assert announced_sha256(header) is None


@pytest.mark.parametrize(
    "header",
    ["sha-256", f"sha-256={ENCODED}", "sha-256=:AAAA:", "sha-256=:A:", f"SHA-256 {ENCODED}", "=::"],
)
def test_refuses_what_it_cannot_read(header: str) -> None:
    with pytest.raises(BadDigest) as refused:
        announced_sha256(header)
    assert refused.value.code == "bad_digest"
    assert "RFC 9530" in refused.value.hint
