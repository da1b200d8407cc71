"""The hash of a content, and of what a printer gets for it."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from buildplate.files.hashing import BlobHasher
from tests.unit.files.pieces import cuts


@given(st.data(), st.binary(max_size=200) | st.binary(max_size=20).map(lambda b: b + b"\n"))
def test_a_printer_gets_the_content_ended_by_a_newline(data: st.DataObject, content: bytes) -> None:
    hasher = BlobHasher()
    for piece in data.draw(cuts(content)):
        hasher.update(memoryview(piece))
    blob = hasher.blob()
    sent = content if not content or content.endswith(b"\n") else content + b"\n"
    assert blob.sha256 == hashlib.sha256(content).hexdigest()
    assert blob.size == len(content)
    assert blob.printer_sha256 == hashlib.sha256(sent).hexdigest()
    assert blob.printer_size == len(sent)
