"""Resumable uploads as a client of the tus protocol 1.0.0 sees them, cut off wherever it hurts."""

from __future__ import annotations

import asyncio
import base64
import random
from pathlib import Path
from typing import Any

import httpx
import pytest

from buildplate.access.model import Role
from buildplate.api.rooms import Limits
from tests.gcode_samples import long_tower
from tests.service.api.people import browser, user
from tests.service.api.surface import GCODE, Surface, listening, open_surface
from tests.service.api.test_streams import LIMITS, LINE, wire

TUS = {"tus-resumable": "1.0.0"}
OCTETS = {"content-type": "application/offset+octet-stream"}


async def begin(
    client: httpx.AsyncClient, length: int = len(GCODE), name: str = "cube.gcode"
) -> str:
    """Begin an upload; its path."""
    encoded = base64.b64encode(name.encode()).decode()
    headers = TUS | {"upload-length": str(length), "upload-metadata": f"filename {encoded},x"}
    answer = await client.post("/api/v1/uploads", headers=headers)
    assert (answer.status_code, answer.content) == (201, b""), answer.text
    assert answer.headers["upload-expires"].endswith("GMT")
    return answer.headers["location"]


async def append(
    client: httpx.AsyncClient, path: str, offset: int, content: Any, **more: str
) -> httpx.Response:
    headers = TUS | OCTETS | {"upload-offset": str(offset)} | more
    return await client.patch(path, headers=headers, content=content)


async def offset_of(client: httpx.AsyncClient, path: str) -> int:
    answer = await client.head(path, headers=TUS)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    return int(answer.headers["upload-offset"])


async def test_an_upload_in_two_parts_is_a_file_like_any_other(surface: Surface) -> None:
    client = surface.client
    path = await begin(client, name="ein Würfel.gcode")
    half = await append(client, path, 0, GCODE[:20])
    assert (half.status_code, half.headers["upload-offset"]) == (204, "20")
    assert "upload-file-id" not in half.headers
    looked = await client.head(path, headers=TUS)
    assert looked.headers["upload-length"] == str(len(GCODE))
    encoded = base64.b64encode("ein Würfel.gcode".encode()).decode()
    assert looked.headers["upload-metadata"] == f"filename {encoded},x"  # word for word
    done = await append(client, path, 20, GCODE[20:])
    assert (done.status_code, done.headers["upload-offset"]) == (204, str(len(GCODE)))
    file_id = done.headers["upload-file-id"]
    assert (await client.head(path, headers=TUS)).headers["upload-file-id"] == file_id
    file = (await client.get(f"/api/v1/files/{file_id}")).json()
    assert (file["name"], file["state"], file["size"]) == ("ein Würfel.gcode", "ready", len(GCODE))
    assert file["sent_by"] == "key first admin"
    assert (await client.get(f"/api/v1/files/{file_id}/content")).content == GCODE
    assert (await surface.file())["id"] == file_id


async def test_every_answer_speaks_tus(surface: Surface) -> None:
    told = await surface.client.options("/api/v1/uploads")
    assert told.status_code == 204
    assert told.headers["tus-version"] == "1.0.0"
    assert set(told.headers["tus-extension"].split(",")) == {
        "creation", "expiration", "termination",
    }  # fmt: skip
    assert told.headers["tus-max-size"] == "500000000"
    path = await begin(surface.client)
    for answer in (
        told,
        await surface.client.head(path, headers=TUS),
        await append(surface.client, path, 7, b"G1"),
        await surface.client.head(f"{path}0", headers=TUS),
        await surface.client.post("/api/v1/uploads"),
    ):
        assert answer.headers["tus-resumable"] == "1.0.0", answer.status_code


