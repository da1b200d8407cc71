"""Uploads in pieces: what is kept of them, who may write, what a restart and a full disk leave."""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest

from buildplate.files import uploads as room
from buildplate.files.errors import (
    BinaryContent,
    EmptyFile,
    LengthMismatch,
    NoCommand,
    NotGcode,
    TakenOver,
    TooLarge,
    TooManyUploads,
    UnknownUpload,
    UploadsFull,
    WrongOffset,
)
from buildplate.files.upload_disk import UploadFolder
from buildplate.files.uploads import UploadLimits, UploadService
from tests.gcode_samples import long_tower, square_tower
from tests.service.files.rooms import NOW, World, arriving, gathered

TOWER = square_tower()
ANN, BOB = "user:ann", "user:bob"


class Uploads:
    """A service over a folder, a clock that is turned by hand, and a file room."""

    def __init__(self, folder: Path, limits: UploadLimits | None = None, reserve: int = 0) -> None:
        self.folder = folder
        self.world = World()
        self.limits = limits or UploadLimits()
        self.now = NOW
        self._ids = count(1)
        self._reserve = reserve

    def _time(self) -> datetime:
        return self.now

    async def opened(self) -> UploadService:
        """The service as a fresh process has it."""
        service = UploadService(
            UploadFolder(self.folder, reserve=self._reserve),
            self.world.service,
            self.limits,
            self._time,
            lambda: f"upload-{next(self._ids)}",
        )
        await service.open()
        return service

    async def stored(self, file_id: str | None) -> bytes:
        assert file_id is not None
        file = await self.world.service.get(file_id)
        return await gathered(self.world.service.content(file))

    def names(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())


@pytest.fixture
def uploads(tmp_path: Path) -> Uploads:
    return Uploads(tmp_path / "uploads")


