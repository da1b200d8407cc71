"""The farm that every test of the HTTP surface calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.service.api.surface import Surface, open_surface


@pytest.fixture
async def surface(tmp_path: Path) -> AsyncIterator[Surface]:
    """A fresh farm; it runs in a task of its own, which opens it and closes it again."""
    opened: asyncio.Future[Surface] = asyncio.get_running_loop().create_future()
    done = asyncio.Event()

    async def run() -> None:
        async with open_surface(tmp_path) as found:
            opened.set_result(found)
            await done.wait()

    task = asyncio.get_running_loop().create_task(run())
    task.add_done_callback(lambda _: None if opened.done() else opened.cancel())
    try:
        found = await opened
    except asyncio.CancelledError:
        task.result()
        raise
    yield found
    done.set()
    await task
