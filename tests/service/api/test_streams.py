"""What happens on the wire: uploads cut off, too large or too slow, heads without an end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import pytest

from buildplate.api.rooms import Limits
from buildplate.app import http_protocol
from buildplate.files.store import OWNER
from tests.service.api.surface import GCODE, Surface, listening, open_surface

LIMIT = 300_000
LIMITS = Limits(file=LIMIT, body=20_000, body_time=0.5, idle=0.5)
LINE = b"G1 X10 Y10 E1\n"


class Wire:
    """One connection, byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> tuple[int, bytes]:
        """The status and everything after it, until the server ends or falls silent."""
        async with asyncio.timeout(10):
            head = await self._reader.readuntil(b"\r\n\r\n")
            rest = b""
            with suppress(TimeoutError, ConnectionResetError):
                async with asyncio.timeout(0.5):
                    rest = await self._reader.read(100_000)
        return int(head.split(b" ")[1]), head + rest

    async def ended(self) -> bool:
        """Whether the server closes the connection."""
        try:
            async with asyncio.timeout(10):
                while await self._reader.read(100_000):
                    pass
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False
        return True


@asynccontextmanager
async def wire(port: int) -> AsyncIterator[Wire]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Wire(reader, writer)
    finally:
        writer.close()
        with suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(5):
                await writer.wait_closed()


