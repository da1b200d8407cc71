"""The analysis after the upload: in a process of its own, and never forgotten."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from buildplate.files import analyser as analyser_module
from buildplate.files.analyser import LocalAnalyser, StreamAnalyser
from buildplate.files.errors import AnalysisFailed, ContentMissing
from buildplate.files.memory import InMemoryBlobStore
from buildplate.files.model import Analysis, FileState
from buildplate.files.service import FilesConfig
from buildplate.files.store import LocalBlobStore
from buildplate.files.tasks import AnalysisWorker
from tests.gcode_samples import long_tower, square_tower
from tests.service.files.rooms import World, arriving

LATER = FilesConfig(analyse_at_once=0)


class StubbornAnalyser:
    """Fails for some contents, and counts."""

    def __init__(self, refused: set[str]) -> None:
        self.refused = refused
        self.asked: list[str] = []

    async def analyse(self, sha256: str) -> Analysis:
        self.asked.append(sha256)
        if sha256 in self.refused:
            raise AnalysisFailed(sha256)
        return Analysis(lines=1)


@pytest.fixture
async def local(tmp_path: Path) -> AsyncIterator[LocalBlobStore]:
    async with LocalBlobStore(tmp_path) as store:
        yield store


async def kept(store: LocalBlobStore, content: bytes) -> str:
    async with store.writing(limit=100_000_000) as writer:
        await writer.write(content)
        blob = await writer.finish()
        await writer.keep()
    return blob.sha256


async def test_process_and_thread_and_stream_find_the_same(local: LocalBlobStore) -> None:
    sha256 = await kept(local, square_tower(layers=40))
    in_process = await LocalAnalyser(local, in_thread=0).analyse(sha256)
    assert in_process == await LocalAnalyser(local).analyse(sha256)
    assert in_process == await StreamAnalyser(local).analyse(sha256)
    assert in_process.layers == 40


async def test_a_missing_content_is_said_to_be_missing(local: LocalBlobStore) -> None:
    with pytest.raises(ContentMissing):
        await LocalAnalyser(local).analyse("0" * 64)


async def test_a_scan_that_dies_is_a_failed_analysis(
    local: LocalBlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha256 = await kept(local, square_tower())
    monkeypatch.setattr(analyser_module, "MODULE", "buildplate.no_such_module")
    with pytest.raises(AnalysisFailed, match="no_such_module"):
        await LocalAnalyser(local, in_thread=0).analyse(sha256)


async def test_nothing_in_the_folder_of_the_server_becomes_part_of_the_scan(
    local: LocalBlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dataclasses.py").write_text("raise SystemExit('a stranger was imported')\n")
    monkeypatch.chdir(tmp_path)
    sha256 = await kept(local, square_tower())
    assert (await LocalAnalyser(local, in_thread=0).analyse(sha256)).layers == 5


async def test_a_scan_that_hangs_is_ended(
    local: LocalBlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = local.path("0" * 64)
    path.parent.mkdir()
    os.mkfifo(path)  # whoever opens it waits for a writer that never comes
    monkeypatch.setattr(analyser_module, "START_S", 0.5)
    with pytest.raises(AnalysisFailed, match="longer than"):
        await LocalAnalyser(local, in_thread=-1).analyse("0" * 64)
    assert not _children()


async def test_a_cancelled_analysis_leaves_no_process(local: LocalBlobStore) -> None:
    sha256 = await kept(local, long_tower(20_000_000))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await LocalAnalyser(local, in_thread=0).analyse(sha256)
    assert not _children()


async def test_everything_that_waits_is_analysed_and_failures_are_marked() -> None:
    world = World(config=LATER)
    files = [
        (await world.service.receive(arriving(square_tower(layers=n)), "x")).file
        for n in range(1, 26)
    ]
    analyser = StubbornAnalyser({files[3].sha256})
    await _work_until_done(AnalysisWorker(world.files, analyser, _nobody), world)
    states = [(await world.service.get(file.id)).state for file in files]
    assert states[3] is FileState.UNREADABLE
    assert set(states[:3] + states[4:]) == {FileState.READY}
    assert analyser.asked == [file.sha256 for file in files]


async def test_the_worker_wakes_for_a_file_that_comes_later() -> None:
    world = World(config=LATER)
    worker = AnalysisWorker(world.files, StreamAnalyser(world.store), _nobody, poll_s=60)
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        running = group.create_task(worker.run())
        await asyncio.sleep(0.01)
        file = (await world.service.receive(arriving(square_tower()), "x")).file
        worker.wake()
        while (await world.service.get(file.id)).state is not FileState.READY:
            await asyncio.sleep(0.001)
        running.cancel()
    found = (await world.service.get(file.id)).analysis
    assert found is not None
    assert found.layers == 5


async def test_whoever_waits_for_a_file_is_told_when_its_outcome_is_stored() -> None:
    world = World(config=LATER)
    file = (await world.service.receive(arriving(square_tower()), "x")).file
    told: list[int] = []
    worker = AnalysisWorker(world.files, StreamAnalyser(world.store), lambda: told.append(1))
    await worker.work_once()
    assert told == [1]
    assert (await world.service.get(file.id)).state is FileState.READY


async def test_a_file_deleted_during_its_analysis_stays_deleted() -> None:
    world = World(config=LATER)
    file = (await world.service.receive(arriving(square_tower()), "x")).file
    worker = AnalysisWorker(world.files, _DeletingAnalyser(world, file.id), _nobody)
    assert await worker.work_once() == 1
    assert (await world.service.list_page()).items == ()


async def test_a_small_file_that_cannot_be_analysed_is_stored_all_the_same() -> None:
    world = World(store=InMemoryBlobStore(), analyser=StubbornAnalyser({_sha_of_tower()}))
    stored = await world.service.receive(arriving(square_tower()), "x")
    assert stored.file.state is FileState.UNREADABLE


def _nobody() -> None:
    """Nobody waits."""


class _DeletingAnalyser:
    def __init__(self, world: World, file_id: str) -> None:
        self._world = world
        self._file_id = file_id

    async def analyse(self, sha256: str) -> Analysis:
        await self._world.service.delete(self._file_id)
        raise ContentMissing(sha256)


async def _work_until_done(worker: AnalysisWorker, world: World) -> None:
    async with asyncio.timeout(5):
        while await worker.work_once():
            pass
    assert await world.files.list_analysing(limit=1) == []


def _sha_of_tower() -> str:
    return hashlib.sha256(square_tower()).hexdigest()


def _children() -> str:
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text()