async def cut(pieces: list[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
    raise ConnectionResetError


async def test_pieces_become_the_same_file_as_one_upload_would(uploads: Uploads) -> None:
    service = await uploads.opened()
    upload = await service.create(ANN, "C:\\x\\tower.gcode", len(TOWER))
    for first in range(0, len(TOWER), 100):
        upload = await service.append(ANN, upload.id, first, arriving(TOWER[first : first + 100]))
    assert upload.file_id is not None
    assert await uploads.stored(upload.file_id) == TOWER
    assert (await uploads.world.service.get(upload.file_id)).name == "tower.gcode"
    assert (await service.get(ANN, upload.id)).file_id == upload.file_id
    whole = await uploads.world.service.receive(arriving(TOWER), "again.gcode")
    assert (whole.created, whole.file.id) == (False, upload.file_id)
    assert uploads.names() == [f"{upload.id}.json"]


async def test_whatever_cuts_it_off_what_arrived_is_kept(uploads: Uploads) -> None:
    chance = random.Random(20)
    content = long_tower(3_000_000)
    service = await uploads.opened()
    upload = await service.create(ANN, "a.gcode", len(content))
    cuts = 0
    while not upload.complete:
        end = min(len(content), upload.offset + chance.randrange(1, 400_000))
        sent = content[upload.offset : end]
        pieces = [sent[at : at + 65_536] for at in range(0, len(sent), 65_536)]
        if end < len(content):
            with pytest.raises(ConnectionResetError):
                await service.append(ANN, upload.id, upload.offset, cut(pieces))
            cuts += 1
            if chance.random() < 0.3:
                service = await uploads.opened()  # the process was restarted
        else:
            await service.append(ANN, upload.id, upload.offset, arriving(pieces))
        upload = await service.get(ANN, upload.id)
        assert upload.offset == end
    assert cuts > 5
    assert await uploads.stored(upload.file_id) == content


async def test_a_restart_cuts_off_what_was_never_told(uploads: Uploads) -> None:
    service = await uploads.opened()
    upload = await service.create(ANN, "a.gcode", len(TOWER))
    await service.append(ANN, upload.id, 0, arriving(TOWER[:100]))
    with (uploads.folder / f"{upload.id}.bytes").open("ab") as part:
        part.write(b"\0" * 50)  # as a power cut leaves what was not flushed
    again = await uploads.opened()
    assert (uploads.folder / f"{upload.id}.bytes").stat().st_size == 100
    assert (await again.get(ANN, upload.id)).offset == 100
    done = await again.append(ANN, upload.id, 100, arriving(TOWER[100:]))
    assert await uploads.stored(done.file_id) == TOWER


async def test_a_spoiled_note_or_lost_bytes_are_cleared_away(uploads: Uploads) -> None:
    service = await uploads.opened()
    one, two, three = [await service.create(ANN, "a", len(TOWER)) for _ in range(3)]
    await service.append(ANN, two.id, 0, arriving(TOWER[:100]))
    (uploads.folder / f"{one.id}.json").write_text('{"id": ')
    (uploads.folder / f"{two.id}.bytes").write_bytes(TOWER[:99])
    (uploads.folder / "stray.fresh").write_text("")
    again = await uploads.opened()
    assert uploads.names() == [f"{three.id}.bytes", f"{three.id}.json"]
    for gone in (one, two):
        with pytest.raises(UnknownUpload):
            await again.get(ANN, gone.id)


@pytest.mark.parametrize(
    "spoiled",
    [
        {"offset": -1},
        {"offset": "7"},
        {"offset": 10_000_000},
        {"expires_at": "2030-01-02T00:00:00"},
        {"unknown": 1},
    ],
)
async def test_a_note_that_cannot_be_true_does_not_keep_the_server_from_starting(
    uploads: Uploads, spoiled: dict[str, object]
) -> None:
    service = await uploads.opened()
    upload = await service.create(ANN, "a", len(TOWER))
    note = uploads.folder / f"{upload.id}.json"
    note.write_text(json.dumps(json.loads(note.read_text()) | spoiled))
    again = await uploads.opened()
    assert uploads.names() == []
    with pytest.raises(UnknownUpload):
        await again.get(ANN, upload.id)


async def test_a_folder_of_others_in_it_is_let_be(uploads: Uploads) -> None:
    (uploads.folder / "lost+found").mkdir(parents=True)
    await uploads.opened()
    assert uploads.names() == ["lost+found"]


async def test_a_crash_before_the_answer_still_makes_one_file(uploads: Uploads) -> None:
    service = await uploads.opened()
    upload = await service.create(ANN, "a.gcode", len(TOWER))

    async def crash(*_: object) -> None:
        raise RuntimeError

    service._finish = crash  # type: ignore[method-assign, assignment]
    with pytest.raises(RuntimeError):
        await service.append(ANN, upload.id, 0, arriving(TOWER))
    known = await uploads.world.service.receive(arriving(TOWER), "b.gcode")
    again = await uploads.opened()
    found = await again.get(ANN, upload.id)
    assert (found.complete, found.file_id) == (True, known.file.id)


@pytest.mark.parametrize("offset", [0, 99, 101, 10_000_000])
async def test_only_the_exact_offset_is_taken(uploads: Uploads, offset: int) -> None:
    service = await uploads.opened()
    upload = await service.create(ANN, "a.gcode", len(TOWER))
    await service.append(ANN, upload.id, 0, arriving(TOWER[:100]))
    with pytest.raises(WrongOffset) as refused:
        await service.append(ANN, upload.id, offset, arriving(TOWER[offset:]))
    assert refused.value.offset == 100
    assert (await service.get(ANN, upload.id)).offset == 100


async def test_the_later_of_two_writers_goes_on(uploads: Uploads) -> None:
    service = await uploads.opened()
    upload = await service.create(ANN, "a.gcode", len(TOWER))
    half = len(TOWER) // 2
    heard = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield TOWER[:half]
        heard.set()
        await asyncio.Event().wait()  # the connection is dead, and nobody has noticed

    first = asyncio.get_running_loop().create_task(service.append(ANN, upload.id, 0, slow()))
    await heard.wait()
    with pytest.raises(WrongOffset) as told:
        await service.append(ANN, upload.id, 0, arriving(TOWER))
    assert told.value.offset == half
    with pytest.raises(TakenOver):
        await first
    done = await service.append(ANN, upload.id, half, arriving(TOWER[half:]))
    assert await uploads.stored(done.file_id) == TOWER


async def test_many_writers_at_once_never_mix_bytes(uploads: Uploads) -> None:
    chance = random.Random(7)
    content = long_tower(200_000)
    service = await uploads.opened()
    upload = await service.create(ANN, "a.gcode", len(content))

    async def body(offset: int) -> AsyncIterator[bytes]:
        for at in range(offset, len(content), 5_000):
            await asyncio.sleep(chance.choice((0, 0, 0.001)))
            yield content[at : at + 5_000]

    async def writer() -> None:
        while True:
            found = await service.get(ANN, upload.id)
            if found.file_id is not None:
                return
            try:
                await service.append(ANN, upload.id, found.offset, body(found.offset))
            except (TakenOver, WrongOffset):
                await asyncio.sleep(chance.random() / 50)

    async with asyncio.timeout(30):
        await asyncio.gather(*(writer() for _ in range(4)))
    assert await uploads.stored((await service.get(ANN, upload.id)).file_id) == content


async def test_a_cancelled_request_stays_cancelled_and_keeps_its_bytes(uploads: Uploads) -> None:
    service = await uploads.opened()
    upload = await service.create(ANN, "a.gcode", len(TOWER))
    heard = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield TOWER[:70]
        heard.set()
        await asyncio.Event().wait()

    request = asyncio.get_running_loop().create_task(service.append(ANN, upload.id, 0, slow()))
    await heard.wait()
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    assert (await service.get(ANN, upload.id)).offset == 70


async def test_nobody_else_sees_an_upload(uploads: Uploads) -> None:
    service = await uploads.opened()
    upload = await service.create(ANN, "a.gcode", len(TOWER))
    with pytest.raises(UnknownUpload):
        await service.get(BOB, upload.id)
    with pytest.raises(UnknownUpload):
        await service.append(BOB, upload.id, 0, arriving(TOWER))
    with pytest.raises(UnknownUpload):
        await service.remove(BOB, upload.id)
    assert (await service.get(ANN, upload.id)).offset == 0


async def test_unfinished_uploads_expire_from_their_last_byte_on(uploads: Uploads) -> None:
    service = await uploads.opened()
    kept = await service.create(ANN, "a.gcode", len(TOWER))
    left = await service.create(ANN, "b.gcode", len(TOWER))
    uploads.now += timedelta(hours=23)
    await service.append(ANN, kept.id, 0, arriving(TOWER[:10]))
    uploads.now += timedelta(hours=1)
    with pytest.raises(UnknownUpload):
        await service.get(ANN, left.id)
    assert await service.sweep() == 1
    assert uploads.names() == [f"{kept.id}.bytes", f"{kept.id}.json"]
    assert (await service.get(ANN, kept.id)).offset == 10
    uploads.now += timedelta(hours=24)
    await uploads.opened()
    assert uploads.names() == []


async def test_what_became_a_file_is_told_for_an_hour(uploads: Uploads) -> None:
    service = await uploads.opened()
    upload = await service.create(ANN, "a.gcode", len(TOWER))
    await service.append(ANN, upload.id, 0, arriving(TOWER))
    again = await uploads.opened()
    assert (await again.get(ANN, upload.id)).file_id is not None
    uploads.now += timedelta(hours=1)
    with pytest.raises(UnknownUpload):
        await again.get(ANN, upload.id)


async def test_giving_up_leaves_nothing_and_ends_whoever_writes(uploads: Uploads) -> None:
    service = await uploads.opened()
    upload = await service.create(ANN, "a.gcode", len(TOWER))
    heard = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield TOWER[:70]
        heard.set()
        await asyncio.Event().wait()

    writer = asyncio.get_running_loop().create_task(service.append(ANN, upload.id, 0, slow()))
    await heard.wait()
    await service.remove(ANN, upload.id)
    with pytest.raises(TakenOver):
        await writer
    assert uploads.names() == []
    with pytest.raises(UnknownUpload):
        await service.remove(ANN, upload.id)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"PK\x03\x04" + b"x" * 600, NotGcode),
        (b"G28\n" + b"\0" * 600, BinaryContent),
        (b"hello " * 200, NoCommand),
        (b"\n" * 600, EmptyFile),
    ],
)
async def test_what_is_no_gcode_is_refused_and_gone(
    uploads: Uploads, content: bytes, error: type[Exception]
) -> None:
    service = await uploads.opened()
    upload = await service.create(ANN, "a.gcode", len(content))
    with pytest.raises(error):
        await service.append(ANN, upload.id, 0, arriving(content))
    assert uploads.names() == []
    assert (await uploads.world.service.list_page()).items == ()