def head(surface: Surface, *more: str, path: str = "/api/v1/files") -> bytes:
    lines = [
        f"POST {path} HTTP/1.1",
        "host: farm",
        f"x-api-key: {surface.secret}",
        "x-filename: a.gcode",
        *more,
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def leftovers(folder: Path) -> list[str]:
    """What uploads have left in the store."""
    found = [path.name for path in (folder / "files").rglob("*") if path.is_file()]
    return [name for name in found if name != OWNER]


async def nothing_left(surface: Surface, folder: Path) -> None:
    async with asyncio.timeout(10):
        while leftovers(folder):
            await asyncio.sleep(0.02)
    assert (await surface.client.get("/api/v1/files")).json()["items"] == []


@pytest.mark.parametrize("kind", ["length", "chunked", "form"])
async def test_an_upload_that_is_cut_off_leaves_nothing(tmp_path: Path, kind: str) -> None:
    async with open_surface(tmp_path, limits=LIMITS) as surface, listening(surface) as port:
        async with wire(port) as client:
            if kind == "length":
                await client.send(head(surface, "content-length: 200000") + LINE * 5000)
            elif kind == "chunked":
                await client.send(head(surface, "transfer-encoding: chunked"))
                await client.send(chunk(LINE * 5000))
            else:
                kinds = "content-type: multipart/form-data; boundary=b"
                await client.send(head(surface, kinds, "content-length: 200000"))
                part = b'--b\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n'
                await client.send(part + LINE * 5000)
            async with asyncio.timeout(10):
                while not leftovers(tmp_path):
                    await asyncio.sleep(0.02)
        await nothing_left(surface, tmp_path)


async def test_an_announced_length_over_the_limit_is_refused_before_the_body(
    tmp_path: Path,
) -> None:
    async with open_surface(tmp_path, limits=LIMITS) as surface, listening(surface) as port:
        surface.farm.files._config = type(surface.farm.files._config)(max_bytes=LIMIT)
        async with wire(port) as client:
            await client.send(head(surface, f"content-length: {LIMIT + 1}"))
            status, text = await client.answer()
        assert status == 413
        assert b'"code":"too_large"' in text
        assert b"connection: close" in text.lower()


@pytest.mark.parametrize("kind", ["raw", "form"])
async def test_an_upload_over_the_limit_is_stopped_while_it_streams(
    tmp_path: Path, kind: str
) -> None:
    async with open_surface(tmp_path, limits=LIMITS) as surface, listening(surface) as port:
        surface.farm.files._config = type(surface.farm.files._config)(max_bytes=LIMIT)
        more = ["transfer-encoding: chunked"]
        if kind == "form":
            more.append("content-type: multipart/form-data; boundary=b")
        async with wire(port) as client:
            await client.send(head(surface, *more))
            if kind == "form":
                part = b'--b\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n'
                await client.send(chunk(part))
            with suppress(ConnectionError):
                for _ in range(400):  # 5.6 MB: more than is taken of what is not wanted
                    await client.send(chunk(LINE * 1000))
            status, text = await client.answer()
            assert status == 413
            assert b'"code":"too_large"' in text
            assert await client.ended()
        await nothing_left(surface, tmp_path)


async def test_a_client_that_sends_all_before_it_reads_still_sees_why(tmp_path: Path) -> None:
    async with open_surface(tmp_path, limits=LIMITS) as surface, listening(surface) as port:
        surface.farm.files._config = type(surface.farm.files._config)(max_bytes=LIMIT)
        headers = {"x-api-key": surface.secret, "x-filename": "a.gcode"}
        async with httpx.AsyncClient(headers=headers) as client:
            content = LINE * 100_000
            answer = await client.post(f"http://127.0.0.1:{port}/api/v1/files", content=content)
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


@pytest.mark.parametrize(("path", "sent"), [("/api/v1/files", LINE), ("/api/v1/jobs", b'{"a')])
async def test_a_body_that_stops_arriving_is_not_waited_for(
    tmp_path: Path, path: str, sent: bytes
) -> None:
    async with open_surface(tmp_path, limits=LIMITS) as surface, listening(surface) as port:
        kinds = ("content-type: application/json", "content-length: 5000")
        async with wire(port) as client:
            await client.send(head(surface, *kinds, path=path) + sent)
            status, text = await client.answer()
            assert status == 408
            assert b'"code":"body_too_slow"' in text
            assert await client.ended()
        await nothing_left(surface, tmp_path)


async def test_a_small_body_has_its_time_however_steadily_it_drips(tmp_path: Path) -> None:
    async with open_surface(tmp_path, limits=LIMITS) as surface, listening(surface) as port:
        kinds = ("content-type: application/json", "content-length: 5000")
        async with wire(port) as client:
            await client.send(head(surface, *kinds, path="/api/v1/jobs"))
            with suppress(ConnectionError):
                for _ in range(20):
                    await client.send(b" ")
                    await asyncio.sleep(0.05)
            status, text = await client.answer()
        assert (status, b"body_too_slow" in text) == (408, True)


async def test_an_upload_may_take_its_time_while_it_flows(tmp_path: Path) -> None:
    async with open_surface(tmp_path, limits=LIMITS) as surface, listening(surface) as port:
        async with wire(port) as client:
            await client.send(head(surface, "transfer-encoding: chunked"))
            for piece in (GCODE, LINE, LINE, LINE, LINE):
                await client.send(chunk(piece))
                await asyncio.sleep(0.2)  # longer than `idle` in all
            await client.send(b"0\r\n\r\n")
            status, _ = await client.answer()
        assert status == 201


async def test_a_body_without_a_length_is_bounded_too(tmp_path: Path) -> None:
    async with open_surface(tmp_path, limits=LIMITS) as surface, listening(surface) as port:
        kinds = ("content-type: application/json", "transfer-encoding: chunked")
        async with wire(port) as client:
            await client.send(head(surface, *kinds, path="/api/v1/jobs"))
            with suppress(ConnectionError):
                for _ in range(30):
                    await client.send(chunk(b" " * 1000))
            status, text = await client.answer()
        assert (status, b"body_too_large" in text) == (413, True)


async def test_a_refusal_keeps_the_connection_where_the_rest_of_the_body_is_short(
    tmp_path: Path,
) -> None:
    async with open_surface(tmp_path) as surface, listening(surface) as port, wire(port) as client:
        for _ in range(2):
            await client.send(head(surface, "content-length: 60000", path="/api/v1/nothing"))
            await client.send(b"x" * 60_000)
            status, text = await client.answer()
            assert (status, b"connection: close" in text.lower()) == (404, False)


async def test_a_body_is_not_read_for_a_stranger(tmp_path: Path) -> None:
    async with open_surface(tmp_path, limits=LIMITS) as surface, listening(surface) as port:
        async with wire(port) as client:
            await client.send(
                b"POST /api/v1/files HTTP/1.1\r\nhost: x\r\ncontent-length: 99\r\n\r\n"
            )
            status, text = await client.answer()
            assert (status, b"key_required" in text) == (401, True)
            assert await client.ended()
        assert leftovers(tmp_path) == []


@pytest.mark.parametrize("kind", ["large", "slow", "silent"])
async def test_a_head_without_an_end_is_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(http_protocol, "HEAD_S", 60.0 if kind == "large" else 0.3)
    async with open_surface(tmp_path) as surface, listening(surface) as port, wire(port) as client:
        if kind != "silent":
            await client.send(b"GET /health HTTP/1.1\r\nhost: x\r\n")
        if kind == "large":
            with suppress(ConnectionError):
                for _ in range(100):
                    await client.send(b"x-more: " + b"x" * 5000)
        status, _ = await client.answer()
        assert status == (431 if kind == "large" else 408)
        assert await client.ended()


@pytest.mark.parametrize("begun", [b"GET /health HTTP/1.1\r\n", b"\r\n", b"\n\r\n"])
async def test_a_later_head_without_an_end_is_cut_off_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    monkeypatch.setattr(http_protocol, "HEAD_S", 0.3)
    async with open_surface(tmp_path) as surface, listening(surface) as port, wire(port) as client:
        await client.send(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
        assert (await client.answer())[0] == 200
        await client.send(begun)
        assert (await client.answer())[0] == 408
        assert await client.ended()


async def test_a_kept_connection_answers_request_after_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_protocol, "HEAD_S", 0.2)
    async with open_surface(tmp_path) as surface, listening(surface) as port, wire(port) as client:
        for _ in range(3):
            await client.send(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
            assert (await client.answer())[0] == 200
            await asyncio.sleep(0.3)  # between requests the head's time does not run


async def test_owed_paths_answer_with_and_without_a_slash_and_never_redirect(
    tmp_path: Path,
) -> None:
    async with open_surface(tmp_path) as surface, listening(surface) as port:
        job = await surface.job()
        headers = {"x-api-key": surface.secret}
        base = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(headers=headers, base_url=base) as client:
            for path in ("/health", f"/api/v1/jobs/{job['number']}/status"):
                for slash in ("", "/"):
                    assert (await client.get(path + slash)).status_code == 200, path + slash
            for path in ("/api/v1/jobs/receive", "/api/v1/printers/1/assign"):
                codes = [(await client.post(path + s, json={})).status_code for s in ("", "/")]
                assert codes[0] == codes[1], path
                assert codes[0] in (404, 422)
