"""A file room to test with, in memory or on a disk, and bodies that arrive in awkward ways."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count

from buildplate.files.analyser import StreamAnalyser
from buildplate.files.memory import InMemoryBlobStore, InMemoryFileRepository, InMemoryFileUses
from buildplate.files.ports import Analyser, BlobStore
from buildplate.files.service import FileRoom, FilesConfig, FileService

NOW = datetime(2030, 1, 1, tzinfo=UTC)


@dataclass
class World:
    """The parts of a file room, and its service."""

    store: BlobStore = field(default_factory=InMemoryBlobStore)
    config: FilesConfig = field(default_factory=FilesConfig)
    analyser: Analyser | None = None
    files: InMemoryFileRepository = field(default_factory=InMemoryFileRepository)
    uses: InMemoryFileUses = field(default_factory=InMemoryFileUses)
    woken: list[None] = field(default_factory=list)

    def __post_init__(self) -> None:
        ids = count(1)
        self.service = FileService(
            FileRoom(
                store=self.store,
                files=self.files,
                uses=self.uses,
                analyser=self.analyser or StreamAnalyser(self.store),
                wake_analysis=lambda: self.woken.append(None),
                new_id=lambda: f"file-{next(ids):04}",
                now=lambda: NOW,
            ),
            self.config,
        )


async def arriving(pieces: bytes | Iterable[bytes]) -> AsyncIterator[bytes]:
    """A body that arrives in these pieces."""
    for piece in [pieces] if isinstance(pieces, bytes) else pieces:
        yield piece


async def gathered(pieces: AsyncIterator[bytes]) -> bytes:
    """All of a stream."""
    return b"".join([piece async for piece in pieces])