@pytest.mark.parametrize("version", [None, "0.2.2"])
async def test_another_version_is_refused_with_ours(surface: Surface, version: str | None) -> None:
    headers = {"upload-length": "5"} | ({} if version is None else {"tus-resumable": version})
    answer = await surface.client.post("/api/v1/uploads", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (412, "tus_version")
    assert answer.headers["tus-version"] == "1.0.0"


async def test_who_can_only_post_says_what_is_meant(surface: Surface) -> None:
    """X-HTTP-Method-Override, of the protocol's core."""
    path = await begin(surface.client)
    headers = TUS | OCTETS | {"upload-offset": "0", "x-http-method-override": "PATCH"}
    half = await surface.client.post(path, headers=headers, content=GCODE[:20])
    assert (half.status_code, half.headers["upload-offset"]) == (204, "20")
    async with await surface.caller(Role.VIEWER) as viewer:
        refused = await viewer.post(path, headers=headers, content=GCODE[:20])
        assert refused.status_code == 403
    ended = TUS | {"x-http-method-override": "DELETE"}
    assert (await surface.client.post(path, headers=ended)).status_code == 204
    assert (await surface.client.head(path, headers=TUS)).status_code == 404
    for other in ("GET", "HEAD", "patch", "PUT"):
        said = TUS | {"x-http-method-override": other}
        assert (await surface.client.post(path, headers=said)).status_code == 405
    print_ = TUS | {"x-http-method-override": "DELETE"}
    assert (await surface.client.post("/api/v1/printers/1", headers=print_)).status_code == 405


async def test_a_wrong_offset_is_a_conflict_that_tells_the_right_one(surface: Surface) -> None:
    path = await begin(surface.client)
    await append(surface.client, path, 0, GCODE[:20])
    for offset in (0, 19, 21):
        answer = await append(surface.client, path, offset, GCODE[offset:])
        assert (answer.status_code, answer.json()["code"]) == (409, "offset_mismatch")
        assert answer.headers["upload-offset"] == "20"
    assert await offset_of(surface.client, path) == 20


@pytest.mark.parametrize(
    ("more", "status", "code"),
    [
        ({"content-type": "application/octet-stream"}, 415, "not_octets"),
        ({"upload-offset": "-1"}, 422, "invalid_request"),
        ({"upload-offset": "x"}, 422, "invalid_request"),
    ],
)
async def test_a_part_that_does_not_say_what_it_is_is_refused(
    surface: Surface, more: dict[str, str], status: int, code: str
) -> None:
    path = await begin(surface.client)
    answer = await append(surface.client, path, 0, GCODE, **more)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert await offset_of(surface.client, path) == 0


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"upload-length": "500000001"}, 413, "too_large"),
        ({"upload-length": "0"}, 422, "empty_file"),
        ({"upload-length": "-3"}, 422, "invalid_request"),
        ({}, 422, "invalid_request"),
        ({"upload-length": "5", "upload-metadata": "filename %%%"}, 422, "invalid_request"),
        ({"upload-length": "5", "upload-metadata": "filename /w=="}, 422, "invalid_request"),
        ({"upload-length": "5", "upload-metadata": "x" * 5000}, 422, "invalid_request"),
    ],
)
async def test_an_upload_that_cannot_be_is_refused_at_its_beginning(
    surface: Surface, headers: dict[str, str], status: int, code: str
) -> None:
    answer = await surface.client.post("/api/v1/uploads", headers=TUS | headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_more_bytes_than_announced_are_refused_before_they_are_taken(
    surface: Surface,
) -> None:
    path = await begin(surface.client, 30)
    answer = await append(surface.client, path, 0, GCODE)
    assert (answer.status_code, answer.json()["code"]) == (422, "length_mismatch")
    assert await offset_of(surface.client, path) == 0


async def test_what_no_printer_could_print_is_refused_with_its_reason(surface: Surface) -> None:
    archive = b"PK\x03\x04" + b"x" * 2000
    path = await begin(surface.client, len(archive), "plate.3mf")
    answer = await append(surface.client, path, 0, archive)
    assert (answer.status_code, answer.json()["code"]) == (422, "not_gcode")
    assert "ZIP" in answer.json()["detail"]
    assert (await surface.client.head(path, headers=TUS)).status_code == 404
    assert (await surface.client.get("/api/v1/files")).json()["items"] == []


async def test_an_upload_that_was_given_up_is_gone(surface: Surface) -> None:
    path = await begin(surface.client)
    assert (await surface.client.delete(path, headers=TUS)).status_code == 204
    assert (await surface.client.head(path, headers=TUS)).status_code == 404
    answer = await append(surface.client, path, 0, GCODE)
    assert (answer.status_code, answer.json()["code"]) == (404, "upload_not_found")


async def test_an_upload_is_its_caller_s_alone(surface: Surface) -> None:
    path = await begin(surface.client)
    async with await surface.caller(Role.ADMIN) as other:
        assert (await other.head(path, headers=TUS)).status_code == 404
        assert (await append(other, path, 0, GCODE)).status_code == 404
        assert (await other.delete(path, headers=TUS)).status_code == 404
    async with await surface.caller(Role.VIEWER) as viewer:
        answer = await viewer.post("/api/v1/uploads", headers=TUS | {"upload-length": "5"})
        assert answer.status_code == 403
        assert (await append(viewer, path, 0, GCODE)).status_code == 403
    async with await surface.caller(Role.OPERATOR) as operator:
        own = await begin(operator)
        assert (await append(operator, own, 0, GCODE)).status_code == 204
    assert await offset_of(surface.client, path) == 0


async def test_whoever_is_confined_uploads_and_sees_no_others(surface: Surface) -> None:
    keys = surface.farm.keys
    made = [
        await keys.create(name, Role.OPERATOR, None, frozenset({"hall 1"})) for name in ("a", "b")
    ]
    one, other = (surface.with_key(key.secret) for key in made)
    assert (await one.options("/api/v1/uploads")).status_code == 204
    path = await begin(one)
    assert (await append(one, path, 0, GCODE[:20])).status_code == 204
    assert await offset_of(one, path) == 20
    assert (await other.head(path, headers=TUS)).status_code == 404
    assert (await append(other, path, 20, GCODE[20:])).status_code == 404
    assert (await other.delete(path, headers=TUS)).status_code == 404
    assert (await append(one, path, 20, GCODE[20:])).headers["upload-file-id"]
    assert (await one.delete(path, headers=TUS)).status_code == 204


async def test_a_session_s_parts_need_its_csrf_token(surface: Surface) -> None:
    await user(surface)
    ann = await browser(surface)
    path = await begin(ann)
    token = ann.headers.pop("x-csrf-token")
    for answer in (
        await append(ann, path, 0, GCODE),
        await ann.delete(path, headers=TUS),
        await ann.post("/api/v1/uploads", headers=TUS | {"upload-length": "5"}),
        await ann.post(path, headers=TUS | {"x-http-method-override": "DELETE"}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "csrf_refused")
    assert await offset_of(ann, path) == 0
    ann.headers["x-csrf-token"] = token
    assert (await append(ann, path, 0, GCODE)).status_code == 204


@pytest.mark.parametrize("method", ["head", "patch", "delete"])
async def test_every_step_has_to_speak_our_version(surface: Surface, method: str) -> None:
    path = await begin(surface.client)
    headers = OCTETS | {"upload-offset": "0", "tus-resumable": "0.2.2"}
    answer = await surface.client.request(method, path, headers=headers)
    assert answer.status_code == 412
    assert answer.headers["tus-version"] == "1.0.0"
    assert await offset_of(surface.client, path) == 0


def part(surface: Surface, path: str, offset: int, length: int) -> bytes:
    lines = [
        f"PATCH {path} HTTP/1.1",
        "host: farm",
        f"x-api-key: {surface.secret}",
        "tus-resumable: 1.0.0",
        "content-type: application/offset+octet-stream",
        f"upload-offset: {offset}",
        f"content-length: {length}",
    ]
    return "\r\n".join([*lines, "", ""]).encode()


async def kept(surface: Surface, path: str, least: int) -> int:
    """Where the upload is, once the server has noticed that the connection is gone."""
    async with asyncio.timeout(10):
        while (offset := await offset_of(surface.client, path)) < least:
            await asyncio.sleep(0.01)
    return offset


async def test_connections_cut_at_any_byte_lose_nothing_that_was_kept(tmp_path: Path) -> None:
    chance = random.Random(5)
    content = long_tower(600_000)
    async with open_surface(tmp_path) as surface, listening(surface) as port:
        path = await begin(surface.client, len(content), "long.gcode")
        offset = 0
        for _ in range(12):
            sent = chance.choice((0, 1, chance.randrange(2, 500), chance.randrange(1, 60_000)))
            async with wire(port) as client:
                await client.send(part(surface, path, offset, len(content) - offset))
                await client.send(content[offset : offset + sent])
            offset = await kept(surface, path, offset + sent)
        assert 0 < offset < len(content)
        done = await append(surface.client, path, offset, content[offset:])
        stored = f"/api/v1/files/{done.headers['upload-file-id']}/content"
        assert (await surface.client.get(stored)).content == content


async def test_a_head_cut_off_anywhere_changes_nothing(tmp_path: Path) -> None:
    async with open_surface(tmp_path) as surface, listening(surface) as port:
        path = await begin(surface.client)
        whole = part(surface, path, 0, len(GCODE))
        for end in range(1, len(whole), 23):
            async with wire(port) as client:
                await client.send(whole[:end])
        assert await offset_of(surface.client, path) == 0


async def test_a_dead_connection_does_not_hold_the_upload(tmp_path: Path) -> None:
    async with open_surface(tmp_path) as surface, listening(surface) as port:
        path = await begin(surface.client, 10_000 * len(LINE))
        async with wire(port) as dead:  # stays open, and sends nothing more
            await dead.send(part(surface, path, 0, 10_000 * len(LINE)) + LINE * 100)
            await asyncio.sleep(0.1)
            first = await append(surface.client, path, 0, LINE * 10_000)
            assert first.json()["code"] == "offset_mismatch"
            offset = int(first.headers["upload-offset"])
            assert offset == 100 * len(LINE)
            rest = LINE * (10_000 - 100)
            assert (await append(surface.client, path, offset, rest)).status_code == 204
            status, text = await dead.answer()
        assert (status, b'"code":"upload_taken_over"' in text) == (409, True)


async def test_a_body_that_stops_arriving_keeps_what_came(tmp_path: Path) -> None:
    async with open_surface(tmp_path, limits=LIMITS) as surface, listening(surface) as port:
        path = await begin(surface.client, 1000 * len(LINE))
        async with wire(port) as slow:
            await slow.send(part(surface, path, 0, 1000 * len(LINE)) + LINE * 10)
            status, _ = await slow.answer()
        assert status == 408
        assert await offset_of(surface.client, path) == 10 * len(LINE)


async def test_an_upload_is_larger_than_other_bodies_may_be(tmp_path: Path) -> None:
    content = LINE * 5000
    async with open_surface(tmp_path, limits=Limits(body=1000)) as surface:
        path = await begin(surface.client, len(content))
        assert (await append(surface.client, path, 0, content)).status_code == 204


async def test_a_restarted_server_goes_on(tmp_path: Path) -> None:
    content = long_tower(100_000)
    async with open_surface(tmp_path) as surface:
        secret = surface.secret
        path = await begin(surface.client, len(content))
        await append(surface.client, path, 0, content[:40_001])
    async with open_surface(tmp_path) as surface, surface.with_key(secret) as client:
        assert await offset_of(client, path) == 40_001
        done = await append(client, path, 40_001, content[40_001:])
        file_id = done.headers["upload-file-id"]
    async with open_surface(tmp_path) as surface, surface.with_key(secret) as client:
        assert (await client.head(path, headers=TUS)).headers["upload-file-id"] == file_id
        assert (await client.get(f"/api/v1/files/{file_id}/content")).content == content


async def test_a_full_disk_is_said_plainly(surface: Surface) -> None:
    path = await begin(surface.client)
    surface.farm.uploads._folder._reserve = 1 << 60
    answer = await append(surface.client, path, 0, GCODE)
    assert (answer.status_code, answer.json()["code"]) == (507, "storage_full")
    headers = TUS | {"upload-length": "5"}
    answer = await surface.client.post("/api/v1/uploads", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (507, "storage_full")
    surface.farm.uploads._folder._reserve = 0
    assert (await append(surface.client, path, 0, GCODE)).status_code == 204