async def test_a_zip_is_refused_before_the_rest_of_it_is_sent(uploads: Uploads) -> None:
    service = await uploads.opened()
    upload = await service.create(ANN, "a.3mf", 100_000_000)
    asked = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal asked
        while True:
            asked += 1
            yield b"PK\x03\x04" + b"x" * 1000

    with pytest.raises(NotGcode):
        await service.append(ANN, upload.id, 0, body())
    assert asked == 1


async def test_more_than_was_announced_is_refused(uploads: Uploads) -> None:
    service = await uploads.opened()
    upload = await service.create(ANN, "a.gcode", len(TOWER))
    with pytest.raises(LengthMismatch):
        await service.append(ANN, upload.id, 0, arriving([TOWER[:50], TOWER]))
    assert (await service.get(ANN, upload.id)).offset == 50


async def test_size_and_number_are_bounded(tmp_path: Path) -> None:
    limits = UploadLimits(max_bytes=1000, per_owner=2, in_all=3, finished_in_all=1)
    uploads = Uploads(tmp_path / "uploads", limits)
    service = await uploads.opened()
    with pytest.raises(TooLarge):
        await service.create(ANN, "a", 1001)
    with pytest.raises(EmptyFile):
        await service.create(ANN, "a", 0)
    mine = [await service.create(ANN, "a", 10) for _ in range(2)]
    with pytest.raises(TooManyUploads):
        await service.create(ANN, "a", 10)
    await service.create(BOB, "b", 10)
    with pytest.raises(TooManyUploads):
        await service.create("key:1", "c", 10)
    for upload in mine:
        await service.append(ANN, upload.id, 0, arriving(b"G1 X1 Y12\n"))
    await service.create(ANN, "a", 10)
    with pytest.raises(UnknownUpload):
        await service.get(ANN, mine[0].id)  # the oldest of the finished made room


