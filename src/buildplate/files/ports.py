"""What the file room needs from others: a place for content, rows, and who uses a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Collection, Mapping
    from contextlib import AbstractAsyncContextManager

    from buildplate.files.model import Analysis, Blob, FilePage, FileState, PrintFile


class BlobWriter(Protocol):
    """One content on its way into the store."""

    async def write(self, piece: bytes) -> None:
        """Takes the next bytes; waits while the disk is behind.

        Raises:
            TooLarge: the limit is passed.
            UploadsFull: the disk is full.
            DiskFailed: the disk refuses.
        """
        ...

    async def finish(self) -> Blob:
        """Says what was written; nobody can read it yet. Raises as `write`."""
        ...

    async def keep(self) -> None:
        """Makes the finished content durable and readable under its hash. Raises as `write`."""
        ...


class BlobStore(Protocol):
    """Immutable contents addressed by their sha256 (64 lower-case hex digits)."""

    def writing(self, *, limit: int) -> AbstractAsyncContextManager[BlobWriter]:
        """Opens a writer for at most `limit` bytes; leaving it without `keep` leaves nothing."""
        ...

    def read(
        self, sha256: str, *, start: int = 0, length: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Yields the content (or `length` bytes of it from `start`) in pieces up to 1 MiB.

        A reader that has begun gets everything, also when the content is deleted meanwhile.

        Raises:
            ContentMissing: there is no such content.
            DiskFailed: the disk refuses.
        """
        ...

    async def has(self, sha256: str) -> bool:
        """Whether the content is here."""
        ...

    async def delete(self, sha256: str) -> None:
        """Removes the content; one that is not there is as good as removed."""
        ...

    async def digests(self) -> list[str]:
        """The hashes of everything kept."""
        ...

    async def owner(self) -> str | None:
        """The id of the database whose files these are, as `own` noted it; None before."""
        ...

    async def own(self, database: str) -> None:
        """Notes whose files these are, durably."""
        ...

    async def set_aside(self, sha256: str) -> None:
        """Takes the content out of the store, and keeps it where a person can find it."""
        ...


class FileRepository(Protocol):
    """The rows of the files. Every call is one transaction, durable when it returns."""

    async def add(self, file: PrintFile) -> PrintFile:
        """Stores a new row; id and sha256 are each unique. Returns the row as it stands.

        A deleted file of the same content that jobs still name comes back under its old id.
        """
        ...

    async def get(self, file_id: str) -> PrintFile | None:
        """The row with this id."""
        ...

    async def get_by_sha256(self, sha256: str) -> PrintFile | None:
        """The row of this content."""
        ...

    async def list_page(
        self, *, limit: int, cursor: str | None, filters: Mapping[str, str] | None = None
    ) -> FilePage:
        """Up to `limit` rows, newest id first, after the id `cursor`.

        `filters` are what name, state or sha256 must be.
        """
        ...

    async def list_analysing(self, *, limit: int) -> list[PrintFile]:
        """Up to `limit` rows in state `analysing`, oldest first."""
        ...

    async def database(self) -> str | None:
        """The id that the database was given when it was made."""
        ...

    async def known(self, digests: Collection[str]) -> set[str]:
        """Those of the hashes that a row has."""
        ...

    async def rename(self, file_id: str, name: str, was: str | None = None) -> PrintFile | None:
        """Changes the display name, if it still is `was`; the row then, None if there is none."""
        ...

    async def mark_analysis(
        self, file_id: str, state: FileState, analysis: Analysis | None
    ) -> PrintFile | None:
        """Stores the outcome of an analysis; None where the row is gone."""
        ...

    async def delete(self, file_id: str) -> None:
        """Removes the row if nothing refers to it; one that is not there is as good as removed.

        Raises:
            FileInUse: a job that is not finished got hold of it meanwhile.
        """
        ...


class FileUses(Protocol):
    """Who needs a file."""

    async def jobs_using(self, file_id: str) -> tuple[int, ...]:
        """The numbers of the jobs that are not finished and print this file."""
        ...


class Analyser(Protocol):
    """Reads a kept content and says what it would do on a printer."""

    async def analyse(self, sha256: str) -> Analysis:
        """Returns the analysis.

        Raises:
            ContentMissing: there is no such content.
            AnalysisFailed: it gave no result, and would not the next time either.
        """
        ...
