"""The real server as people start it: `buildplate serve`, spoken to over its HTTP API."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp

from tests.faults.farms import to_its_end

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

READY_S = 60.0
END_S = 30.0
SERVE = (str(Path(sys.executable).with_name("buildplate")), "serve")


@dataclass(frozen=True, slots=True)
class RealServer:
    """A running server; `process` may be whatever it was started through."""

    process: asyncio.subprocess.Process
    url: str
    http: aiohttp.ClientSession

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """One request that has to succeed; its JSON."""
        status, said = await self.ask(method, path, body, **headers)
        assert status < 300, f"{method} {path}: {status} {said}"
        return said

    async def ask(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> tuple[int, Any]:
        """One request; its status and JSON."""
        more: dict[str, Any] = {"data": body} if isinstance(body, bytes) else {"json": body}
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        url = f"{self.url}/api/v1{path}"
        async with self.http.request(method, url, headers=sent, **more) as answer:
            return answer.status, await answer.json() if await answer.read() else None

    async def add_printer(self, simulated: dict[str, Any]) -> str:
        """Add a simulated OctoPrint; its id."""
        volume = {"x": 250, "y": 250, "z": 250}
        connection = {"url": simulated["url"], "api_key": simulated["api_key"]}
        body = {"name": simulated["name"], "driver": "octoprint", "connection": connection}
        added = await self.call("POST", "/printers", body | {"model": {"build_volume": volume}})
        return str(added["id"])

    async def clear_bed(self, printer: str) -> None:
        """Say that the bed is clear, as it is seen now."""
        version = (await self.call("GET", f"/printers/{printer}/state"))["bed_version"]
        await self.call("POST", f"/printers/{printer}/clear-bed", {"bed_version": version})

    async def upload(self, gcode: str, name: str = "part.gcode") -> str:
        """Upload a file; its id."""
        kind = {"Content_Type": "application/octet-stream", "X_Filename": name}
        return str((await self.call("POST", "/files", gcode.encode(), **kind))["id"])


def environment(**settings: str) -> dict[str, str]:
    """The environment without other settings of the program, and with these."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BUILDPLATE_")}
    return kept | {f"BUILDPLATE_{name.upper()}": value for name, value in settings.items()}


@asynccontextmanager
async def serving(
    data_dir: Path,
    *,
    through: Sequence[str] = (),
    key: str | None = None,
    database: str = "",
    **settings: str,
) -> AsyncIterator[RealServer]:
    """A server on fresh data, or on data that know `key`; stopped in good order at the end.

    `database` is a URL; without one it is SQLite.
    """
    if key is None:
        key = await first_key(data_dir)
    process = await asyncio.create_subprocess_exec(
        *through,
        *SERVE,
        "--port=0",
        f"--data-dir={data_dir}",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=environment(**settings) | ({"DATABASE_URL": database} if database else {}),
        start_new_session=True,
    )
    try:
        url = await asyncio.wait_for(_greeting(process), READY_S)
        async with aiohttp.ClientSession(headers={"X-Api-Key": key}) as http:
            yield RealServer(process, url, http)
    finally:
        await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Stop it in good order, TimeoutError when it does not; either way nothing of it is left.

    The whole group of its own: a tracer keeps its server alive otherwise.
    """
    try:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        await asyncio.wait_for(process.wait(), END_S)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await to_its_end(process.wait())


async def _greeting(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    said = ""
    while line := await process.stdout.readline():
        said += line.decode()
        found = re.search(r"runs at (\S+)", said)
        if found:
            return found.group(1)
    raise AssertionError(said)


async def first_key(data_dir: Path) -> str:
    """An admin key made on the data itself, before any server runs on it."""
    add = ("--data-dir", str(data_dir), "key", "add", "tests", "--role", "admin", "--json")
    process = await asyncio.create_subprocess_exec(
        SERVE[0], *add, stdout=asyncio.subprocess.PIPE, env=environment()
    )
    said, _ = await asyncio.wait_for(process.communicate(), READY_S)
    return str(json.loads(said)["key"])
