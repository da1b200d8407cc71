"""What both file repositories keep to: the one in memory and the one in the database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from buildplate.files.errors import FileInUse
from buildplate.files.memory import InMemoryFileRepository
from buildplate.files.model import (
    Analysis,
    Box,
    FileState,
    PrintFile,
    ThumbnailPlace,
    ToolUse,
)
from buildplate.files.ports import FileRepository
from buildplate.files.repository import SqlFiles
from buildplate.storage import Tx, script
from tests.contract.storage_engines import ENGINES, NOW, add, opened

ANALYSIS = Analysis(
    lines=12,
    print_box=Box(1.5, 2, 0.2, 100, 110, 50.25),
    tools=(ToolUse(0, 120.5, 3.5, "PLA", 0.4), ToolUse(2)),
    max_nozzle_c=215,
    slicer="Größenslicer",
    layers=250,
    thumbnail=ThumbnailPlace("image/png", 220, 124, 17, 4096),
)


@pytest.fixture(params=["memory", *ENGINES])
async def files(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[FileRepository]:
    if request.param == "memory":
        yield InMemoryFileRepository()
    else:
        async with opened(request.param, tmp_path) as storage:
            yield SqlFiles(storage)


@script
async def add_job_of(tx: Tx, file_id: str, state: str) -> None:
    """One job of this file with one print in this state."""
    await add(tx, "jobs", id="job", number=1, file_id=file_id)
    await add(tx, "prints", id="print", number=1, job_id="job", state=state)


def file(number: int, state: FileState = FileState.READY) -> PrintFile:
    return PrintFile(
        id=f"file-{number:03}",
        sha256=f"{number:064x}",
        size=number * 1_000_000_000,
        printer_sha256=f"{number + 1:064x}",
        name=f"größe {number} ∅.gcode",
        created_at=NOW,
        state=state,
        analysis=ANALYSIS if state is FileState.READY else None,
        sent_by=f"user {number}" if number % 2 else None,
    )


async def test_gives_back_what_was_added(files: FileRepository) -> None:
    added = await files.add(file(3))
    assert added == file(3)
    assert await files.get("file-003") == file(3)
    assert await files.get_by_sha256(file(3).sha256) == file(3)


async def test_what_is_not_there_is_none(files: FileRepository) -> None:
    assert await files.get("x") is None
    assert await files.get_by_sha256("x") is None
    assert await files.rename("x", "y") is None
    assert await files.mark_analysis("x", FileState.READY, ANALYSIS) is None
    await files.delete("x")
    assert await files.known(["x"]) == set()
    assert (await files.list_page(limit=10, cursor=None)).items == ()


async def test_lists_the_newest_first_page_by_page(files: FileRepository) -> None:
    for number in (2, 5, 1, 4, 3):
        await files.add(file(number))
    first = await files.list_page(limit=2, cursor=None)
    second = await files.list_page(limit=2, cursor=first.next_cursor)
    third = await files.list_page(limit=2, cursor=second.next_cursor)
    found = [*first.items, *second.items, *third.items]
    assert found == [file(number) for number in (5, 4, 3, 2, 1)]
    assert third.next_cursor is None
    assert (await files.list_page(limit=5, cursor=None)).next_cursor is None


async def test_lists_those_that_are_as_asked(files: FileRepository) -> None:
    for number in (1, 2):
        await files.add(file(number))
    await files.add(file(3, FileState.ANALYSING))
    ready = await files.list_page(limit=1, cursor=None, filters={"state": "ready"})
    assert (ready.items, ready.next_cursor) == ((file(2),), file(2).id)
    asked = {"state": "ready", "sha256": file(1).sha256}
    assert (await files.list_page(limit=9, cursor=None, filters=asked)).items == (file(1),)
    assert (await files.list_page(limit=9, cursor=None, filters={"name": "x"})).items == ()


async def test_a_rename_against_an_older_name_changes_nothing(files: FileRepository) -> None:
    await files.add(file(1))
    assert await files.rename("file-001", "new", "another") == file(1)
    renamed = replace(file(1), name="new")
    assert await files.rename("file-001", "new", file(1).name) == renamed


async def test_renames_and_changes_nothing_else(files: FileRepository) -> None:
    await files.add(file(1))
    await files.add(file(2))
    renamed = replace(file(1), name="new")
    assert await files.rename("file-001", "new") == renamed
    assert await files.get("file-001") == renamed
    assert await files.get("file-002") == file(2)


async def test_an_analysis_is_stored_with_its_state(files: FileRepository) -> None:
    await files.add(file(1, FileState.ANALYSING))
    marked = await files.mark_analysis("file-001", FileState.READY, ANALYSIS)
    assert marked == file(1)
    assert await files.get("file-001") == file(1)
    failed = await files.mark_analysis("file-001", FileState.UNREADABLE, None)
    assert failed == replace(file(1), state=FileState.UNREADABLE, analysis=None)


async def test_lists_what_waits_for_its_analysis_oldest_first(files: FileRepository) -> None:
    for number in (3, 1, 2):
        await files.add(file(number, FileState.ANALYSING))
    await files.add(file(4))
    waiting = await files.list_analysing(limit=2)
    assert [one.id for one in waiting] == ["file-001", "file-002"]
    for one in waiting:
        await files.mark_analysis(one.id, FileState.READY, ANALYSIS)
    assert [one.id for one in await files.list_analysing(limit=2)] == ["file-003"]


async def test_knows_which_contents_have_a_row(files: FileRepository) -> None:
    await files.add(file(1))
    await files.add(file(2))
    asked = [file(1).sha256, file(2).sha256, file(9).sha256]
    assert await files.known(asked) == set(asked[:2])
    assert await files.known([]) == set()


async def test_a_deleted_file_is_gone_and_its_content_may_come_again(
    files: FileRepository,
) -> None:
    await files.add(file(1))
    await files.delete("file-001")
    assert await files.get("file-001") is None
    assert await files.get_by_sha256(file(1).sha256) is None
    assert await files.known([file(1).sha256]) == set()
    again = replace(file(1), id="file-007")
    assert await files.add(again) == again


@pytest.mark.parametrize("engine", ENGINES)
async def test_an_analysis_that_comes_too_late_does_not_bring_a_deleted_file_back(
    engine: str, tmp_path: Path
) -> None:
    async with opened(engine, tmp_path) as storage:
        files = SqlFiles(storage)
        await files.add(file(1, FileState.ANALYSING))
        await storage.write(add_job_of, "file-001", "completed")
        await files.delete("file-001")
        assert await files.mark_analysis("file-001", FileState.READY, ANALYSIS) is None
        assert await files.rename("file-001", "new") is None
        assert (await files.list_page(limit=10, cursor=None)).items == ()


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_file_that_a_queued_print_needs_is_not_deleted(engine: str, tmp_path: Path) -> None:
    async with opened(engine, tmp_path) as storage:
        files = SqlFiles(storage)
        await files.add(file(1))
        await storage.write(add_job_of, "file-001", "queued")
        with pytest.raises(FileInUse, match="#1"):
            await files.delete("file-001")
        assert await files.get("file-001") == file(1)
