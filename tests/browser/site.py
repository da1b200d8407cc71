"""A real server on a folder and a port of its own, its people, and simulated printers for it."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import aiohttp

from tests.faults.real_server import SERVE, RealServer, environment
from tests.gcode_samples import png, thumbnail_block
from tests.processes import gone

START_S = 60.0
END_S = 30.0
SETTLED_S = 60.0
# Moves of 2 s each between one temperature of the nozzle and the other, in °C.
HEAT_EVERY, HEATS = 10, (235, 195)
LAYER_MM, HIGHEST_MM = 0.2, 200
# What several tests share outlasts any run of them, in hours of real time; the simulator reads no
# more than the first 512 kB of a file, and heats no more after them.
LASTS_H, HEAT_AGAIN_S, LASTING_LAYERS = 10, 5, 180
# Its first layers go by quickly: whoever follows it sees it at another one than the first.
QUICK_LAYERS = 120
VOLUME = {"x": 250, "y": 250, "z": 250}
PASSWORD = "correct horse battery"
PICTURE = thumbnail_block(png(32, 32), 32, 32).decode()

Role = Literal["viewer", "operator", "admin"]


@dataclass
class Site:
    """`buildplate serve` on this folder; a restart keeps folder and port.

    `settings` are the server's own, by their names without BUILDPLATE_. It listens to nobody in the
    network, unless they say so.
    """

    folder: Path
    port: int
    more: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    starts: int = 0
    _process: asyncio.subprocess.Process | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """Where the site is."""
        return f"http://127.0.0.1:{self.port}"

    def said(self) -> str:
        """All that the server has said since its last start."""
        return self._log.read_text("utf-8", errors="replace")

    @property
    def _log(self) -> Path:
        return self.folder / f"server-{self.starts}.log"

    @property
    def process(self) -> asyncio.subprocess.Process:
        """The running server."""
        assert self._process is not None
        return self._process

    async def start(self) -> None:
        """Start the server, and wait until it answers."""
        self.starts += 1
        options = (f"--port={self.port}", f"--data-dir={self.folder / 'data'}", *self.more)
        with self._log.open("wb") as output:
            self._process = await asyncio.create_subprocess_exec(
                *SERVE, *options, stdin=asyncio.subprocess.DEVNULL, stdout=output,
                stderr=asyncio.subprocess.STDOUT, cwd=self.folder,
                env=environment(**{"mdns": "none", **self.settings}),
            )  # fmt: skip
        await self.told(r"runs at (\S+)")

    async def told(self, pattern: str) -> str:
        """Wait until the server says this; its first group."""
        async with asyncio.timeout(START_S):
            while not (found := re.search(pattern, self.said())):
                assert self.process.returncode is None, self.said()
                await asyncio.sleep(0.05)
        return found[1]

    async def stop(self) -> None:
        """End the server in good order; kill it where it does not end."""
        if self._process is None:
            return
        try:
            if self._process.returncode is None:
                self._process.send_signal(signal.SIGTERM)
                self._process.send_signal(signal.SIGCONT)
            await asyncio.wait_for(self._process.wait(), END_S)
        finally:
            await gone(self._process)

    async def kill(self) -> None:
        """The power is gone: what the server has not written down is lost."""
        await gone(self.process)

    def freeze(self) -> None:
        """The server stands still: connections stay open and nobody answers."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """The server goes on."""
        self.process.send_signal(signal.SIGCONT)

    async def set_up_link(self) -> str:
        """The link of the first start, as the server prints it."""
        return await self.told(r"(http\S+/setup\?token=\S+)")


@dataclass
class Farm(Site):
    """A site with an administrator, whose requests `api` makes; `people` have PASSWORD each.

    `lasting` is the print that its tests share, if there is one.
    """

    people: Sequence[Role] = ("viewer", "operator", "admin")
    lasting: str = ""
    _http: aiohttp.ClientSession | None = field(default=None, repr=False)

    @property
    def api(self) -> RealServer:
        """The API as the administrator."""
        assert self._http is not None
        return RealServer(self.process, self.url, self._http)

    async def settle(self) -> None:
        """Make the administrator "root" by the link, and a user of each role, named after it."""
        self._http = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
        token = (await self.set_up_link()).partition("token=")[2]
        root = {"token": token, "name": "root", "password": PASSWORD}
        me = await self.api.call("POST", "/setup", root)
        self._http.headers["X-CSRF-Token"] = me["csrf_token"]
        for role in self.people:
            await self.api.call(
                "POST", "/users", {"name": role, "role": role, "password": PASSWORD}
            )

    async def end_sessions_of(self, name: str) -> None:
        """End every session of the user, as a new password does; it is the same password."""
        users = (await self.api.call("GET", "/users"))["items"]
        user = next(one for one in users if one["name"] == name)
        await self.api.call("PATCH", f"/users/{user['id']}", {"password": PASSWORD})

    async def add_all(self, simulated: Sequence[dict[str, Any]]) -> dict[str, str]:
        """Add simulated printers, wait until each is seen; ids by names."""
        ids = {one["name"]: await self.api.add_printer(one) for one in simulated}
        for printer in ids.values():
            await self.has(printer, "link", "online")
        return ids

    async def add(self, simulated: Mapping[str, Any], **about: Any) -> str:
        """Add a simulated printer as it is described, and wait until it is seen; its id."""
        connection = {"url": simulated["url"], "api_key": simulated["api_key"]}
        body = {"driver": "octoprint", "connection": connection, "model": {"build_volume": VOLUME}}
        added = await self.api.call("POST", "/printers", body | about)
        await self.has(added["id"], "link", "online")
        return str(added["id"])

    async def job(self, file: str, name: str, **about: Any) -> dict[str, Any]:
        """Order prints of a stored file; the job."""
        ordered = await self.api.call("POST", "/jobs", {"file_id": file, "name": name} | about)
        return dict(ordered)

    async def has(self, printer: str, field: str, wanted: str) -> None:
        """Wait until a field of what is known of the printer is as wanted."""
        async with asyncio.timeout(SETTLED_S):
            while (await self.api.call("GET", f"/printers/{printer}"))[field] != wanted:
                await asyncio.sleep(0.1)

    async def print_in(self, job: str, state: str) -> dict[str, Any]:
        """Wait until the job has a print in this state; the print."""
        asked = f"/prints?job={job}&state={state}"
        async with asyncio.timeout(SETTLED_S):
            while not (found := (await self.api.call("GET", asked))["items"]):
                await asyncio.sleep(0.1)
        return dict(found[0])

    async def order(self, gcode: str, name: str, printer: str) -> str:
        """Order a print of this on this printer; the job's id."""
        stored = await self.api.upload(gcode, name)
        job = await self.job(stored, name, requirements={"printers": [printer]})
        return str(job["id"])

    async def print_for_all(self, factor: float, name: str, printer: str) -> None:
        """Have the printer, whose time runs so much faster, print what the tests share."""
        job = await self.order(lasting_print(factor), name, printer)
        self.lasting = (await self.print_in(job, "printing"))["id"]

    async def still_prints(self) -> None:
        """AssertionError where the print that the tests share has ended."""
        if not self.lasting:
            return
        shared = await self.api.call("GET", f"/prints/{self.lasting}")
        ended = f"the print that the tests share has ended, {shared['state']}: which test did that?"
        assert shared["ended_at"] is None, ended

    async def close(self) -> None:
        """End the administrator's connections and the server."""
        if self._http is not None:
            await self._http.close()
        await self.stop()


