"""The hash of a content, and of the bytes a printer gets for it."""

from __future__ import annotations

import hashlib

from buildplate.files.model import Blob

NEWLINE = b"\n"


class BlobHasher:
    """Computes a `Blob` while the content streams by."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._size = 0
        self._terminated = True

    def update(self, piece: bytes | memoryview) -> None:
        """Takes the next bytes."""
        if piece:
            self._hash.update(piece)
            self._size += len(piece)
            self._terminated = piece[-1:] == NEWLINE

    def blob(self) -> Blob:
        """Describes what came so far.

        Klipper never executes an unterminated last line, so the bytes a printer gets end with
        a newline: theirs is the second hash.
        """
        sha256 = self._hash.hexdigest()
        if self._terminated:
            return Blob(sha256, self._size, sha256, self._size)
        printer = self._hash.copy()
        printer.update(NEWLINE)
        return Blob(sha256, self._size, printer.hexdigest(), self._size + 1)
