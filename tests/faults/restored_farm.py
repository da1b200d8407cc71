"""A farm that is backed up while it prints, goes on, dies, and comes back from its backup.

The people around it are honest: they look at the printers, never at the database that is gone.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from tests.faults.real_server import SERVE, RealServer, environment
from tests.faults.truth import Tally

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from buildplate_sim.launch import AdminClient, Simulator

LOOK_S = 0.2
PASSPHRASE = "canary horse battery staple"
ALL = "limit=1000"
Facts = dict[str, Any]


async def until(look: Callable[[], Awaitable[Any]], what: str, within_s: float = 40.0) -> Any:
    """What `look` answers, once it answers something."""
    found: Any = None
    try:
        async with asyncio.timeout(within_s):
            while not (found := await look()):
                await asyncio.sleep(LOOK_S)
            return found
    except TimeoutError:
        raise AssertionError(what) from None


@dataclass(slots=True)
class Floor:
    """The printers as people see them, and which of a server's printers stands where."""

    simulator: Simulator
    ids: dict[str, str] = field(default_factory=dict)

    @property
    def admin(self) -> AdminClient:
        return self.simulator.admin

    @property
    def names(self) -> list[str]:
        return [one["name"] for one in self.simulator.printers]

    async def furnish(self, server: RealServer) -> None:
        """Add every printer, with a clear bed."""
        for one in self.simulator.printers:
            self.ids[one["name"]] = await server.add_printer(one)
        for name in self.names:
            await until(partial(self.is_online, server, name), f"{name} comes online")
            await server.clear_bed(self.ids[name])

    async def is_online(self, server: RealServer, name: str) -> bool:
        return bool((await self.printer(server, name))["link"] == "online")

    async def printer(self, server: RealServer, name: str) -> Facts:
        found: Facts = await server.call("GET", f"/printers/{self.ids[name]}")
        return found

    async def help(self, server: RealServer) -> None:
        """Take finished parts off the beds and say so, for as long as this runs."""
        while True:
            for name in self.names:
                with suppress(AssertionError):  # somebody else was quicker: look again
                    await self.clear(server, name)
            await asyncio.sleep(LOOK_S)

    async def clear(self, server: RealServer, name: str) -> None:
        """Clear the bed that is seen, unless something runs on it."""
        seen = await self.printer(server, name)
        if seen["bed"] == "clear" or seen["print_id"] is not None:
            return
        if (await self.admin.printer(name))["run"] is None:
            await self.admin.do(name, "clear-bed", by="person")
            body = {"bed_version": seen["bed_version"]}
            await server.call("POST", f"/printers/{self.ids[name]}/clear-bed", body)

    async def entries(self, event: str) -> list[tuple[str, Facts]]:
        """What the printers themselves have recorded, with their names."""
        return [(name, one) for name in self.names for one in await self.admin.log(name, event)]

    async def starts(self) -> int:
        return len(await self.entries("start"))

    async def tally(self) -> Tally:
        tally = Tally()
        for name in self.names:
            for entry in await self.admin.log(name):
                tally.take(name, entry)
        return tally

    async def running(self) -> dict[str, str]:
        """The file that each printer prints now."""
        found = {name: (await self.admin.printer(name))["run"] for name in self.names}
        return {name: str(run["path"]) for name, run in found.items() if run is not None}

    async def ours(self) -> dict[str, set[str]]:
        """The farm's files that lie on each printer."""
        found = {name: (await self.admin.printer(name))["files"] for name in self.names}
        return {
            name: {str(path) for path in files if PurePosixPath(path).name.startswith("bp-")}
            for name, files in found.items()
        }

    async def outcome_of(self, name: str, path: str) -> str:
        """What the printer's own record says of a file."""
        outcome = "not_started"
        for entry in await self.admin.log(name):
            if entry.get("path") != path:
                continue
            if entry["event"] == "start":
                outcome = "running"
            elif entry["event"] == "end":
                outcome = "completed" if entry["outcome"] == "completed" else "failed"
        return outcome


async def prints(server: RealServer) -> list[Facts]:
    found: list[Facts] = (await server.call("GET", f"/prints?{ALL}"))["items"]
    return found


async def states(server: RealServer, job: str) -> Counter[str]:
    return Counter(one["state"] for one in await prints(server) if one["job_id"] == job)


async def order(server: RealServer, gcode: str, copies: int, name: str) -> tuple[str, str]:
    """A job: its id, and the sha256 of what printers are sent."""
    file = await server.upload(gcode, f"{name}.gcode")
    sha256 = (await server.call("GET", f"/files/{file}"))["sha256"]
    body = {"file_id": file, "copies": copies, "name": name}
    return (await server.call("POST", "/jobs", body))["id"], sha256


def kill(server: RealServer) -> None:
    os.killpg(server.process.pid, signal.SIGKILL)


async def command(*words: str, **more: str) -> Facts:
    """A command of the program that has to succeed; its JSON."""
    process = await asyncio.create_subprocess_exec(
        SERVE[0],
        *words,
        "--json",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**environment(), **more},
    )
    said, complaint = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, complaint.decode()
    found: Facts = json.loads(said)
    return found


async def back_up(server: RealServer, to: Path) -> Facts:
    """A backup as people take it: the command, against the running server."""
    key = server.http.headers["X-Api-Key"]
    return await command(
        "backup",
        f"--to={to}",
        BUILDPLATE_URL=server.url,
        BUILDPLATE_API_KEY=key,
        BUILDPLATE_BACKUP_PASSPHRASE=PASSPHRASE,
    )


async def bring_back(source: Path, data_dir: Path) -> Facts:
    """A restore as people do it."""
    words = (f"--data-dir={data_dir}", "restore", str(source))
    return await command(*words, BUILDPLATE_BACKUP_PASSPHRASE=PASSPHRASE)
