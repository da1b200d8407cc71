"""Starts real Moonrakers before a Klippy, and does to both what days do.

Moonraker comes from `.venv-moonraker` at the repository's root (`make develop` makes it). Klippy is
the stand-in of `buildplate_sim`, or an installed one where BUILDPLATE_KLIPPER names its checkout
(see `installed_klipper`). Each host has a folder, a port and processes of its own. Moonraker's own
time is not scaled; the stand-in's machine may be (`time_factor`).
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from buildplate_sim.launch import AdminClient, Simulator
from tests.integration.moonraker_side import (
    ANSWER_LIMIT_S,
    START_LIMIT_S,
    MoonrakerSide,
    RpcClient,
    RpcError,
    gcode,
)
from tests.integration.octoprint_host import FREE_PORTS
from tests.processes import gone

__all__ = [
    "KlippyProcess",
    "MoonrakerHost",
    "RpcClient",
    "RpcError",
    "StandInKlippy",
    "gcode",
    "moonraker_host",
]

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / ".venv-moonraker" / "bin" / "moonraker"
STOP_LIMIT_S = 15.0
_LONGEST_SOCKET = 100
_MESSAGE_LIMIT = 16 << 20


class KlippyProcess(Protocol):
    """A Klippy behind a socket: the stand-in, or an installed one."""

    async def start(self) -> None:
        """Start it; its socket exists afterwards."""

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it, kindly or not."""


@dataclass
class StandInKlippy:
    """The stand-in as a process of its own; `admin` does things to it and tells the truth."""

    data: Path
    time_factor: float
    seed: int = 0
    tick: float = 0.25
    simulator: Simulator | None = None

    @property
    def socket(self) -> Path:
        return self.data / "comms" / "klippy.sock"

    @property
    def admin(self) -> AdminClient:
        assert self.simulator is not None, "the stand-in does not run"
        return self.simulator.admin

    async def start(self) -> None:
        self.simulator = await Simulator.start(
            [
                "klippy",
                f"--state-dir={self.data}",
                f"--socket={self.socket}",
                f"--time-factor={self.time_factor}",
                f"--seed={self.seed}",
                f"--tick={self.tick}",
            ]
        )

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        simulator, self.simulator = self.simulator, None
        if simulator is None:
            return
        if number is signal.SIGKILL:
            await simulator.kill()
        else:
            await simulator.stop()


