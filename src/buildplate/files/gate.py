"""Refuses, while an upload streams by, what no printer could execute as G-code.

Only cheap looks at whole pieces (measured: 7 GB per CPU-second on ASCII), so that an upload
costs little more than receiving, hashing and writing it.
"""

from __future__ import annotations

import codecs
import re

from buildplate.files.errors import BinaryContent, EmptyFile, InvalidUtf8, NoCommand, NotGcode

HEAD = 512
"""Bytes gathered before the first verdict, so that it does not depend on how they arrived."""
LINE_START = 64
"""Bytes at the start of a line within which a command must begin (`COMMAND` never needs more)."""
COMMAND = re.compile(rb"(?:^|\n|\r)[ \t]{0,16}(?:[Nn]\d{1,10}[ \t]{0,8})?[GMTgmt]\d")
BYTE_ORDER_MARK = codecs.BOM_UTF8

# The first bytes of what people upload by mistake, what it is, and what to do instead.
MISTAKES: tuple[tuple[bytes, str, str], ...] = (
    (
        b"GCDE",
        "This is binary G-code (.bgcode).",
        "In the slicer's printer settings switch off binary G-code and export again.",
    ),
    (
        b"PK\x03\x04",
        "This is a ZIP archive, such as a 3MF project or sliced package.",
        "Open it in the slicer and export plain G-code.",
    ),
    (b"\x1f\x8b", "This is compressed with gzip.", "Decompress it and upload the G-code inside."),
    (b"BZh", "This is compressed with bzip2.", "Decompress it and upload the G-code inside."),
    (b"\xfd7zXZ\x00", "This is compressed with xz.", "Decompress it and upload the G-code inside."),
    (b"7z\xbc\xaf", "This is a 7-Zip archive.", "Unpack it and upload the G-code inside."),
    (b"Rar!", "This is a RAR archive.", "Unpack it and upload the G-code inside."),
    (b"\x7fELF", "This is a program.", "Upload the G-code that the slicer exported."),
    (b"\x89PNG", "This is a picture.", "Upload the G-code that the slicer exported."),
    (b"\xff\xd8\xff", "This is a picture.", "Upload the G-code that the slicer exported."),
    (b"%PDF", "This is a PDF document.", "Upload the G-code that the slicer exported."),
    (b"\xff\xfe", "This is UTF-16 text.", "Save it as UTF-8."),
    (b"\xfe\xff", "This is UTF-16 text.", "Save it as UTF-8."),
)
AN_STL = ("This is an STL model.", "Slice it and upload the G-code.")
ASCII_STL = re.compile(rb"\s*solid\b[^\n]*\n\s*facet\b", re.IGNORECASE)


class GcodeGate:
    """Looks at a content piece by piece; the verdict does not depend on where pieces end."""

    def __init__(self) -> None:
        self._head: bytes | None = b""
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._pending = False
        self._line = b""
        self._has_command = False
        self._blank = True

    def feed(self, piece: bytes) -> None:
        """Takes the next bytes.

        Raises:
            NotGcode: it is something else.
            InvalidUtf8: it is no UTF-8 text.
        """
        if self._head is not None:
            self._head += piece
            if len(self._head) < HEAD:
                return
            piece = self._open_head(self._head)
        self._look_at(piece)

    def finish(self) -> None:
        """Says that the content is complete.

        Raises:
            EmptyFile: nothing but white space came.
            NotGcode: it is something else, or has no command.
            InvalidUtf8: it is no UTF-8 text.
        """
        if self._head is not None:
            self._look_at(self._open_head(self._head))
        if self._pending:
            self._decode(b"", 0, final=True)
        if self._blank:
            raise EmptyFile
        if not self._has_command:
            raise NoCommand

    def _open_head(self, head: bytes) -> bytes:
        self._head = None
        for start, what, hint in MISTAKES:
            if head.startswith(start):
                raise NotGcode(what, hint)
        if ASCII_STL.match(head):
            raise NotGcode(*AN_STL)
        return head.removeprefix(BYTE_ORDER_MARK)

    def _look_at(self, piece: bytes) -> None:
        self._blank = self._blank and not piece.strip()
        nul = piece.find(b"\0")
        if self._pending or not piece.isascii():
            self._decode(piece, nul)
        if nul >= 0:
            raise BinaryContent
        if not self._has_command:
            self._seek_command(piece)

    def _decode(self, piece: bytes, nul: int, *, final: bool = False) -> None:
        # The earlier fault decides, whatever the pieces: text up to a NUL byte is judged first.
        text = piece if nul < 0 else piece[:nul]
        try:
            self._decoder.decode(text, final or nul >= 0)
        except UnicodeDecodeError as error:
            raise InvalidUtf8 from error
        self._pending = bool(self._decoder.getstate()[0])

    def _seek_command(self, piece: bytes) -> None:
        text = self._line + piece
        self._has_command = COMMAND.search(text) is not None
        start = max(text.rfind(b"\n"), text.rfind(b"\r"), 0)
        self._line = text[start : start + LINE_START]
