"""Starts real OctoPrints headless, with their virtual printer, and does to them what days do.

The program comes from `.venv-octoprint` at the repository's root (`make develop` makes it). Each
host has a folder, a port and a process of its own; nothing of it is scaled in time.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import secrets
import shutil
import signal
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from tests.processes import gone

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / ".venv-octoprint" / "bin" / "octoprint"
USER = "tester"
SIMULATED_ERRORS = [
    "100:resend",
    "105:resend_with_timeout",
    "110:missing_lineno",
    "115:checksum_mismatch",
]
STARTED = "Print job started - origin: local, path: "
DONE = "Print job done - origin: local, path: "
START_LIMIT_S = 60.0
STOP_LIMIT_S = 20.0
PORTS = range(20_000, 30_000)
"""Below those that a system hands out by itself, so that nobody gets one before it is bound."""


@dataclass
class OctoPrintHost:
    """One real OctoPrint.

    `errors` are the serial faults its virtual printer plays; `wrapper` is what starts its program.
    With `serial` it has a printer on a real port instead: settings of OctoPrint's own `serial`.
    """

    folder: Path
    port: int
    errors: Sequence[str] = ()
    connect_at_start: bool = False
    wrapper: Sequence[str] = ()
    serial: dict[str, Any] | None = None
    api_key: str = field(default_factory=lambda: secrets.token_hex(16))
    process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def connection(self) -> dict[str, Any]:
        """The connection settings that the octoprint driver takes."""
        return {"url": self.url, "api_key": self.api_key}

    # --- the process ----------------------------------------------------------------------------

    async def start(self) -> None:
        """Start the host and wait until it answers."""
        self._configure()
        log = (self.folder / "output.log").open("ab")
        try:
            self.process = await asyncio.create_subprocess_exec(
                *self.wrapper,
                str(PROGRAM),
                "serve",
                "--iknowwhatimdoing",
                "-b",
                str(self.folder),
                "--host",
                "127.0.0.1",
                "--port",
                str(self.port),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "TMPDIR": str(self.folder / "tmp")},
            )
        finally:
            log.close()
        await self.answers()

    def _configure(self) -> None:
        (self.folder / "tmp").mkdir(parents=True, exist_ok=True)
        keys = self.folder / "data" / "appkeys" / "keys.yaml"
        keys.parent.mkdir(parents=True, exist_ok=True)
        keys.write_text(json.dumps({USER: [{"api_key": self.api_key, "app_id": "tests"}]}))
        config = self.folder / "config.yaml"  # JSON is YAML too
        if config.exists():
            return
        disabled = ["softwareupdate", "announcements", "tracking", "errortracking", "discovery"]
        wizards = {"corewizard": 4, "backup": None, "classicwebcam": 1, "tracking": None}
        printer = {"enabled": self.serial is None, "simulated_errors": list(self.errors)}
        config.write_text(
            json.dumps(
                {
                    "server": {
                        "firstRun": False,
                        "seenWizards": wizards,
                        "onlineCheck": {"enabled": False},
                        "pluginBlacklist": {"enabled": False},
                    },
                    "serial": {
                        "port": "VIRTUAL",
                        "baudrate": 115200,
                        "autoconnect": self.connect_at_start,
                        **(self.serial or {}),
                    },
                    "gcodeAnalysis": {"runAt": "never"} if self.serial else {},
                    "plugins": {"virtual_printer": printer, "_disabled": disabled},
                }
            )
        )

    async def answers(self, limit: float = START_LIMIT_S) -> None:
        """Wait until the host answers its own API."""
        async with asyncio.timeout(limit):
            while True:
                try:
                    if (await self.api("GET", "/api/version"))[0] == 200:
                        return
                except (aiohttp.ClientError, OSError):
                    pass
                if self.process is not None and self.process.returncode is not None:
                    raise RuntimeError((self.folder / "output.log").read_text()[-3000:])
                await asyncio.sleep(0.1)

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End the process, kindly or not; waits for it."""
        process, self.process = self.process, None
        if process is None or process.returncode is not None:
            return
        try:
            if number is not signal.SIGKILL:
                process.send_signal(signal.SIGCONT)
            process.send_signal(number)
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), STOP_LIMIT_S)
        finally:
            await gone(process)

    async def kill(self) -> None:
        """kill -9."""
        await self.stop(signal.SIGKILL)

    async def restart(self) -> None:
        """Stop in good order and start again."""
        await self.stop()
        await self.start()

    def freeze(self) -> None:
        """Stop the process where it stands; `thaw` continues it."""
        if self.process is not None:
            self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)

    async def revoke_key_while_away(self) -> None:
        """Restart the host with another key than `connection` has, until its next restart."""
        key, self.api_key = self.api_key, secrets.token_hex(16)
        try:
            await self.restart()
        finally:
            self.api_key = key

    # --- what a person at the host does ---------------------------------------------------------

    async def api(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """One request of a client that is not under test."""
        timeout = aiohttp.ClientTimeout(total=10)
        headers = {"X-Api-Key": self.api_key}
        async with (
            aiohttp.ClientSession(timeout=timeout, headers=headers) as session,
            session.request(method, self.url + path, json=body) as answer,
        ):
            is_json = answer.content_type == "application/json"
            return answer.status, await answer.json() if is_json else await answer.read()

    async def job(self) -> dict[str, Any]:
        answer: dict[str, Any] = (await self.api("GET", "/api/job"))[1]
        return answer

    async def printer_is(self, text: str, limit: float = 20.0) -> None:
        """Wait until the host's state is `text` and its printer can be read accordingly."""
        wanted = 409 if text.startswith("Offline") else 200
        async with asyncio.timeout(limit):
            while True:
                state = (await self.job())["state"]
                if state == text and (await self.api("GET", "/api/printer"))[0] == wanted:
                    return
                await asyncio.sleep(0.05)

    async def finishes(self, path: str, times: int = 1, limit: float = 20.0) -> None:
        """Wait until the host has finished so many prints of this path, and is idle again."""
        async with asyncio.timeout(limit):
            while self.completions().count(path) < times:
                await asyncio.sleep(0.05)
        await self.printer_is("Operational", limit)

    async def connect_printer(self) -> None:
        await self.api("POST", "/api/connection", {"command": "connect"})
        await self.printer_is("Operational")

    async def put(self, name: str, content: bytes, *, start: bool = False) -> None:
        """Store a file as a person does, and start it."""
        form = aiohttp.FormData()
        form.add_field("file", content, filename=name)
        form.add_field("print", "true" if start else "false")
        timeout = aiohttp.ClientTimeout(total=30)
        async with (
            aiohttp.ClientSession(timeout=timeout, headers={"X-Api-Key": self.api_key}) as session,
            session.post(f"{self.url}/api/files/local", data=form) as answer,
        ):
            assert answer.status == 201, await answer.text()

    async def send(self, *lines: str) -> None:
        """Send G-code or `!!DEBUG:` lines to the virtual printer."""
        await self.api("POST", "/api/printer/command", {"commands": list(lines)})

    async def files(self) -> list[str]:
        answer = (await self.api("GET", "/api/files/local?recursive=true"))[1]
        return [entry["path"] for entry in answer["files"]]

    # --- what the host's own log says -----------------------------------------------------------

    def log(self) -> str:
        path = self.folder / "logs" / "octoprint.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def _logged(self, words: str) -> list[str]:
        return [
            line.split(words, 1)[1].split(", owner", 1)[0]
            for line in self.log().splitlines()
            if words in line
        ]

    def starts(self) -> list[str]:
        """Paths of all prints that the host ever began."""
        return self._logged(STARTED)

    def completions(self) -> list[str]:
        """Paths of all prints that the host ever finished."""
        return self._logged(DONE)


def gcode(seconds: float, salt: str = "") -> bytes:
    """A file that keeps the virtual printer busy for about so long (it sleeps each move's time)."""
    moves = max(2, round(seconds * 20))
    lines = [f"; {salt or secrets.token_hex(8)}", "G28", "G1 X0 Y0 F6000"]
    lines += [f"G1 X{5 * (step % 2)} Y0 E0.01 F6000" for step in range(2 * moves)]
    return ("\n".join(lines) + "\n").encode()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _free_ports() -> Iterator[int]:
    """Ports that nobody listens on, each once, from a place that other test runs don't begin at."""
    first = secrets.randbelow(len(PORTS))
    for step in range(len(PORTS)):
        port = PORTS[(first + step) % len(PORTS)]
        if _is_free(port):
            yield port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


FREE_PORTS = _free_ports()


async def make_template(folder: Path) -> Path:
    """A base folder with its user, made once and copied for every host (it takes seconds)."""
    if not (folder / "users.yaml").exists():
        process = await asyncio.create_subprocess_exec(
            str(PROGRAM), "-b", str(folder), "user", "add", "--password", "x", "--admin", USER,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            await asyncio.wait_for(process.wait(), START_LIMIT_S)
        finally:
            await gone(process)
        (folder / "config.yaml").unlink(missing_ok=True)
    return folder


@asynccontextmanager
async def octoprint_host(
    template: Path,
    folder: Path,
    *,
    errors: Sequence[str] = (),
    connect: bool = False,
    wrapper: Sequence[str] = (),
    serial: dict[str, Any] | None = None,
) -> AsyncIterator[OctoPrintHost]:
    """A running host for the block; its processes are gone afterwards."""
    shutil.copytree(template, folder, dirs_exist_ok=True)
    port = next(FREE_PORTS)
    host = OctoPrintHost(
        folder, port, errors, connect_at_start=connect, wrapper=wrapper, serial=serial
    )
    try:
        await host.start()
        yield host
    finally:
        await host.kill()