@asynccontextmanager
async def fresh_site(folder: Path) -> AsyncIterator[Site]:
    """A site that nobody has set up."""
    site = Site(folder, free_port())
    try:
        await site.start()
        yield site
    finally:
        await site.stop()


@asynccontextmanager
async def set_up_farm(folder: Path, **settings: str) -> AsyncIterator[Farm]:
    """A farm with people and no printers."""
    farm = Farm(folder, free_port(), settings={"logins_per_minute": "600"} | settings)
    try:
        await farm.start()
        await farm.settle()
        yield farm
    finally:
        await farm.close()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def long_print(minutes: float) -> str:
    """G-code with a picture: heats, then moves for about so long, hotter, cooler, and rises."""
    moves = [f"G1 X{120 if n % 2 else 20} Y20 E{n} F3000" for n in range(round(minutes * 30))]
    rise = min(LAYER_MM, HIGHEST_MM * HEAT_EVERY / len(moves))
    for n in range(0, len(moves), HEAT_EVERY):
        turn = n // HEAT_EVERY
        moves[n] += f"\n;LAYER_CHANGE\nM104 S{HEATS[turn % 2]}\nG1 Z{0.3 + turn * rise:.3f}"
    return _gcode(round(minutes * 60), moves)


def lasting_print(factor: float) -> str:
    """The same for LASTS_H on a printer whose time runs so much faster: it goes slowly up."""
    move_s = HEAT_AGAIN_S * factor
    count = LASTS_H * 3600 // HEAT_AGAIN_S
    feed = 100 / move_s * 60
    moves = [
        f"M104 S{HEATS[n % 2]}\nG1 X{20 if n % 2 else 120} Y20 E{n} F{feed:g}" for n in range(count)
    ]
    slow = (count - QUICK_LAYERS) // (LASTING_LAYERS - QUICK_LAYERS)
    for layer in range(LASTING_LAYERS):
        begins = layer + max(0, layer - QUICK_LAYERS) * (slow - 1)
        moves[begins] += f"\n;LAYER_CHANGE\nG1 Z{(layer + 1) * 0.3:.1f}"
    return _gcode(round(count * move_s), moves)


def _gcode(seconds: int, moves: list[str]) -> str:
    head = [f"; estimated printing time (normal mode) = {seconds}s"]
    head += ["M140 S60", "M104 S215", "G28", "G1 Z0.3 F600"]
    return PICTURE + "\n".join(head + moves) + "\n"
