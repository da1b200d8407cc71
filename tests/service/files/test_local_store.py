"""What the store on the disk promises beyond any other store."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import threading
from pathlib import Path

import pytest

from buildplate.files import disk
from buildplate.files.errors import ContentMissing, DiskFailed, UploadsFull
from buildplate.files.store import BUFFER, LocalBlobStore
from tests.service.files.rooms import gathered

LIMIT = 100_000_000
WAIT_S = 10


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def kept(store: LocalBlobStore, content: bytes) -> str:
    async with store.writing(limit=LIMIT) as writer:
        await writer.write(content)
        blob = await writer.finish()
        await writer.keep()
    return blob.sha256


async def test_what_a_crash_left_half_written_is_swept_at_start(tmp_path: Path) -> None:
    async with LocalBlobStore(tmp_path) as store, store.writing(limit=LIMIT) as writer:
        await writer.write(b"G28\n")
        await writer.finish()
        await writer.keep()
    (tmp_path / "tmp" / "0123.part").write_bytes(b"half")
    async with LocalBlobStore(tmp_path) as store:
        assert len(await store.digests()) == 1
        assert len(files_in(tmp_path)) == 1


async def test_content_is_in_a_folder_named_by_the_hashs_first_digits(tmp_path: Path) -> None:
    async with LocalBlobStore(tmp_path) as store, store.writing(limit=LIMIT) as writer:
        await writer.write(b"G28\n")
        blob = await writer.finish()
        await writer.keep()
    assert files_in(tmp_path) == [f"{blob.sha256[:2]}/{blob.sha256}"]


async def test_whose_contents_these_are_outlives_a_restart(tmp_path: Path) -> None:
    async with LocalBlobStore(tmp_path) as store:
        assert await store.owner() is None
        await store.own("01a2")
    async with LocalBlobStore(tmp_path) as store:
        assert await store.owner() == "01a2"
        assert await store.digests() == []


async def test_what_is_set_aside_stays_on_the_disk(tmp_path: Path) -> None:
    async with LocalBlobStore(tmp_path) as store:
        sha256 = await kept(store, b"G28\n")
        await store.set_aside(sha256)
        assert await store.digests() == []
        assert not await store.has(sha256)
    assert (tmp_path / "orphans" / sha256).read_bytes() == b"G28\n"


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "A" * 64, "a" * 63, "a" * 65])
async def test_only_a_hash_becomes_a_path(tmp_path: Path, name: str) -> None:
    async with LocalBlobStore(tmp_path) as store:
        with pytest.raises(ValueError, match=name[:10] or "^$"):
            store.path(name)


async def test_a_content_spoiled_on_the_disk_is_healed_by_the_same_upload(tmp_path: Path) -> None:
    async with LocalBlobStore(tmp_path) as store:
        for _ in range(2):
            async with store.writing(limit=LIMIT) as writer:
                await writer.write(b"G28\n")
                blob = await writer.finish()
                await writer.keep()
            assert await gathered(store.read(blob.sha256)) == b"G28\n"
            store.path(blob.sha256).write_bytes(b"spoiled")


async def test_a_cancelled_upload_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing, go_on = threading.Event(), threading.Event()
    real_append = disk.Part.append

    def slow_append(part: disk.Part, *args: object) -> None:
        writing.set()
        assert go_on.wait(WAIT_S)
        real_append(part, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(disk.Part, "append", slow_append)
    async with LocalBlobStore(tmp_path) as store:

        async def upload() -> None:
            async with store.writing(limit=LIMIT) as writer:
                while True:
                    await writer.write(b"G28\n" * 10_000)

        async with asyncio.timeout(WAIT_S):
            async with asyncio.TaskGroup() as group:
                task = group.create_task(upload())
                await asyncio.to_thread(writing.wait, WAIT_S)
                task.cancel()
                await asyncio.sleep(0)
                go_on.set()
        assert task.cancelled()
        assert files_in(tmp_path) == []


async def test_cleaning_up_waits_for_a_write_that_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing, go_on = threading.Event(), threading.Event()
    real_write = os.write

    def hanging_write(fd: int, data: bytes) -> int:
        if len(data) < BUFFER:
            return real_write(fd, data)
        writing.set()
        assert go_on.wait(WAIT_S)
        return real_write(fd, data)

    monkeypatch.setattr(os, "write", hanging_write)
    async with LocalBlobStore(tmp_path) as store:
        async with asyncio.timeout(WAIT_S), asyncio.TaskGroup() as group:
            task = group.create_task(kept(store, b"G28\n" * BUFFER))
            await asyncio.to_thread(writing.wait, WAIT_S)
            task.cancel()
            await asyncio.sleep(0.05)
            assert not task.done()
            go_on.set()
        assert files_in(tmp_path) == []


async def test_content_is_durable_before_it_has_its_name_and_the_name_before_the_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    real_fsync, real_rename = os.fsync, Path.rename

    def fsync(fd: int) -> None:
        real_fsync(fd)
        steps.append(f"fsync {Path(f'/proc/self/fd/{fd}').readlink().relative_to(tmp_path)}")

    def rename(path: Path, target: Path) -> Path:
        steps.append("rename")
        return real_rename(path, target)

    async with LocalBlobStore(tmp_path) as store:
        monkeypatch.setattr(os, "fsync", fsync)
        monkeypatch.setattr(Path, "rename", rename)
        folder = (await kept(store, b"G28\n"))[:2]
    assert steps[0].startswith("fsync tmp/")
    assert steps[1:] == ["fsync .", "rename", f"fsync {folder}"]


async def test_an_upload_cancelled_at_any_step_leaves_nothing_half_written(tmp_path: Path) -> None:
    async with LocalBlobStore(tmp_path) as store:

        async def upload() -> None:
            async with store.writing(limit=LIMIT) as writer:
                await writer.write(b"G28\n" * BUFFER)
                await writer.finish()
                await writer.keep()

        for steps in range(40):
            async with asyncio.timeout(WAIT_S), asyncio.TaskGroup() as group:
                task = group.create_task(upload())
                for _ in range(steps):
                    await asyncio.sleep(0.0005)
                task.cancel()
            assert list((tmp_path / "tmp").iterdir()) == []
            for digest in await store.digests():
                assert store.path(digest).stat().st_size == 4 * BUFFER
                await store.delete(digest)


async def test_the_event_loop_goes_on_while_a_disk_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    real_fsync = os.fsync

    def hanging(fd: int) -> None:
        assert go_on.wait(WAIT_S)
        real_fsync(fd)

    async with LocalBlobStore(tmp_path) as store, store.writing(limit=LIMIT) as writer:
        await writer.write(b"G28\n")
        await writer.finish()
        monkeypatch.setattr(os, "fsync", hanging)
        async with asyncio.timeout(WAIT_S), asyncio.TaskGroup() as group:
            keeping = group.create_task(writer.keep())
            await asyncio.sleep(0.01)
            assert not keeping.done()
            go_on.set()


async def test_some_room_stays_free_for_the_database(tmp_path: Path) -> None:
    free = os.statvfs(tmp_path).f_bavail * os.statvfs(tmp_path).f_frsize
    async with LocalBlobStore(tmp_path, reserve=free * 2) as store:
        with pytest.raises(UploadsFull) as refused:
            await kept(store, b"G28\n")
        assert refused.value.code == "storage_full"
        assert files_in(tmp_path) == []


async def test_a_disk_that_cannot_be_written_is_named_as_the_trouble(tmp_path: Path) -> None:
    async with LocalBlobStore(tmp_path) as store:
        (tmp_path / "tmp").rmdir()
        with pytest.raises(DiskFailed) as failed:
            async with store.writing(limit=LIMIT):
                pytest.fail("the writer opened")
        assert failed.value.code == "storage_failed"


async def test_a_file_system_that_cannot_write_around_its_cache_is_written_through_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "_bypass_cache", lambda fd, *, wanted: False)
    async with LocalBlobStore(tmp_path) as store, store.writing(limit=LIMIT) as writer:
        await writer.write(b"G28\n" * BUFFER)
        blob = await writer.finish()
        await writer.keep()
        assert await gathered(store.read(blob.sha256)) == b"G28\n" * BUFFER


@pytest.mark.parametrize("length", [1, BUFFER, BUFFER + 1, 2 * BUFFER + 4097])
async def test_a_file_system_that_is_strict_about_direct_writes_gets_whole_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    real_write = os.write

    def strict_write(fd: int, data: bytes) -> int:
        if fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_DIRECT and len(data) % 4096:
            raise OSError(errno.EINVAL, "not a whole block")
        return real_write(fd, data)

    monkeypatch.setattr(os, "write", strict_write)
    content = (b"G28\n" * BUFFER)[:length]
    async with LocalBlobStore(tmp_path) as store:
        assert await gathered(store.read(await kept(store, content))) == content


async def test_a_short_write_is_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real_write = os.write
    sizes = iter([4096, 5000, 1, 123_456])
    monkeypatch.setattr(
        os, "write", lambda fd, data: real_write(fd, data[: next(sizes, len(data))])
    )
    content = b"0123456789abcdef" * (BUFFER // 8)
    async with LocalBlobStore(tmp_path) as store, store.writing(limit=LIMIT) as writer:
        await writer.write(content)
        blob = await writer.finish()
        await writer.keep()
        assert await gathered(store.read(blob.sha256)) == content


async def test_a_reader_that_stops_early_closes_its_file(tmp_path: Path) -> None:
    async with LocalBlobStore(tmp_path) as store:
        async with store.writing(limit=LIMIT) as writer:
            await writer.write(b"G28\n" * BUFFER)
            blob = await writer.finish()
            await writer.keep()
        before = open_descriptors()
        pieces = store.read(blob.sha256)
        await anext(pieces)
        await pieces.aclose()
        with pytest.raises(ContentMissing):
            await anext(store.read("0" * 64))
        assert open_descriptors() == before
