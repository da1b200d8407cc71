"""The file that a backup is: there is one right form of it, and whatever differs is found."""

from __future__ import annotations

import hashlib
import io
import tarfile
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildplate.backups.archive import header, place_of, read_manifest, verify, write_archive
from buildplate.backups.errors import Damaged, TooNew
from buildplate.backups.model import FORMAT, KEY, Manifest, Part

CONTENTS = {
    "tables/jobs.jsonl": b'["id"]\n["a"]\n',
    "tables/prints.jsonl": b"",
    "files/" + hashlib.sha256(b"G28\n" * 200).hexdigest(): b"G28\n" * 200,
    KEY: b"{}",
}


def manifest(contents: dict[str, bytes] | None = None) -> Manifest:
    parts = tuple(
        Part(name, len(content), hashlib.sha256(content).hexdigest())
        for name, content in (contents or CONTENTS).items()
    )
    return Manifest(
        id="01a21e35-5299-74b8-943d-3312bfaba091",
        taken_at=datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
        release="1.0",
        schema="0003",
        database="sqlite",
        farm="some",
        rows={"jobs": 1, "prints": 0},
        key_file=KEY in (contents or CONTENTS),
        key="abc",
        missing=("f" * 64,),
        parts=parts,
    )


def archive(of: Manifest | None = None, contents: dict[str, bytes] | None = None) -> bytes:
    file = io.BytesIO()
    found = contents or CONTENTS
    write_archive(file, of or manifest(contents), lambda part: [found[part.name]])
    return file.getvalue()


WHOLE = archive()


def test_what_was_written_is_read_and_found_right() -> None:
    assert verify(io.BytesIO(WHOLE)) == manifest()
    assert archive() == WHOLE


@pytest.mark.parametrize("told", [True, False])
def test_a_key_file_that_is_told_of_and_not_there_or_not_told_of_is_damage(*, told: bool) -> None:
    contents = {name: text for name, text in CONTENTS.items() if not told or name != KEY}
    lying = replace(manifest(contents), key_file=told)
    with pytest.raises(Damaged, match="key file"):
        verify(io.BytesIO(archive(lying, contents)))


def test_an_ordinary_tar_reads_it_too() -> None:
    with tarfile.open(fileobj=io.BytesIO(WHOLE)) as found:
        first, *names = found.getnames()
        assert first.startswith("manifest-")
        assert names == list(CONTENTS)
        for name, content in CONTENTS.items():
            file = found.extractfile(name)
            assert file is not None
            assert file.read() == content


def test_each_part_is_where_the_manifest_says() -> None:
    for name, content in CONTENTS.items():
        place = place_of(manifest(), name)
        assert WHOLE[place : place + len(content)] == content


def test_every_flipped_byte_is_found() -> None:
    for place in range(len(WHOLE)):
        spoiled = bytearray(WHOLE)
        spoiled[place] ^= 0x01
        with pytest.raises(Damaged):
            verify(io.BytesIO(spoiled))


@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255))
def test_no_other_byte_in_any_place_will_do(place: int, by: int) -> None:
    spoiled = bytearray(WHOLE)
    spoiled[place] ^= by
    with pytest.raises(Damaged):
        verify(io.BytesIO(spoiled))


@given(st.integers(0, len(WHOLE) - 1))
def test_one_that_is_cut_short_anywhere_is_found(size: int) -> None:
    with pytest.raises(Damaged):
        verify(io.BytesIO(WHOLE[:size]))


def boundaries() -> list[int]:
    starts = [place_of(manifest(), name) for name in CONTENTS]
    ends = [start + len(CONTENTS[name]) for start, name in zip(starts, CONTENTS, strict=True)]
    return sorted({512, *starts, *ends, *(start - 512 for start in starts)})


@pytest.mark.parametrize("size", boundaries())
def test_one_that_ends_at_the_edge_of_a_member_is_found(size: int) -> None:
    with pytest.raises(Damaged):
        verify(io.BytesIO(WHOLE[:size]))
    with pytest.raises(Damaged):
        verify(io.BytesIO(WHOLE[:size] + bytes(10240)))


@given(st.binary(min_size=1, max_size=2000))
def test_nothing_may_follow(more: bytes) -> None:
    with pytest.raises(Damaged):
        verify(io.BytesIO(WHOLE + more))


def with_member(info: tarfile.TarInfo) -> bytes:
    """The archive with one more member before its end."""
    end = place_of(manifest(), "key.sealed") + 512
    return WHOLE[:end] + info.tobuf(tarfile.GNU_FORMAT) + bytes(10240)


@pytest.mark.parametrize(
    ("name", "kind", "target"),
    [
        ("extra", tarfile.REGTYPE, ""),
        ("/etc/passwd", tarfile.REGTYPE, ""),
        ("../../outside", tarfile.REGTYPE, ""),
        ("link", tarfile.SYMTYPE, "/etc/passwd"),
        ("hard", tarfile.LNKTYPE, "key.sealed"),
        ("folder", tarfile.DIRTYPE, ""),
        ("device", tarfile.CHRTYPE, ""),
    ],
)
def test_a_member_that_the_manifest_does_not_name_is_refused(
    name: str, kind: bytes, target: str
) -> None:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    with pytest.raises(Damaged):
        verify(io.BytesIO(with_member(info)))


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "files/../../x", "tables/A b.jsonl", ""])
def test_a_manifest_that_names_another_place_is_refused(name: str) -> None:
    odd = {name: b"x"}
    text = manifest(odd).dump()
    start = f"manifest-{hashlib.sha256(text).hexdigest()}.json"
    file = header(start, len(text)) + text + bytes(-len(text) % 512)
    with pytest.raises(Damaged):
        read_manifest(io.BytesIO(file + bytes(10240)))


def test_a_file_under_another_hash_than_its_own_is_refused() -> None:
    with pytest.raises(Damaged):
        verify(io.BytesIO(archive(contents={"files/" + "0" * 64: b"x"})))


def test_the_same_part_twice_is_refused() -> None:
    once = manifest()
    twice = replace(once, parts=(*once.parts, once.parts[0]))
    with pytest.raises(Damaged):
        verify(io.BytesIO(archive(twice)))


def test_a_part_that_is_not_what_the_manifest_says_is_never_written_as_whole() -> None:
    spoiled = {**CONTENTS, "tables/jobs.jsonl": b'["id"]\n["b"]\n'}
    with pytest.raises(Damaged):
        archive(manifest(), spoiled)


def test_a_newer_format_is_named_as_such() -> None:
    with pytest.raises(TooNew):
        verify(io.BytesIO(archive(replace(manifest(), format=FORMAT + 1))))


@pytest.mark.parametrize("content", [b"", b"not a tar", b"\x00" * 2048, b"PK\x03\x04" * 512])
def test_what_is_no_backup_is_refused_in_a_sentence(content: bytes) -> None:
    with pytest.raises(Damaged, match="does not begin as a backup"):
        verify(io.BytesIO(content))
