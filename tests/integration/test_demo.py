"""The demo as people start it: `buildplate serve --demo`, a process with its virtual printers."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.integration.farm import Server, server

pytestmark = pytest.mark.timeout(240)
DEMO = ("--demo", "2")
SAMPLES = {"calibration-cube.gcode", "twisted-vase.gcode"}
STATE_LIMIT_S = 90.0


def processes(data: Path) -> list[str]:
    """The command lines of all living processes that work on this folder."""
    lines = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            lines.append(file.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return [line for line in lines if str(data) in line]


async def ids_in(farm: Server, state: str) -> set[str]:
    items: list[dict[str, Any]] = (await farm.ask("GET", "/prints"))["items"]
    return {str(one["id"]) for one in items if one["state"] == state}


async def comes_to(farm: Server, state: str, before: frozenset[str] = frozenset()) -> None:
    """Wait for a print in this state that was not there before; beds are cleared meanwhile."""
    async with asyncio.timeout(STATE_LIMIT_S):
        while not await ids_in(farm, state) - before:
            for printer in (await farm.ask("GET", "/printers"))["items"]:
                if printer["bed"] != "clear" and printer["print_id"] is None:
                    await farm.clear(printer["id"])
            await asyncio.sleep(0.2)


async def listed(farm: Server, what: str) -> dict[str, dict[str, Any]]:
    return {str(one["id"]): one for one in (await farm.ask("GET", f"/{what}"))["items"]}


async def logs_in(farm: Server) -> None:
    """With what the first start has printed."""
    found = re.search(r"name (\S+), password (\S+)", "".join(farm.said))
    assert found is not None
    body = {"name": found[1], "password": found[2]}
    assert (await farm.ask("POST", "/auth/login", body))["role"] == "admin"


async def ends(data: Path) -> None:
    """Nothing that worked on this folder lives on."""
    async with asyncio.timeout(10):
        while processes(data):
            await asyncio.sleep(0.05)
    assert not (data / "buildplate.pid").exists()


async def test_the_demo_prints_is_ended_by_sigterm_and_goes_on_where_it_was(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with server(data, *DEMO) as farm:
        files, jobs = await listed(farm, "files"), await listed(farm, "jobs")
        printers = await listed(farm, "printers")
        assert {file["name"] for file in files.values()} == SAMPLES
        assert {job["file_id"] for job in jobs.values()} == set(files)
        assert {job["priority"] for job in jobs.values()} == {"low", "normal", "high", "urgent"}
        assert [job["due"] is None for job in jobs.values()].count(False) == 3
        assert [printer["driver"] for printer in printers.values()] == ["virtual"] * 2
        await logs_in(farm)
        await comes_to(farm, "printing")
        await comes_to(farm, "completed")
        made, tried = await ids_in(farm, "completed"), await ids_in(farm, "printing")
        assert {"serve", "buildplate_sim"} <= {
            word for line in processes(data) for word in line.split()
        }
    await ends(data)

    async with server(data, *DEMO, key=farm.key) as again:
        assert set(await listed(again, "files")) == set(files)
        assert set(await listed(again, "jobs")) == set(jobs), "nothing is ordered a second time"
        assert set(await listed(again, "printers")) == set(printers)
        assert made <= await ids_in(again, "completed"), "what was made before is known"
        await comes_to(again, "printing", frozenset(tried))
    again_said = "".join(again.said)
    assert "KEY" not in again_said, "a key is shown once"
    assert "password" not in again_said, "so is a password"
    await ends(data)
