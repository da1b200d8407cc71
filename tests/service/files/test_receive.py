"""Receiving a print file: what is stored, what is refused, and that nothing else stays."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from buildplate.files.errors import FileError
from buildplate.files.memory import InMemoryBlobStore, InMemoryFileRepository
from buildplate.files.model import FileState, PrintFile
from buildplate.files.service import FilesConfig
from buildplate.files.store import LocalBlobStore
from tests.gcode_samples import long_tower, square_tower
from tests.service.files.rooms import NOW, World, arriving, gathered
from tests.unit.files.pieces import cuts

TOWER = square_tower()


def content_digest(content: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(content).digest()).decode()}:"


async def refusal(world: World, content: bytes, **announced: object) -> FileError:
    with pytest.raises(FileError) as refused:
        await world.service.receive(arriving(content), "part.gcode", **announced)  # type: ignore[arg-type]
    assert await world.store.digests() == []
    assert (await world.service.list_page()).items == ()
    assert refused.value.hint
    return refused.value


async def test_a_received_file_is_stored_analysed_and_listed() -> None:
    world = World()
    stored = await world.service.receive(arriving(TOWER), "C:\\prints\\tower.gcode")
    assert stored.created
    file = stored.file
    assert (file.name, file.size, file.created_at) == ("tower.gcode", len(TOWER), NOW)
    assert file.sha256 == hashlib.sha256(TOWER).hexdigest()
    assert file.state is FileState.READY
    assert file.analysis is not None
    assert file.analysis.layers == 5
    assert await gathered(world.service.content(file)) == TOWER
    assert (await world.service.list_page()).items == (file,)
    assert await world.service.get(file.id) == file


async def test_the_same_content_twice_is_one_file_whatever_its_name() -> None:
    world = World()
    first = await world.service.receive(arriving(TOWER), "a.gcode")
    again = await world.service.receive(arriving([TOWER[:9], TOWER[9:]]), "b.gcode")
    assert again.file == first.file
    assert (first.created, again.created) == (True, False)


async def test_the_same_content_at_the_same_time_is_one_file() -> None:
    world = World()
    stored = await asyncio.gather(
        *(world.service.receive(arriving(TOWER), f"{n}.gcode") for n in range(8))
    )
    assert len({one.file.id for one in stored}) == 1
    assert sum(one.created for one in stored) == 1


class SlowFiles(InMemoryFileRepository):
    """Answers after others had their turn, as a database does."""

    async def get_by_sha256(self, sha256: str) -> PrintFile | None:
        found = await super().get_by_sha256(sha256)
        await asyncio.sleep(0.002)
        return found


async def test_the_same_content_at_the_same_time_is_one_file_on_a_slow_database() -> None:
    world = World(files=SlowFiles())
    stored = await asyncio.gather(
        *(world.service.receive(arriving(TOWER), f"{n}.gcode") for n in range(8))
    )
    assert len({one.file.id for one in stored}) == 1


async def test_a_nameless_file_gets_a_name() -> None:
    stored = await World().service.receive(arriving(TOWER), "\u202e..")
    assert stored.file.name == "unnamed.gcode"


async def test_a_printer_gets_the_missing_last_newline() -> None:
    world = World()
    content = square_tower(final_newline=False)
    file = (await world.service.receive(arriving(content), "x")).file
    sent = await gathered(world.service.printer_bytes(file))
    assert sent == content + b"\n"
    assert (len(sent), hashlib.sha256(sent).hexdigest()) == (file.printer_size, file.printer_sha256)
    assert await gathered(world.service.content(file)) == content


async def test_a_printer_gets_a_terminated_file_as_it_is() -> None:
    world = World()
    file = (await world.service.receive(arriving(TOWER), "x")).file
    assert await gathered(world.service.printer_bytes(file)) == TOWER
    assert (file.printer_size, file.printer_sha256) == (file.size, file.sha256)


async def test_what_was_announced_rightly_is_accepted() -> None:
    stored = await World().service.receive(
        arriving(TOWER), "x", content_digest(TOWER), expected_length=len(TOWER)
    )
    assert stored.created


@pytest.mark.parametrize(
    ("content", "announced", "code"),
    [
        (b"", {}, "empty_file"),
        (b"GCDE1234", {}, "not_gcode"),
        (b"G28\n\xff\n", {}, "invalid_utf8"),
        (TOWER, {"expected_digest": content_digest(b"other")}, "digest_mismatch"),
        (TOWER, {"expected_digest": "sha-256=abc"}, "bad_digest"),
        (TOWER, {"expected_length": len(TOWER) + 1}, "length_mismatch"),
        (TOWER, {"expected_length": len(TOWER) - 1}, "length_mismatch"),
        (b"", {"expected_length": 10}, "length_mismatch"),
        (TOWER[:600], {"expected_digest": content_digest(TOWER)}, "digest_mismatch"),
    ],
)
async def test_refuses_with_a_reason(
    content: bytes, announced: dict[str, object], code: str
) -> None:
    assert (await refusal(World(), content, **announced)).code == code


async def test_refuses_what_is_announced_too_large_before_reading_it() -> None:
    world = World(config=FilesConfig(max_bytes=100))

    async def never_read() -> AsyncIterator[bytes]:
        yield b""
        pytest.fail("the body was read on")

    with pytest.raises(FileError) as refused:
        await world.service.receive(never_read(), "x", expected_length=101)
    assert refused.value.code == "too_large"


async def test_refuses_what_grows_too_large_while_it_comes() -> None:
    world = World(config=FilesConfig(max_bytes=len(TOWER) - 1))
    assert (await refusal(world, TOWER)).code == "too_large"
    world = World(config=FilesConfig(max_bytes=len(TOWER)))
    assert (await world.service.receive(arriving(TOWER), "x")).created


async def test_a_broken_connection_leaves_nothing() -> None:
    world = World()

    async def cut_off() -> AsyncIterator[bytes]:
        yield TOWER
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await world.service.receive(cut_off(), "x")
    assert await world.store.digests() == []


async def test_a_large_file_is_stored_at_once_and_analysed_later() -> None:
    world = World(config=FilesConfig(analyse_at_once=1000))
    stored = await world.service.receive(arriving(TOWER), "x")
    assert (stored.file.state, stored.file.analysis) == (FileState.ANALYSING, None)
    assert len(world.woken) == 1


async def test_an_upload_heals_a_content_that_got_lost() -> None:
    world = World()
    file = (await world.service.receive(arriving(TOWER), "x")).file
    await world.store.delete(file.sha256)
    again = await world.service.receive(arriving(TOWER), "x")
    assert (again.created, again.file) == (False, file)
    assert await gathered(world.service.content(file)) == TOWER


async def test_a_healed_file_that_could_not_be_analysed_is_analysed_again() -> None:
    world = World(config=FilesConfig(analyse_at_once=0))
    file = (await world.service.receive(arriving(TOWER), "x")).file
    await world.files.mark_analysis(file.id, FileState.UNREADABLE, None)
    assert (await world.service.receive(arriving(TOWER), "x")).file.state is FileState.UNREADABLE
    await world.store.delete(file.sha256)
    assert (await world.service.receive(arriving(TOWER), "x")).file.state is FileState.ANALYSING
    assert len(world.woken) == 2


@given(st.data(), st.sampled_from([TOWER, b"G28", b"G28\n\xc3", b"PK\x03\x04", b"; no\n", b""]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
async def test_the_outcome_does_not_depend_on_the_pieces(
    data: st.DataObject, content: bytes
) -> None:
    async def outcome(pieces: list[bytes]) -> object:
        world = World(config=FilesConfig(max_bytes=len(TOWER)))
        try:
            return (await world.service.receive(arriving(pieces), "x")).file
        except FileError as refused:
            return refused.code, str(refused)

    assert await outcome(data.draw(cuts(content))) == await outcome([content])


async def test_a_large_file_goes_to_the_disk_and_back(tmp_path: Path) -> None:
    content = long_tower(9_000_000)
    async with LocalBlobStore(tmp_path) as store:
        world = World(store=store, config=FilesConfig(analyse_at_once=0))
        pieces = [content[start : start + 100_000] for start in range(0, len(content), 100_000)]
        file = (await world.service.receive(arriving(pieces), "x", content_digest(content))).file
        assert await gathered(world.service.printer_bytes(file)) == content


async def orphaned(store: InMemoryBlobStore) -> str:
    """A content as a crash leaves it: kept, but without a row."""
    async with store.writing(limit=100) as writer:
        await writer.write(b"G28\n")
        blob = await writer.finish()
        await writer.keep()
    return blob.sha256


async def test_sweeping_sets_contents_without_a_row_aside_and_nothing_else() -> None:
    store = InMemoryBlobStore()
    world = World(store=store)
    assert await world.service.sweep() == 0
    file = (await world.service.receive(arriving(TOWER), "x")).file
    orphan = await orphaned(store)
    with capture_logs() as lines:
        assert await world.service.sweep() == 1
    assert await store.digests() == [file.sha256]
    assert store.aside == {orphan: b"G28\n"}
    assert [(line["event"], line["sha256"]) for line in lines] == [("files.orphan", orphan)]


@pytest.mark.parametrize("database", ["another", None])
async def test_another_database_leaves_the_contents_where_they_are(database: str | None) -> None:
    store = InMemoryBlobStore()
    world = World(store=store)
    await world.service.sweep()
    file = (await world.service.receive(arriving(TOWER), "x")).file
    other = World(store=store, files=InMemoryFileRepository(database))
    with capture_logs() as lines:
        assert await other.service.sweep() == 0
    assert [(line["event"], line["kept"]) for line in lines] == [("files.foreign", 1)]
    assert await gathered(world.service.content(file)) == TOWER
    await other.service.receive(arriving(square_tower(layers=2)), "y")
    assert await other.service.sweep() == 0  # nor once it has files of its own


async def test_contents_that_nobody_has_claimed_are_kept() -> None:
    store = InMemoryBlobStore()
    orphan = await orphaned(store)
    assert await World(store=store).service.sweep() == 0
    assert await store.digests() == [orphan]
