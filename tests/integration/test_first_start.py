"""The first start of a real server: a link, printed once, that makes the administrator."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.faults.real_server import environment

pytestmark = pytest.mark.timeout(240)
PASSWORD = "correct horse battery"
LIMIT_S = 60.0


@asynccontextmanager
async def started(data: Path) -> AsyncIterator[tuple[str, str]]:
    """A server on this data: its URL, and all that it says at its start."""
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("buildplate")), "serve", "--port=0",
        f"--data-dir={data}", stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT, env=environment(), cwd=data.parent,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        said = ""
        async with asyncio.timeout(LIMIT_S):
            while "server.started" not in said:
                line = await process.stdout.readline()
                assert line, said
                said += line.decode()
        found = re.search(r"runs at (\S+)", said)
        assert found is not None
        yield found[1], said
    finally:
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(LIMIT_S):
            await process.communicate()


def link_in(said: str) -> str:
    found = re.search(r"(http\S+/setup\?token=\S+)", said)
    assert found is not None, said
    return found[1]


async def test_a_first_start_prints_one_link_that_makes_the_administrator(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with started(data) as (_, said):
        dead = link_in(said).partition("token=")[2]
        assert said.count(dead) == 1, "the log repeats it"
    async with started(data) as (url, said):
        token = link_in(said).partition("token=")[2]
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
            form = {"token": dead, "name": "ann", "password": PASSWORD}
            async with http.post(f"{url}/setup", data=form) as refused:
                assert refused.status == 409, "a new start ends the link before"
            async with http.get(link_in(said)) as page:
                shown = await page.text()  # a form of its own where the web UI is not built
                assert page.status == 200
                assert "<form" in shown or '<div id="app">' in shown
            async with http.post(f"{url}/setup", data=form | {"token": token}) as done:
                assert done.status == 200
            async with http.get(f"{url}/api/v1/me") as me:
                assert (await me.json())["role"] == "admin"
    async with started(data) as (_, said):
        assert "setup" not in said