async def test_many_that_are_begun_at_once_are_no_more_than_may_be(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path / "uploads", UploadLimits(per_owner=3))
    service = await uploads.opened()
    begun = (service.create(ANN, "a", 10) for _ in range(8))
    answers = await asyncio.gather(*begun, return_exceptions=True)
    refused = [one for one in answers if isinstance(one, TooManyUploads)]
    assert len(refused) == len(answers) - 3
    assert len(uploads.names()) == 2 * 3


async def test_a_note_names_bytes_only_once_they_are_on_the_disk(
    uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = await uploads.opened()
    upload = await service.create(ANN, "a", len(TOWER))
    steps: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def noted_fsync(fd: int) -> None:
        steps.append(f"fsync {Path(f'/proc/self/fd/{fd}').readlink().name}")
        fsync(fd)

    def noted_replace(path: Path, target: Path) -> Path:
        steps.append(f"{path.name} is {target.name}")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(Path, "replace", noted_replace)
    await service.append(ANN, upload.id, 0, arriving(TOWER[:100]))
    assert steps == [
        f"fsync {upload.id}.bytes",
        f"fsync {upload.id}.fresh",
        f"{upload.id}.fresh is {upload.id}.json",
        "fsync uploads",
    ]


async def test_a_full_disk_says_so_at_once_and_on_the_way(tmp_path: Path) -> None:
    service = await Uploads(tmp_path / "full", reserve=1 << 60).opened()
    with pytest.raises(UploadsFull):
        await service.create(ANN, "a.gcode", len(TOWER))
    uploads = Uploads(tmp_path / "uploads")
    roomy = await uploads.opened()
    upload = await roomy.create(ANN, "a.gcode", len(TOWER))
    await roomy.append(ANN, upload.id, 0, arriving(TOWER[:100]))
    roomy._folder._reserve = 1 << 60
    with pytest.raises(UploadsFull):
        await roomy.append(ANN, upload.id, 100, arriving(TOWER[100:]))
    roomy._folder._reserve = 0
    assert (await roomy.get(ANN, upload.id)).offset == 100
    done = await roomy.append(ANN, upload.id, 100, arriving(TOWER[100:]))
    assert await uploads.stored(done.file_id) == TOWER


async def test_the_room_that_others_still_need_is_not_given_away(
    uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each needs its bytes that are still to come, and a copy that becomes the file."""
    free = 4 * len(TOWER)

    def statvfs(_: Path) -> SimpleNamespace:
        return SimpleNamespace(f_bavail=free, f_frsize=1)

    monkeypatch.setattr("buildplate.files.upload_disk.os.statvfs", statvfs)
    service = await uploads.opened()
    first = await service.create(ANN, "a", len(TOWER))
    await service.append(ANN, first.id, 0, arriving(TOWER[:100]))
    free -= 100
    await service.create(BOB, "b", len(TOWER))
    free -= 1
    with pytest.raises(UploadsFull):
        await service.create("key:1", "c", 1)


async def test_an_offset_is_noted_on_the_way(
    uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "PIECE", 1000)
    monkeypatch.setattr(room, "NOTED_EVERY", 4000)
    service = await uploads.opened()
    content = long_tower(20_000)
    upload = await service.create(ANN, "a.gcode", len(content))
    seen: list[int] = []

    async def body() -> AsyncIterator[bytes]:
        for at in range(0, len(content), 500):
            seen.append((await (await uploads.opened()).get(ANN, upload.id)).offset)
            yield content[at : at + 500]

    # A second process that opens the folder would cut it: only what was noted is looked at.
    monkeypatch.setattr("os.truncate", lambda *_: None)
    await service.append(ANN, upload.id, 0, body())
    assert seen == sorted(seen)
    assert {0, 4000, 8000, 12000} <= set(seen)
