"""A print file's way to a web host and back: as announced, in pieces, bounded in time and size."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager

from buildplate.drivers.sdk.contract import FileBody
from buildplate.drivers.sdk.errors import (
    FileUnreadable,
    HostConfused,
    HostRefused,
    PrinterOffline,
)
from buildplate.drivers.sdk.unreachable import no_answer

FETCH_LIMIT = 4 << 30
"""Bytes of a stored file that is fetched back."""

SLOWEST = 16 << 10
"""Bytes a second below which a transfer is given up."""

BOUNDARY = "buildplate-7f3c1d9e5a2b48c6"


class Progress:
    """Puts off the end of a transfer that moves, up to the end that its size sets."""

    def __init__(self, timeout: asyncio.Timeout, idle: float) -> None:
        self._timeout = timeout
        self._idle = idle
        self._clock = asyncio.get_running_loop().time
        self._begun = self._clock()
        self._end = float("inf")

    def bound(self, size: int) -> None:
        """So many bytes are to pass; from the beginning on they may take so long."""
        self._end = self._begun + self._idle * (1 + size / SLOWEST / 60)

    def touch(self) -> None:
        """A piece has passed."""
        if not self._timeout.expired():
            self._timeout.reschedule(min(self._clock() + self._idle, self._end))


@asynccontextmanager
async def transfer(idle: float) -> AsyncIterator[Progress]:
    """Bound a transfer: no piece may take `idle` seconds, nor all of them for ever."""
    try:
        async with asyncio.timeout(idle) as timeout:
            yield Progress(timeout, idle)
    except TimeoutError:
        raise PrinterOffline("the transfer made no progress") from None


@asynccontextmanager
async def bounded(seconds: float) -> AsyncIterator[None]:
    """Bound what a host is asked within a block; PrinterOffline."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise no_answer(seconds) from None


async def as_announced(body: FileBody) -> AsyncGenerator[bytes, None]:
    """A print file's bytes on their way out, as many as were announced; FileUnreadable."""
    sent = 0
    async for piece in body.open():
        sent += len(piece)
        if sent > body.size:
            raise FileUnreadable("the file on its way is longer than announced")
        yield piece
    if sent != body.size:
        raise FileUnreadable("the file on its way is shorter than announced")


class Digest:
    """The sha256 of a stored file on its way back; the sink of a `WebHost`'s answer."""

    def __init__(self, limit: Progress) -> None:
        self._limit = limit
        self._taken = 0
        self.of_all = hashlib.sha256()

    def begin(self, size: int | None) -> None:
        """So many bytes are to come."""
        self._limit.bound(FETCH_LIMIT if size is None else size)

    def take(self, piece: bytes) -> None:
        """The next piece; HostConfused when there are more than any print file has."""
        self._taken += len(piece)
        if self._taken > FETCH_LIMIT:
            raise HostConfused("the stored file never ends")
        self._limit.touch()
        self.of_all.update(piece)


def envelope(name: str, fields: Mapping[str, str] | None = None) -> tuple[bytes, bytes]:
    """What goes before and after the file's bytes in a multipart body, `fields` before the file.

    Nothing follows the last boundary, not even a line end: OctoPrint answers 400 when it reads one
    apart from the boundary (1.11.8, measured). HostRefused for a name that cannot be sent.
    """
    if not name.isascii() or not name.isprintable() or '"' in name or "\\" in name:
        raise HostRefused("the file's name has letters that cannot be sent")
    said = "".join(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"\r\n\r\n{value}\r\n'
        for field, value in (fields or {}).items()
    )
    head = (
        f"{said}--{BOUNDARY}\r\n"
        f'Content-Disposition: form-data; name="file"; filename="{name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    return head.encode(), f"\r\n--{BOUNDARY}--".encode()


async def in_envelope(
    body: FileBody, around: tuple[bytes, bytes], limit: Progress
) -> AsyncGenerator[bytes, None]:
    """The pieces of a multipart body that holds one print file; each that passes puts off the end.

    FileUnreadable where the file is not what was announced.
    """
    head, tail = around
    limit.bound(body.size)
    yield head
    async for piece in as_announced(body):
        limit.touch()
        yield piece
    limit.touch()
    yield tail


MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"
