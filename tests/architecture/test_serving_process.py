"""What a running server has loaded: nothing that belongs to other commands or to rare moments.

A module that is loaded once stays for as long as the server runs, on a small box for months. RSS is
no promise that a test can keep; which modules are loaded is.
"""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.faults.real_server import environment

LIMIT_S = 60.0
SERVING = frozenset({"failures", "main", "on_demand", "serve", "target"})
"""The modules of the command line that `serve` itself needs."""

SPARED = {
    "alembic": "a first start makes its schema in storage.schema.make_schema; only an upgrade of an"
    " older one loads Alembic",
    "asyncpg": "only a farm on PostgreSQL needs it: import storage.postgres where that is known",
    "buildplate.app.doctor": "it is for another command",
    "buildplate.app.upgrading": "it is for another command",
    "buildplate.backups.restoring": "what a start asks of it is in backups.unfinished",
    "buildplate.storage.postgres.engine": "import it where the farm is on PostgreSQL: app.database",
    "fastapi_offline": "/docs reads its files when it is opened",
    "httpx": "it is the command line's client; aiohttp talks to printers",
    "mako": "as alembic",
    "pydantic.v1": "see SPARED in cli.serve",
    "pygments": "as rich",
    "rich": "see SPARED in cli.serve",
    "sqlalchemy.ext.asyncio": "only what upgrades PostgreSQL needs it",
    "sqlalchemy.orm": "tables and statements are SQLAlchemy Core",
    "zeroconf": "only whoever looks for printers needs it: fleet.local_network",
}
"""What a server on a file never has in its memory, and what to do where it has."""

PROGRAM = """
import atexit, json, sys
atexit.register(lambda: print("loaded", json.dumps(sorted(sys.modules)), flush=True))
from buildplate.cli.main import app
app()
"""


async def loaded_by_a_server(data: Path) -> set[str]:
    """The modules of a server after its first start, some requests and a backup, at its end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, "serve", "--port=0", f"--data-dir={data}",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        env=environment(), cwd=data.parent,
    )  # fmt: skip
    assert process.stdout is not None
    said = ""
    try:
        async with asyncio.timeout(LIMIT_S):
            while "setup?token=" not in said:
                line = await process.stdout.readline()
                assert line, said
                said += line.decode()
            link = re.search(r"(http\S+)/setup\?token=(\S+)", said)
            assert link is not None, said
            await _use(link[1], link[2])
    finally:
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(LIMIT_S):
            rest, _ = await process.communicate()
    return set(json.loads(rest.decode().rpartition("loaded ")[2]))


async def _use(url: str, token: str) -> None:
    """What people do every day, and a backup."""
    async with httpx.AsyncClient(base_url=url, timeout=LIMIT_S, trust_env=False) as http:
        person = {"name": "ann", "password": "correct horse battery"}
        (await http.post("/api/v1/setup", json={"token": token, **person})).raise_for_status()
        granted: Mapping[str, Any] = (await http.post("/api/v1/auth/token", json=person)).json()
        http.headers["authorization"] = f"Bearer {granted['access_token']}"
        http.cookies.clear()
        for path in ("/health", "/metrics", "/docs", "/api/v1/printers", "/api/v1/jobs"):
            (await http.get(path)).raise_for_status()
        started = await http.post("/api/v1/backups", json={})
        started.raise_for_status()
        path = f"/api/v1/backups/{started.json()['id']}"
        while (backup := (await http.get(path)).json())["state"] == "running":
            await asyncio.sleep(0.05)
        assert backup["state"] == "ready", backup


def kept_in_vain(loaded: Collection[str]) -> dict[str, str]:
    """What of these modules a server does without, each with what to do."""
    rooms = (name.rpartition(".") for name in loaded)
    commands = [f"{r}.{m}" for r, _, m in rooms if r == "buildplate.cli" and m not in SERVING]
    return dict.fromkeys(commands, "it is for another command: see cli.on_demand") | {
        spared: why
        for spared, why in SPARED.items()
        if any(f"{name}.".startswith(f"{spared}.") for name in loaded)
    }


async def test_a_server_keeps_nothing_in_memory_that_it_does_not_use(tmp_path: Path) -> None:
    loaded = await loaded_by_a_server(tmp_path / "data")
    assert {"buildplate.api.application", "buildplate.cli.serve", "aiohttp"} <= loaded
    assert kept_in_vain(loaded) == {}


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("rich", "rich"),
        ("rich.console", "rich"),
        ("asyncpg.pool", "asyncpg"),
        ("buildplate.cli.jobs", "buildplate.cli.jobs"),
    ],
)
def test_what_is_loaded_in_vain_is_found(name: str, named: str) -> None:
    assert set(kept_in_vain({name, "richer", "buildplate.cli.serve", "sys"})) == {named}


def test_what_is_spared_is_there_to_be_loaded() -> None:
    """A name that is misspelt here would be found in no server."""
    program = f"import importlib\nfor name in {sorted(SPARED)}: importlib.import_module(name)"
    done = asyncio.run(_ended(program))
    assert done == ""


async def _ended(program: str) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "ignore", "-c", program, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(LIMIT_S):
        _, complaint = await process.communicate()
    return complaint.decode()
