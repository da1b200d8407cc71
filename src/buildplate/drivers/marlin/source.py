"""The stored file that is streamed: read in blocks of whole lines, by the streaming thread."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from buildplate.drivers.marlin.scripts import Modes, modes_after
from buildplate.protocols.marlin import Block, Dialect, block_of, guard_of

BLOCK_BYTES = 8192
"""Some 200 lines: the owner's deadline is checked before each."""
_TAIL_BYTES = 1 << 20
_PIECE = 1 << 20
LONGEST_LINE = 1 << 16
_PRINTS = re.compile(
    rb"^[ \t]*G[0123][ \t](?=[^;\r\n]*[XY][-.\d])(?=[^;\r\n]*E[.\d])[^\r\n]*", re.MULTILINE
)
_MOVES = re.compile(rb"^[ \t]*G[0123][ \t][^\r\n]*", re.MULTILINE)
_LEFT = re.compile(rb"^M73 [^\r\n]*?R(\d{1,6})", re.MULTILINE)


class SourceFile:
    """Lines of one file in order. `offset` is behind the last line read, `line` its number.

    `tail`: where the last line that prints begins; once that line is written, the printer may
    finish the part without us.
    """

    def __init__(self, path: Path, dialect: Dialect = Dialect.UNKNOWN) -> None:
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.size = os.fstat(self._fd).st_size
        os.posix_fadvise(self._fd, 0, 0, os.POSIX_FADV_SEQUENTIAL)
        self.offset = 0
        self._dialect = dialect
        self._guard = guard_of(dialect)
        self.line = 0
        self.time_left_s: float | None = None
        self.tail = self._last_print()
        self._rest: list[bytes] = []
        self._raw, self._raw_line = b"", 1
        self._raw_size = self._raw_lines = 0
        self._before = self._after = Modes()

    @property
    def at_end(self) -> bool:
        """Whether every line has been read."""
        return self.offset >= self.size and not self._rest

    def block(self) -> Block:
        """The next lines, cleaned; OSError where the disk does not have them any more."""
        if not self._rest:
            self._read()
        block = block_of(self._rest, self.line + 1)
        self._rest, self.line = block.rest, block.last_line
        if self._guard:
            block.codes = [code + self._guard for code in block.codes]
        return block

    def share(self, line: int) -> float:
        """How much of the file lies before the end of the line with this number, 0-1, nearly."""
        lines = max(1, self._raw_lines)
        taken = min(max(line - self._raw_line + 1, 0), lines)
        begin = self.offset - self._raw_size
        return (begin + self._raw_size * taken / lines) / self.size if self.size else 1.0

    def modes_at(self, line: int) -> Modes:
        """How moves are read after the line with this number, which was among the last read."""
        taken = line - self._raw_line + 1
        if taken <= 0:
            return self._before
        text = b"\n".join(self._raw.split(b"\n")[:taken])
        return modes_after(text, self._before, self._dialect)

    def close(self) -> None:
        """Close the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _read(self) -> None:
        """Read whole lines, up to the tail and then from it on: a block never holds both."""
        wanted = BLOCK_BYTES
        if self.offset < self.tail:
            wanted = min(wanted, self.tail - self.offset)
        while True:
            raw = os.pread(self._fd, wanted, self.offset)
            end = self.offset + len(raw)
            if end >= self.size or end == self.tail or not raw:
                break
            cut = raw.rfind(b"\n")
            if cut >= 0:
                raw = raw[: cut + 1]
                break
            if wanted >= LONGEST_LINE:
                break
            wanted *= 4
        self.offset = self.offset + len(raw) if raw else self.size
        self._raw_size = len(raw)
        if b"\r" in raw:
            raw = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        self._raw, self._raw_line = raw, self.line + 1
        self._before, self._after = self._after, modes_after(raw, self._after, self._dialect)
        if b"M73" in raw and (left := _LEFT.findall(raw)):
            self.time_left_s = float(left[-1]) * 60
        self._rest = raw.removesuffix(b"\n").split(b"\n")
        self._raw_lines = len(self._rest)

    def _last_print(self) -> int:
        """The offset of the last move that pushes filament, of the last move, or of the end."""
        begin = max(0, self.size - _TAIL_BYTES)
        tail = os.pread(self._fd, _TAIL_BYTES, begin)
        for kind in (_PRINTS, _MOVES):
            last = None
            for last in kind.finditer(tail):  # noqa: B007 (the last one is wanted)
                pass
            if last is not None:
                return begin + last.start()
        return begin


def pieces(path: Path) -> Iterator[bytes]:
    """A file in overlapping pieces for searches of lines; each begins with a line end."""
    with path.open("rb") as file:
        rest = b"\n"
        while piece := file.read(_PIECE):
            text = rest + piece.replace(b"\r", b"\n")
            yield text
            cut = text.rfind(b"\n")
            rest = text[cut:] if cut >= 0 and len(text) - cut < LONGEST_LINE else b"\n"
