"""A Buildplate as people run it, in a process of its own, and what is asked of it over HTTP."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from bench.processes import running

ADDED_AT_ONCE = 8
ONLINE_WITHIN_S = 120.0
DESCRIBED = ("tags", "location", "materials")
"""What of a printer's description its announcement may say."""


@dataclass(frozen=True, slots=True)
class Served:
    """Where a Buildplate listens, its process, and a key that may do everything."""

    pid: int
    port: int
    key: str

    @property
    def base(self) -> str:
        """The address that requests begin with."""
        return f"http://127.0.0.1:{self.port}"

    def http(self) -> aiohttp.ClientSession:
        """A client with the key; close it."""
        return aiohttp.ClientSession(self.base, headers={"X-Api-Key": self.key})


@contextmanager
def serving(folder: Path, port: int) -> Iterator[Served]:
    """`buildplate serve` with its default settings over `folder`, for as long as the block runs."""
    program, data = str(Path(sys.executable).with_name("buildplate")), str(folder)
    add_key = [program, "--data-dir", data, "key", "add", "bench", "--role", "admin", "--json"]
    added = subprocess.run(add_key, check=True, capture_output=True)
    command = [program, "serve", "--port", str(port), "--data-dir", data]
    with running(command, "Application startup complete") as pid:
        yield Served(pid, port, json.loads(added.stdout)["key"])


async def add_printers(
    http: aiohttp.ClientSession, announced: Sequence[Mapping[str, Any]]
) -> dict[str, str]:
    """Add simulated printers and wait until all are online; their ids by their names."""
    turns = asyncio.Semaphore(ADDED_AT_ONCE)
    volume = {"x": 250, "y": 250, "z": 250}
    model = {"name": "Simulated", "build_volume": volume, "nozzles_mm": [0.4]}

    async def add(one: Mapping[str, Any]) -> tuple[str, str]:
        body = {
            "name": one["name"],
            "driver": one["driver"],
            "connection": one["connection"],
            "model": model,
            **{key: one[key] for key in DESCRIBED if key in one},
        }
        async with turns, http.post("/api/v1/printers", json=body) as answer:
            assert answer.status == 201, await answer.text()
            return one["name"], (await answer.json())["id"]

    ids = dict(await asyncio.gather(*(add(one) for one in announced)))
    async with asyncio.timeout(ONLINE_WITHIN_S):
        while any(one["link"] != "online" for one in await printers(http)):
            await asyncio.sleep(0.5)
    return ids


async def printers(http: aiohttp.ClientSession) -> list[dict[str, Any]]:
    """All printers."""
    async with http.get("/api/v1/printers") as answer:
        found: list[dict[str, Any]] = (await answer.json())["items"]
        return found


async def clear_all_beds(http: aiohttp.ClientSession) -> None:
    """Say of every bed that it is clear."""
    beds = [
        {"printer_id": one["id"], "bed_version": one["bed_version"]} for one in await printers(http)
    ]
    async with http.post("/api/v1/printers/clear-beds", json={"beds": beds}) as answer:
        assert all(one["ok"] for one in (await answer.json())["results"])