@dataclass
class MoonrakerHost(MoonrakerSide):
    """One real Moonraker and its Klippy.

    `trusted`: clients of 127.0.0.1 need no key; `more` is text for moonraker.conf.
    """

    folder: Path
    port: int
    klippy: KlippyProcess
    trusted: bool = False
    more: str = ""
    api_key: str = ""
    process: asyncio.subprocess.Process | None = None

    # --- where it is ----------------------------------------------------------------------------

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def gcodes(self) -> Path:
        """Where the files lie."""
        return self.folder / "gcodes"

    @property
    def machine(self) -> AdminClient:
        """Does things to the stand-in, and tells what physically happened."""
        assert isinstance(self.klippy, StandInKlippy)
        return self.klippy.admin

    # --- the processes --------------------------------------------------------------------------

    async def start(self) -> None:
        """Start both and wait until Klippy is ready behind Moonraker."""
        self._configure()
        await self.klippy.start()
        await self.start_moonraker()
        await self.settled()

    def _configure(self) -> None:
        for name in ("config", "comms", "gcodes", "logs", "tmp"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        comms = self.folder / "comms"
        assert len(str(comms / "moonraker.sock")) < _LONGEST_SOCKET, "the folder's name is too long"
        trusted = "trusted_clients:\n    127.0.0.1\n" if self.trusted else ""
        (self.folder / "config" / "moonraker.conf").write_text(
            f"[server]\nhost: 127.0.0.1\nport: {self.port}\n"
            f"klippy_uds_address: {comms / 'klippy.sock'}\n"
            "[announcements]\ndev_mode: True\n"
            "[machine]\nprovider: none\nvalidate_service: False\nvalidate_config: False\n"
            "[file_manager]\nenable_object_processing: False\ncheck_klipper_config_path: False\n"
            f"[authorization]\nforce_logins: False\n{trusted}{self.more}"
        )

    async def start_moonraker(self) -> None:
        """Start Moonraker and learn its API key over its unix socket."""
        log = (self.folder / "moonraker.log").open("ab")
        try:
            self.process = await asyncio.create_subprocess_exec(
                str(PROGRAM),
                "-d",
                str(self.folder),
                "-n",
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "TMPDIR": str(self.folder / "tmp")},
            )
        finally:
            log.close()
        async with asyncio.timeout(START_LIMIT_S):
            while True:
                try:
                    key = await self.trusted_call("access.get_api_key")
                except (OSError, EOFError):
                    key = ""
                if key:
                    self.api_key = str(key)
                    return
                if self.process.returncode is not None:
                    raise RuntimeError((self.folder / "moonraker.log").read_text()[-3000:])
                await asyncio.sleep(0.05)

    async def stop_moonraker(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End Moonraker, kindly or not; waits for it."""
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

    async def kill_moonraker(self) -> None:
        """kill -9 of Moonraker; what prints goes on."""
        await self.stop_moonraker(signal.SIGKILL)

    async def restart_moonraker(self) -> None:
        """Stop Moonraker in good order and start it again."""
        await self.stop_moonraker()
        await self.start_moonraker()
        await self.settled()

    def freeze_moonraker(self) -> None:
        """Stop Moonraker where it stands; `thaw_moonraker` continues it."""
        if self.process is not None:
            self.process.send_signal(signal.SIGSTOP)

    def thaw_moonraker(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)

    async def freeze_klippy(self) -> None:
        """Stop Klippy where it stands; `thaw_klippy` continues it."""
        await self.do("freeze")

    async def thaw_klippy(self) -> None:
        await self.do("thaw")

    async def start_klippy(self) -> None:
        """Start Klippy again."""
        await self.klippy.start()

    async def kill_klippy(self) -> None:
        """kill -9 of Klippy: a power cut of the machine, as its own record sees it."""
        await self.klippy.stop(signal.SIGKILL)

    async def restart_klippy(self) -> None:
        """Klippy's process ends in good order, and another one comes."""
        await self.klippy.stop()
        await self.klippy.start()
        await self.klippy_is("ready")

    async def close(self) -> None:
        """End both."""
        try:
            await self.kill_moonraker()
        finally:
            await self.klippy.stop(signal.SIGKILL)

    async def new_key(self) -> str:
        """Revoke the API key; the answer is the new one, which `api_key` is from now on."""
        self.api_key = str(await self.trusted_call("access.post_api_key"))
        return self.api_key

    async def trusted_call(self, method: str, **params: Any) -> Any:
        """One call over Moonraker's unix socket, which is always trusted."""
        path = self.folder / "comms" / "moonraker.sock"
        reader, writer = await asyncio.open_unix_connection(str(path), limit=_MESSAGE_LIMIT)
        try:
            asked = {"jsonrpc": "2.0", "method": method, "params": params, "id": 1}
            writer.write(json.dumps(asked).encode() + b"\x03")
            async with asyncio.timeout(ANSWER_LIMIT_S):
                while True:
                    message = json.loads((await reader.readuntil(b"\x03"))[:-1])
                    if message.get("id") == 1:
                        break
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
        if "error" in message:
            raise RpcError(message["error"])
        return message["result"]


@asynccontextmanager
async def moonraker_host(
    folder: Path,
    *,
    time_factor: float = 1.0,
    trusted: bool = False,
    more: str = "",
    klippy: KlippyProcess | None = None,
) -> AsyncIterator[MoonrakerHost]:
    """A running Moonraker and Klippy for the block; their processes are gone afterwards."""
    stand_in = klippy or StandInKlippy(folder, time_factor)
    host = MoonrakerHost(folder, next(FREE_PORTS), stand_in, trusted, more)
    try:
        await host.start()
        yield host
    finally:
        await host.close()
