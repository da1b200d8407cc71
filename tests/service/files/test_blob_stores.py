"""What every content store keeps to: the one in memory and the one on the disk."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from buildplate.files.errors import ContentMissing, TooLarge
from buildplate.files.memory import InMemoryBlobStore
from buildplate.files.model import Blob
from buildplate.files.ports import BlobStore
from buildplate.files.store import BUFFER, LocalBlobStore
from tests.service.files.rooms import gathered

LIMIT = 10_000_000
LENGTHS = [0, 1, 4095, 4096, 4097, BUFFER - 1, BUFFER, BUFFER + 1, 2 * BUFFER + 12345]


@pytest.fixture(params=["memory", "disk"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[BlobStore]:
    if request.param == "memory":
        yield InMemoryBlobStore()
    else:
        async with LocalBlobStore(tmp_path / "files") as local:
            yield local


def content_of(length: int) -> bytes:
    return (b"G1 X%d\n" * (length // 4 + 1) % tuple(range(length // 4 + 1)))[:length]


async def kept(store: BlobStore, content: bytes, piece: int = 65536) -> Blob:
    async with store.writing(limit=LIMIT) as writer:
        for start in range(0, len(content), piece):
            await writer.write(content[start : start + piece])
        blob = await writer.finish()
        await writer.keep()
    return blob


@pytest.mark.parametrize("length", LENGTHS)
async def test_gives_back_what_was_kept(store: BlobStore, length: int) -> None:
    content = content_of(length)
    blob = await kept(store, content)
    assert blob.sha256 == hashlib.sha256(content).hexdigest()
    assert blob.size == length
    assert await gathered(store.read(blob.sha256)) == content


@pytest.mark.parametrize("piece", [1, 7, 4096, 100_000, 3 * BUFFER])
async def test_the_pieces_do_not_matter(store: BlobStore, piece: int) -> None:
    content = content_of(30_000 if piece < 100 else 2 * BUFFER + 777)
    blob = await kept(store, content, piece)
    assert blob.sha256 == hashlib.sha256(content).hexdigest()
    assert await gathered(store.read(blob.sha256)) == content


@pytest.mark.parametrize(
    ("start", "length"),
    [(0, 0), (0, 10), (5, 10), (99_990, 100), (100_000, 5), (200_000, 5), (7, None)],
)
async def test_reads_a_part(store: BlobStore, start: int, length: int | None) -> None:
    content = content_of(100_000)
    blob = await kept(store, content)
    end = None if length is None else start + length
    assert await gathered(store.read(blob.sha256, start=start, length=length)) == content[start:end]


async def test_nothing_can_be_read_before_it_is_kept(store: BlobStore) -> None:
    async with store.writing(limit=LIMIT) as writer:
        await writer.write(b"G28\n")
        blob = await writer.finish()
        assert not await store.has(blob.sha256)
        await writer.keep()
        assert await store.has(blob.sha256)


async def test_what_is_left_without_keeping_is_gone(store: BlobStore) -> None:
    async with store.writing(limit=LIMIT) as writer:
        await writer.write(b"G28\n")
        blob = await writer.finish()
    assert not await store.has(blob.sha256)
    assert await store.digests() == []


async def test_an_error_leaves_nothing(store: BlobStore) -> None:
    async def fail() -> None:
        async with store.writing(limit=LIMIT) as writer:
            await writer.write(content_of(BUFFER + 5))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    assert await store.digests() == []


async def test_the_same_content_twice_is_kept_once(store: BlobStore) -> None:
    first, second = await kept(store, b"G28\n"), await kept(store, b"G28\n")
    assert first == second
    assert await store.digests() == [first.sha256]


async def test_the_limit_is_kept_to_the_byte(store: BlobStore) -> None:
    async with store.writing(limit=10) as writer:
        await writer.write(b"0123456789")
        with pytest.raises(TooLarge):
            await writer.write(b"x")


async def test_a_deleted_content_is_gone_and_may_be_deleted_again(store: BlobStore) -> None:
    blob = await kept(store, b"G28\n")
    await store.delete(blob.sha256)
    await store.delete(blob.sha256)
    assert not await store.has(blob.sha256)
    assert await store.digests() == []
    with pytest.raises(ContentMissing):
        await gathered(store.read(blob.sha256))


async def test_a_reader_that_has_begun_gets_everything(store: BlobStore) -> None:
    content = content_of(3 * BUFFER)
    blob = await kept(store, content)
    async with aclosing(store.read(blob.sha256)) as pieces:
        begun = await anext(pieces)
        await store.delete(blob.sha256)
        assert begun + await gathered(pieces) == content


async def test_uploads_at_the_same_time_do_not_mix(store: BlobStore) -> None:
    contents = [content_of(BUFFER + 1000 * n) for n in range(6)]
    blobs = await asyncio.gather(*(kept(store, content, 50_000) for content in contents))
    for content, blob in zip(contents, blobs, strict=True):
        assert await gathered(store.read(blob.sha256)) == content


async def test_lists_what_it_keeps(store: BlobStore) -> None:
    blobs = [await kept(store, b"G1 X%d\n" % n) for n in range(5)]
    assert await store.digests() == sorted(blob.sha256 for blob in blobs)
