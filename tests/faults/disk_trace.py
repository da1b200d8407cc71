"""What a process wrote to its disk, call by call, and what a power cut leaves of it.

A trace is strace's record of the writes, truncations, syncs and unlinks of some files. What was
written is certain to be on the disk only after a sync that began later has returned.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Sequence

SECTOR = 512
_CALLS = "openat,write,pwrite64,ftruncate,fdatasync,fsync,unlink,unlinkat"
_STRACE = ("strace", "-f", "-y", "-xx", "-s", "1000000", "-e", f"trace={_CALLS}")
_LINE = re.compile(r"^(?P<pid>\d+) +(?P<rest>.*)$")
_RESUMED = re.compile(r"^<\.\.\. \w+ resumed>")
_WRITE = re.compile(
    r'^p?write(64)?\(\d+<(?P<path>[^>]*)>, "(?P<data>[^"]*)"(?P<cut>\.*), (?P<more>.*)'
)
_TRUNCATE = re.compile(r"^ftruncate\(\d+<(?P<path>[^>]*)>, (?P<size>\d+)")
_SYNC = re.compile(r"^f(data)?sync\(\d+<(?P<path>[^>]*)>")
_UNLINK = re.compile(r'^unlink(at)?\((AT_FDCWD[^,]*, )?"(?P<path>[^"]*)"')
_OPEN = re.compile(r'^openat\([^"]*"(?P<path>[^"]*)", (?P<flags>[^)]*)')


@dataclass(frozen=True)
class Write:
    path: Path
    offset: int | None
    data: bytes


@dataclass(frozen=True)
class Truncate:
    path: Path
    size: int


@dataclass(frozen=True)
class SyncBegun:
    path: Path


@dataclass(frozen=True)
class Synced:
    path: Path


@dataclass(frozen=True)
class Unlink:
    path: Path


@dataclass(frozen=True)
class Create:
    path: Path


Step = Write | Truncate | SyncBegun | Synced | Unlink | Create


def trace(record: Path, files: Sequence[Path], command: Sequence[str]) -> list[Step]:
    """Run the command under strace; what it did to these files, in order. Skips without strace."""
    if shutil.which("strace") is None:
        pytest.skip("needs strace")
    watched = [word for path in files for word in ("-P", str(path))]
    subprocess.run(
        [*_STRACE, *watched, "-o", str(record), *command],
        check=True,
        timeout=120,
        stdout=subprocess.DEVNULL,
    )
    return [step for step in _steps(record) if step.path in files]


def _steps(record: Path) -> Iterator[Step]:
    unfinished: dict[str, SyncBegun] = {}
    for line in record.read_text().splitlines():
        found = _LINE.match(line)
        assert found is not None, line
        pid, rest = found["pid"], found["rest"]
        if _RESUMED.match(rest):
            begun = unfinished.pop(pid, None)
            if begun is not None and rest.endswith("= 0"):
                yield Synced(begun.path)
            continue
        step = _step(rest)
        if step is None:
            continue
        yield step
        if isinstance(step, SyncBegun):
            if rest.endswith("<unfinished ...>"):
                unfinished[pid] = step
            elif rest.endswith("= 0"):
                yield Synced(step.path)


def _step(call: str) -> Step | None:
    if found := _WRITE.match(call):
        assert not found["cut"], "strace cut the data short"
        data = _bytes(found["data"])
        numbers = re.findall(r"\d+", found["more"])
        offset = int(numbers[1]) if call.startswith("pwrite") else None
        return Write(_path(found["path"]), offset, data)
    if found := _TRUNCATE.match(call):
        return Truncate(_path(found["path"]), int(found["size"]))
    if found := _SYNC.match(call):
        return SyncBegun(_path(found["path"]))
    if found := _UNLINK.match(call):
        return Unlink(_path(found["path"]))
    found = _OPEN.match(call)
    if found and "O_CREAT" in found["flags"]:
        return Create(_path(found["path"]))
    return None


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


def _path(text: str) -> Path:
    return Path(_bytes(text).decode() if text.startswith("\\x") else text)


@dataclass
class _File:
    """A file's bytes that are surely on the disk, and the changes that may be."""

    certain: bytearray = field(default_factory=bytearray)
    pending: list[Write | Truncate] = field(default_factory=list)
    syncing: int = 0


class Disk:
    """Follows a trace, and makes the folder that a power cut at this moment could leave."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = {path: _File(bytearray(path.read_bytes())) for path in files if path.exists()}

    def apply(self, step: Step) -> None:
        """The process did this."""
        if isinstance(step, Unlink):
            self._files.pop(step.path, None)
            return
        file = self._files.setdefault(step.path, _File())
        if isinstance(step, Write | Truncate):
            file.pending.append(step)
        elif isinstance(step, SyncBegun):
            file.syncing = len(file.pending)
        elif isinstance(step, Synced):
            for change in file.pending[: file.syncing]:
                _change(file.certain, change)
            del file.pending[: file.syncing]
            file.syncing = 0

    def cut(self, folder: Path, kept: Literal["all", "nothing"] | random.Random) -> None:
        """Write the files as the power cut leaves them into `folder`.

        `kept` of what was not synced: all, nothing, or some sectors by chance.
        """
        folder.mkdir()
        for path, file in self._files.items():
            content = bytearray(file.certain)
            for change in file.pending if kept != "nothing" else ():
                _change(content, change, None if isinstance(kept, str) else kept)
            (folder / path.name).write_bytes(content)


def _change(
    content: bytearray, change: Write | Truncate, luck: random.Random | None = None
) -> None:
    if isinstance(change, Truncate):
        if luck is None or luck.random() < 0.5:
            del content[change.size :]
            content.extend(bytes(change.size - len(content)))
        return
    begin = len(content) if change.offset is None else change.offset
    for at in range(0, len(change.data), SECTOR):
        if luck is None or luck.random() < 0.5:
            part = change.data[at : at + SECTOR]
            content.extend(bytes(max(0, begin + at - len(content))))
            content[begin + at : begin + at + len(part)] = part
