"""A real server that is killed in the middle of a resumable upload: what it told is still there."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import aiohttp

from buildplate.files.uploads import NOTED_EVERY
from tests.faults.real_server import RealServer, first_key, serving

LINE = b"G1 X10.123 Y20.456 E0.0123 F1800\n"
CONTENT = b"G28\n" + LINE * (3 * NOTED_EVERY // len(LINE))
PIECE = 64 << 10
TUS = {"tus-resumable": "1.0.0"}
OCTETS = {"content-type": "application/offset+octet-stream"}


async def offset_of(server: RealServer, path: str) -> int:
    async with server.http.head(server.url + path, headers=TUS) as answer:
        assert answer.status == 200
        return int(answer.headers["upload-offset"])


async def endless(content: bytes) -> AsyncIterator[bytes]:
    """All of it but the end, and then nothing more."""
    for first in range(0, len(content) - PIECE, PIECE):
        yield content[first : first + PIECE]
    await asyncio.Event().wait()


async def test_a_killed_server_goes_on_from_what_it_told(tmp_path: Path) -> None:
    key = await first_key(tmp_path)
    async with serving(tmp_path, key=key) as server:
        headers = TUS | {"upload-length": str(len(CONTENT))}
        async with server.http.post(f"{server.url}/api/v1/uploads", headers=headers) as begun:
            path = begun.headers["location"]

        async def send() -> None:
            part = TUS | OCTETS | {"upload-offset": "0"}
            with suppress(aiohttp.ClientError):
                await server.http.patch(server.url + path, headers=part, data=endless(CONTENT))

        async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
            tasks.create_task(send())
            while (told := await offset_of(server, path)) < NOTED_EVERY:
                await asyncio.sleep(0.01)
            server.process.kill()
            await server.process.wait()

    async with serving(tmp_path, key=key) as server:
        kept = await offset_of(server, path)
        assert told <= kept < len(CONTENT)
        part = TUS | OCTETS | {"upload-offset": str(kept)}
        rest = io.BytesIO(CONTENT[kept:])
        async with server.http.patch(server.url + path, headers=part, data=rest) as done:
            assert done.status == 204, await done.text()
            file = f"{server.url}/api/v1/files/{done.headers['upload-file-id']}/content"
        async with server.http.get(file) as answer:
            assert await answer.read() == CONTENT
