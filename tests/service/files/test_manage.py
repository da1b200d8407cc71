"""Looking up, renaming, deleting files, and their pictures."""

from __future__ import annotations

import asyncio

import pytest

from buildplate.files.errors import BadName, FileInUse, UnknownFile
from buildplate.files.model import PrintFile
from tests.gcode_samples import png, square_tower, thumbnail_block
from tests.service.files.rooms import World, arriving, gathered


async def received(world: World, content: bytes, name: str = "x.gcode") -> PrintFile:
    return (await world.service.receive(arriving(content), name)).file


async def test_lists_the_newest_first_page_by_page() -> None:
    world = World()
    files = [await received(world, square_tower(layers=n)) for n in range(1, 6)]
    first = await world.service.list_page(limit=2)
    second = await world.service.list_page(limit=2, cursor=first.next_cursor)
    third = await world.service.list_page(limit=2, cursor=second.next_cursor)
    assert [*first.items, *second.items, *third.items] == files[::-1]
    assert third.next_cursor is None


async def test_an_unknown_file_is_refused() -> None:
    service = World().service
    for asked in (service.get("x"), service.rename("x", "y"), service.delete("x")):
        with pytest.raises(UnknownFile) as refused:
            await asked
        assert refused.value.code == "file_not_found"


async def test_renaming_changes_what_is_shown() -> None:
    world = World()
    file = await received(world, square_tower())
    assert (await world.service.rename(file.id, "../new\nname.gcode")).name == "new name.gcode"
    assert (await world.service.get(file.id)).name == "new name.gcode"
    with pytest.raises(BadName):
        await world.service.rename(file.id, "\u200b")


async def test_deleting_removes_the_row_and_the_content() -> None:
    world = World()
    file = await received(world, square_tower())
    await world.service.delete(file.id)
    assert await world.store.digests() == []
    with pytest.raises(UnknownFile):
        await world.service.get(file.id)


async def test_a_file_that_jobs_need_is_not_deleted() -> None:
    world = World()
    file = await received(world, square_tower())
    world.uses.jobs[file.id] = (12, 15, 16, 17, 18, 19, 20)
    with pytest.raises(FileInUse, match="#12, #15, #16, #17, #18 and 2 more") as refused:
        await world.service.delete(file.id)
    assert refused.value.code == "file_in_use"
    assert await gathered(world.service.content(file)) == square_tower()


async def test_a_job_that_comes_in_at_the_last_moment_keeps_the_content() -> None:
    world = World()
    file = await received(world, square_tower())
    world.files.needed.add(file.id)
    with pytest.raises(FileInUse):
        await world.service.delete(file.id)
    assert await gathered(world.service.content(file)) == square_tower()


async def test_deleting_and_uploading_at_once_never_leaves_a_file_without_content() -> None:
    for turn in range(20):
        world = World()
        file = await received(world, square_tower())

        async def upload(world: World = world, turn: int = turn) -> None:
            for _ in range(turn):
                await asyncio.sleep(0)
            await received(world, square_tower())

        await asyncio.gather(world.service.delete(file.id), upload(), return_exceptions=True)
        for left in (await world.service.list_page()).items:
            assert await gathered(world.service.content(left)) == square_tower()


async def test_shows_the_picture_in_the_file() -> None:
    world = World()
    picture = png(160, 120)
    file = await received(world, thumbnail_block(picture, 160, 120) + square_tower())
    shown = await world.service.thumbnail(file.id)
    assert shown is not None
    assert (shown.media_type, shown.width, shown.height) == ("image/png", 160, 120)
    assert shown.data == picture


async def test_a_file_without_a_picture_has_none() -> None:
    world = World()
    file = await received(world, square_tower())
    assert await world.service.thumbnail(file.id) is None
