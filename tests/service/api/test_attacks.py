"""What strangers and careless clients send, and the refusal that each of them gets."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import pytest

from buildplate.api.rooms import Limits
from buildplate.app import http_protocol
from buildplate.app.settings import Settings
from tests.service.api.certificates import Authority
from tests.service.api.surface import GCODE, Surface, listening, open_surface
from tests.service.api.test_streams import Wire, wire

NAMES = [
    "../../../etc/passwd",
    "..\\..\\windows\\win.ini",
    "/etc/passwd",
    "a/../../b.gcode",
    "..",
    "~root/.ssh/id",
]


def files_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.mark.parametrize("name", NAMES)
async def test_a_name_that_climbs_out_of_its_folder_is_only_a_name(
    tmp_path: Path, name: str
) -> None:
    async with open_surface(tmp_path / "farm") as surface:
        answer = await surface.client.post(
            "/api/v1/files", content=GCODE, headers={"x-filename": quote(name, safe="")}
        )
        assert answer.status_code in (201, 422), answer.text
        if answer.is_success:
            found = await surface.client.get(f"/api/v1/files/{answer.json()['id']}/content")
            assert "/" not in found.headers["content-disposition"].partition("''")[2]
    assert files_in(tmp_path) == {"farm", *(f"farm/{one}" for one in files_in(tmp_path / "farm"))}
    assert not [one for one in files_in(tmp_path) if "passwd" in one]


@pytest.mark.parametrize(
    "path",
    [
        "/docs/..%2f..%2fapi%2fgate.py",
        "/docs/%2e%2e/%2e%2e/etc/passwd",
        "/docs/swagger-ui.css%00.png",
        "/api/v1/files/..%2f..%2fbuildplate.db/content",
        "/api/v1/printers/..%2f..%2f/state",
        "/api/v1/files/%00/content",
    ],
)
async def test_a_path_that_climbs_finds_nothing(surface: Surface, path: str) -> None:
    async with listening(surface) as port, wire(port) as client:
        key = surface.secret
        await client.send(f"GET {path} HTTP/1.1\r\nhost: x\r\nx-api-key: {key}\r\n\r\n".encode())
        status, body = await client.answer()
    assert status == 404
    assert b"root:" not in body
    assert b"SQLite format" not in body


async def test_a_flood_of_headers_is_cut_off(surface: Surface) -> None:
    async with listening(surface) as port, wire(port) as client:
        await client.send(b"GET /health HTTP/1.1\r\nhost: x\r\n")
        with suppress(ConnectionError):
            for n in range(20_000):
                await client.send(b"x-%d: y\r\n" % n)
        status, _ = await client.answer()
        assert status == 431
        assert await client.ended()


async def _too_large(client: Wire, secret: str) -> int:
    head = f"POST /api/v1/jobs HTTP/1.1\r\nhost: x\r\nx-api-key: {secret}\r\n"
    await client.send(
        f"{head}content-type: application/json\r\ncontent-length: 9999999\r\n\r\n".encode()
    )
    with suppress(ConnectionError):
        await client.send(b"[" * 2_000_000)
    return (await client.answer())[0]


async def test_an_oversized_body_is_refused(surface: Surface) -> None:
    async with listening(surface) as port, wire(port) as client:
        assert await _too_large(client, surface.secret) == 413


async def test_a_body_that_is_nested_without_end_is_refused(surface: Surface) -> None:
    headers = {"content-type": "application/json"}
    for body in (b"[" * 100_000, b'{"a":' * 100_000):
        answer = await surface.client.post("/api/v1/jobs", content=body, headers=headers)
        assert answer.status_code in (400, 422), answer.status_code
        assert answer.headers["content-type"] == "application/problem+json"


async def test_slow_heads_hold_no_connection_over_tls_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_protocol, "HEAD_S", 0.3)
    authority = Authority(tmp_path, "ours")
    pair = authority.sign("farm")
    tls = Settings(tls_cert=pair.cert, tls_key=pair.key, _env_file=None)
    async with open_surface(tmp_path / "farm") as surface, listening(surface, tls) as port:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=authority.trusting(), server_hostname="127.0.0.1"
        )
        client = Wire(reader, writer)
        await client.send(b"GET /health HTTP/1.1\r\nhost:")
        assert (await client.answer())[0] == 408
        writer.close()


async def test_many_slow_clients_hold_up_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_protocol, "HEAD_S", 1.0)
    limits = Limits(body_time=1.0, idle=1.0)
    async with open_surface(tmp_path, limits=limits) as surface, listening(surface) as port:
        slow = [await asyncio.open_connection("127.0.0.1", port) for _ in range(100)]
        for _, writer in slow:
            writer.write(b"POST /api/v1/jobs HTTP/1.1\r\nhost: x\r\n")
        async with wire(port) as client, asyncio.timeout(5):
            await client.send(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
            assert (await client.answer())[0] == 200
        async with asyncio.timeout(20):
            ended = [await Wire(*pair).ended() for pair in slow]
        assert all(ended)
        for _, writer in slow:
            writer.close()


async def test_control_characters_forge_no_line_in_the_log(surface: Surface) -> None:
    async with listening(surface) as port, wire(port) as client:
        forged = b"GET /health HTTP/1.1\r\nhost: x\r\nx-request-id: a\nfake: 1\r\n\r\n"
        await client.send(forged)
        status, answer = await client.answer()
    assert status in (200, 400)
    assert b"x-request-id: a\n" not in answer
