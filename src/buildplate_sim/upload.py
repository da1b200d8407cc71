"""Takes a multipart upload apart while it arrives, writing the file straight to disk."""

from __future__ import annotations

import errno
import hashlib
from typing import TYPE_CHECKING, Protocol

from python_multipart.multipart import MultipartParser, parse_options_header

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


UPLOAD_FAULTS = frozenset({"disk-full", "mixed"})
HALF_STORED = "half-stored"
"""`disk-full` on a host that receives uploads on another disk than the one that is full."""


def mixed_up(chunk: bytes) -> bytes:
    """Bytes of another upload in the place of these, as many."""
    alien = b"G1 X1 Y1 ; of another upload\n"
    return (alien * (len(chunk) // len(alien) + 1))[: len(chunk)]


class Incoming:
    """An upload while it arrives."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self._sha1 = hashlib.sha1(usedforsecurity=False)
        self._sha256 = hashlib.sha256()
        self._file = path.open("wb")

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes; `OSError` when the disk is full."""
        self._file.write(chunk)
        self._sha1.update(chunk)
        self._sha256.update(chunk)
        self.size += len(chunk)

    def close(self) -> tuple[str, str]:
        """The digests (sha1, sha256) of what has arrived."""
        self._file.close()
        return self._sha1.hexdigest(), self._sha256.hexdigest()

    def drop(self) -> None:
        """Forget the upload."""
        self._file.close()
        self.path.unlink(missing_ok=True)


class Incomings(Protocol):
    """Where uploads go while they arrive."""

    def incoming(self) -> Incoming:
        """A place for one."""


class Upload:
    """The body of one upload. `broken_off`: the disk is full, `break_off` has been called.

    What a full disk does was observed: it cuts the connection in the middle of the body.
    """

    def __init__(
        self, shelf: Incomings, content_type: str, play: str, break_off: Callable[[], None]
    ) -> None:
        self._shelf = shelf
        self._break_off = break_off
        self.play = play
        self.broken_off = False
        self.fields: dict[str, str] = {}
        self.filename: str | None = None
        self.incoming: Incoming | None = None
        self.malformed = False
        self._name = ""
        self._value = bytearray()
        self._is_file = False
        self._header, self._header_value = bytearray(), bytearray()
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary")
        self._parser = None
        if kind == b"multipart/form-data" and boundary:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._part_begin,
                    "on_header_field": self._header_field,
                    "on_header_value": self._header_text,
                    "on_header_end": self._header_end,
                    "on_headers_finished": self._part_headers,
                    "on_part_data": self._part_data,
                    "on_part_end": self._part_end,
                },
            )

    def feed(self, chunk: bytes) -> None:
        """The next bytes of the body."""
        if self._parser is None or self.malformed:
            return
        try:
            self._parser.write(chunk)
        except ValueError:
            self.malformed = True
        except OSError:
            self.malformed = self.broken_off = True
            self.abort()
            self._break_off()

    def abort(self) -> None:
        """The sender is gone: half a body is no upload."""
        if self.incoming is not None:
            self.incoming.drop()
            self.incoming = None

    def _part_begin(self) -> None:
        self._name, self._is_file = "", False
        self._value.clear()

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_text(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            _, options = parse_options_header(bytes(self._header_value))
            self._name = options.get(b"name", b"").decode("utf-8", "replace")
            filename = options.get(b"filename")
            if filename is not None:
                self._is_file = True
                self.filename = filename.decode("utf-8", "replace")
        self._header.clear()
        self._header_value.clear()

    def _part_headers(self) -> None:
        if self._is_file and self.incoming is None:
            self.incoming = self._shelf.incoming()

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if not self._is_file:
            self._value += data[start:end]
        elif self.play == "disk-full":
            raise OSError(errno.ENOSPC, "No space left on device")
        elif self.incoming is not None:
            self.incoming.feed(self._played(data[start:end]))

    def _played(self, chunk: bytes) -> bytes:
        if self.play == HALF_STORED:
            return chunk[: len(chunk) // 2]
        return mixed_up(chunk) if self.play == "mixed" else chunk

    def _part_end(self) -> None:
        if not self._is_file:
            self.fields[self._name] = self._value.decode("utf-8", "replace")


class Unread:
    """Takes a body that is refused, once all of it has been heard."""

    def feed(self, chunk: bytes) -> None:
        """The next bytes."""

    def abort(self) -> None:
        """The sender is gone."""
