"""What a firmware has accepted, line by line and in order: the proof of what was printed."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Accepted:
    """An append-only text file: `<number> <command>` a line, `-` for a line without a number.

    A line that begins with `#` says what happened to the board in between. `digest` and `lines`
    are of the numbered commands since the last M110 (a host numbers anew where a print begins).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.total = 0
        self.lines = 0
        self.last: int | None = None
        self._hash = hashlib.sha256()
        self._waiting: list[bytes] = []
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def add(self, number: int | None, text: bytes) -> None:
        """A line is accepted; it is in the file after `flush`."""
        self.total += 1
        if text.startswith(b"M110"):
            self.lines, self._hash = 0, hashlib.sha256()
        elif number is not None:
            self.lines += 1
            self._hash.update(text + b"\n")
        if number is not None:
            self.last = number
        shown = b"-" if number is None else b"%d" % number
        self._waiting.append(b"%b %b\n" % (shown, text))

    def remark(self, text: str) -> None:
        """Something happened to the board."""
        self._waiting.append(f"# {text}\n".encode())
        self.flush()

    def flush(self) -> None:
        """Hand everything to the system."""
        if self._waiting:
            os.write(self._file, b"".join(self._waiting))
            self._waiting.clear()

    @property
    def digest(self) -> str:
        """The sha256 of the numbered commands since the last M110, each with a line feed."""
        return self._hash.hexdigest()

    def entries(self, after: int = 0, limit: int = 100_000) -> Iterator[dict[str, Any]]:
        """The entries from the one numbered `after` on (counted from 0), remarks among them."""
        self.flush()
        with self.path.open("rb") as file:
            for index, line in enumerate(file):
                if index < after:
                    continue
                if index >= after + limit:
                    return
                yield _entry(line.rstrip(b"\n").decode("latin-1"))

    def close(self) -> None:
        """Write the rest; nothing may be added after it."""
        self.flush()
        os.close(self._file)


def _entry(line: str) -> dict[str, Any]:
    shown, _, text = line.partition(" ")
    if shown == "#":
        return {"remark": text}
    return {"number": None if shown == "-" else int(shown), "text": text}
