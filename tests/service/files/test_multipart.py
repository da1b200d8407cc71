"""The file of a multipart form, taken from the stream as it comes."""

from __future__ import annotations

import hashlib
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buildplate.files.errors import BadMultipart
from buildplate.files.multipart import MOST_AROUND, MultipartFile
from tests.gcode_samples import long_tower, square_tower
from tests.service.files.rooms import World, arriving, gathered
from tests.unit.files.pieces import bytewise, cuts

BOUNDARY = "----farm42"
CONTENT_TYPE = f"multipart/form-data; boundary={BOUNDARY}"


def part(name: str, content: bytes, filename: str | None = None) -> bytes:
    naming = f'form-data; name="{name}"' + (f'; filename="{filename}"' if filename else "")
    head = f"--{BOUNDARY}\r\nContent-Disposition: {naming}\r\nContent-Type: text/x.gcode\r\n\r\n"
    return head.encode() + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


async def read(pieces: list[bytes], content_type: str = CONTENT_TYPE) -> tuple[str, bytes]:
    upload = MultipartFile(arriving(pieces), content_type)
    name = await upload.name()
    return name, await gathered(upload.content())


CONTENTS = [
    square_tower(),
    square_tower().replace(b"\n", b"\r\n"),
    b"",
    b"\r",
    b"\r\n",
    b"\r\n--",
    f"\r\n--{BOUNDARY[:-1]}\r\n".encode(),
    f"--{BOUNDARY}\n".encode(),
    b"\r\n\r\n\r\n-\r\n--\r\n",
]


@pytest.mark.parametrize("content", CONTENTS)
async def test_reads_name_and_content(content: bytes) -> None:
    body = form(part("file", content, "tower.gcode"))
    assert await read([body]) == ("tower.gcode", content)
    assert await read(bytewise(body)) == ("tower.gcode", content)


@given(st.data(), st.sampled_from(CONTENTS))
@settings(deadline=None)
async def test_the_pieces_do_not_matter(data: st.DataObject, content: bytes) -> None:
    body = form(part("print", b"true"), part("file", content, "a.gcode"), part("path", b"x"))
    assert await read(data.draw(cuts(body))) == ("a.gcode", content)


@given(st.data(), st.lists(st.sampled_from([b"\r", b"\n", b"-", b"--", BOUNDARY.encode(), b"G28"])))
@settings(deadline=None)
async def test_content_like_a_boundary_is_content(data: st.DataObject, bits: list[bytes]) -> None:
    content = b"".join(bits)
    if f"\r\n--{BOUNDARY}".encode() in b"\r\n" + content:
        return
    assert await read(data.draw(cuts(form(part("file", content, "x"))))) == ("x", content)


async def test_other_fields_are_passed_over_and_can_be_asked_for() -> None:
    body = form(part("print", b"true"), part("file", b"G28\n", "x"), part("path", b"a/b"))
    upload = MultipartFile(arriving([body]), CONTENT_TYPE)
    assert await gathered(upload.content()) == b"G28\n"
    assert upload.fields == {"print": "true", "path": "a/b"}


async def test_only_the_first_file_counts() -> None:
    body = form(part("file", b"G28\n", "first"), part("file", b"G29\n", "second"))
    assert await read([body]) == ("first", b"G28\n")


async def test_a_name_in_utf8_is_kept() -> None:
    assert (await read([form(part("file", b"G28\n", "größe ∅.gcode"))]))[0] == "größe ∅.gcode"


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (form(part("files", b"G28\n", "x")), CONTENT_TYPE),
        (form(), CONTENT_TYPE),
        (b"", CONTENT_TYPE),
        (b"G28\n", CONTENT_TYPE),
        (form(part("file", b"G28\n", "x"))[:-20], CONTENT_TYPE),
        (part("file", b"G28\n", "x")[:40], CONTENT_TYPE),
        (form(part("note", b"x" * MOST_AROUND), part("file", b"G28\n", "x")), CONTENT_TYPE),
        (form(part("file", b"G28\n", "x")), "multipart/form-data"),
        (form(part("file", b"G28\n", "x")), "text/plain"),
        (form(part("file", b"G28\n", "x")), "multipart/form-data; boundary=" + "x" * 400),
    ],
)
async def test_refuses_a_form_it_cannot_read(body: bytes, content_type: str) -> None:
    with pytest.raises(BadMultipart) as refused:
        await read([body], content_type)
    assert refused.value.code == "bad_multipart"
    with pytest.raises(BadMultipart):
        await read(bytewise(body), content_type)


async def test_much_after_the_file_is_refused() -> None:
    body = form(part("file", b"G28\n", "x"), part("note", b"x" * 2 * MOST_AROUND))
    with pytest.raises(BadMultipart):
        await read([body[start : start + 5000] for start in range(0, len(body), 5000)])


@given(st.binary(max_size=300))
@settings(deadline=None)
async def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    for pieces in ([body], bytewise(body)):
        with suppress(BadMultipart):
            await read(pieces)


async def test_a_large_file_arrives_as_it_was_sent() -> None:
    content = long_tower(3_000_000)
    body = form(part("file", content, "tower.gcode"))
    pieces = [body[start : start + 65_536] for start in range(0, len(body), 65_536)]
    upload = MultipartFile(arriving(pieces), CONTENT_TYPE)
    stored = await World().service.receive(upload.content(), await upload.name())
    assert stored.file.sha256 == hashlib.sha256(content).hexdigest()
    assert stored.file.name == "tower.gcode"
