"""Starts a simulator process for tests and the demo, waits until it is ready, and controls it."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Self

import aiohttp
import orjson

from buildplate_sim.errors import NotReadyError, RefusedControlError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

READY_WITHIN_S = 20.0
ANSWER_WITHIN_S = 20.0
STOP_WITHIN_S = 10.0
_LINE_LIMIT = 1 << 20


class AdminClient:
    """Controls a simulator process over its control API."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=ANSWER_WITHIN_S),
            json_serialize=lambda value: orjson.dumps(value).decode(),
        )

    async def close(self) -> None:
        """Let go of its connections."""
        await self._http.close()

    async def request(self, method: str, path: str, params: dict[str, Any] | None = None) -> Any:
        """One control request; `RefusedControlError` carries the refusal."""
        async with self._http.request(method, self.url + path, json=params or {}) as answer:
            body = orjson.loads(await answer.read())
            if answer.status >= 400:  # noqa: PLR2004 -- where HTTP's errors begin
                raise RefusedControlError(method, path, body["error"])
            return body

    async def printers(self) -> list[dict[str, Any]]:
        """The truth about every printer: bed, runs, state, files."""
        return list(await self.request("GET", "/printers"))

    async def printer(self, name: str) -> dict[str, Any]:
        """The truth about one printer."""
        return dict(await self.request("GET", f"/printers/{name}"))

    async def do(self, name: str, action: str, **params: Any) -> None:
        """Do something to a printer (`*`: to all): see docs/reference/simulators.md."""
        await self.request("POST", f"/printers/{name}/do/{action}", params)

    async def rule(self, name: str, at: str, play: str, **rest: Any) -> None:
        """Play a fault at the next occasions that match."""
        await self.request("POST", f"/printers/{name}/rules", {"at": at, "play": play, **rest})

    async def rates(
        self, name: str, rates: dict[str, float], params: dict[str, dict[str, Any]] | None = None
    ) -> None:
        """Play faults by chance: `{"start.late": 0.05}`."""
        body = {"rates": rates, "params": params or {}}
        await self.request("POST", f"/printers/{name}/rates", body)

    async def clear_rules(self, name: str) -> None:
        """Play no more faults, except those under way."""
        await self.request("DELETE", f"/printers/{name}/rules")

    async def log(self, name: str, event: str | None = None) -> list[dict[str, Any]]:
        """What the printer's own record says, oldest first."""
        entries: list[dict[str, Any]] = await self.request("GET", f"/printers/{name}/log")
        return [entry for entry in entries if event in {None, entry["event"]}]

    async def accepted(self, name: str, after: int = 0) -> list[dict[str, Any]]:
        """Every line that a simulated board has accepted, in order: `number` and `text`."""
        entries: list[dict[str, Any]] = await self.request(
            "GET", f"/printers/{name}/accepted", {"after": after, "limit": 10_000_000}
        )
        return entries

    async def proxy_rule(self, name: str, at: str, play: str, **rest: Any) -> None:
        """Let the fault proxy play a fault at the next occasions that match."""
        await self.request("POST", f"/proxies/{name}/rules", {"at": at, "play": play, **rest})

    async def proxy_rates(
        self, name: str, rates: dict[str, float], params: dict[str, dict[str, Any]] | None = None
    ) -> None:
        """Let the fault proxy play faults by chance: `{"request.hold": 0.05}`."""
        body = {"rates": rates, "params": params or {}}
        await self.request("POST", f"/proxies/{name}/rates", body)

    async def proxy_do(self, name: str, action: str, **params: Any) -> None:
        """`cut`, `cut-sockets` or `hold-sockets` (`seconds`)."""
        await self.request("POST", f"/proxies/{name}/do/{action}", params)

    async def clear_proxy_rules(self, name: str) -> None:
        """Let the proxy pass everything on."""
        await self.request("DELETE", f"/proxies/{name}/rules")

    async def completions(self) -> dict[str, dict[str, int]]:
        """Per sha256 how often it was started and completed; and collisions per printer."""
        return dict(await self.request("GET", "/completions"))


class Simulator:
    """A running simulator process."""

    def __init__(self, process: asyncio.subprocess.Process, ready: dict[str, Any]) -> None:
        self.process = process
        self.ready = ready
        self.printers: list[dict[str, Any]] = ready["printers"]
        self.admin = AdminClient(ready["admin"])

    @classmethod
    async def start(cls, arguments: Sequence[str], *, within_s: float = READY_WITHIN_S) -> Self:
        """Start `buildplate-sim` with `arguments`; it ends with this process, if not before."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            "buildplate_sim",
            *arguments,
            "--until-stdin-closes",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_LINE_LIMIT,
        )
        assert process.stdout is not None  # noqa: S101 -- asked for above
        line = b""
        try:
            with suppress(TimeoutError):
                line = await asyncio.wait_for(process.stdout.readline(), within_s)
        finally:
            if not line:
                await _killed(process)
        if not line:
            raise NotReadyError(arguments)
        return cls(process, orjson.loads(line))

    async def stop(self) -> None:
        """End the process in good order, or kill it when it does not."""
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.process.wait(), STOP_WITHIN_S)
        finally:
            await self.kill()

    async def kill(self) -> None:
        """Kill -9: a power cut of the whole farm of simulated printers."""
        try:
            await self.admin.close()
        finally:
            await _killed(self.process)


async def _killed(process: asyncio.subprocess.Process) -> None:
    """Kill a process and see it gone."""
    with suppress(ProcessLookupError):
        process.kill()
    await process.wait()


@asynccontextmanager
async def octoprints(
    state_dir: Path,
    *,
    count: int = 1,
    time_factor: float = 60.0,
    seed: int = 0,
    base_address: str = "127.0.0.10",
    port: int = 0,
    proxy: bool = False,
    more: Sequence[str] = (),
) -> AsyncIterator[Simulator]:
    """A process of simulated OctoPrints for as long as the block runs.

    With `proxy` each printer has a `proxy_url` too, which goes through the fault proxy.
    """
    simulator = await Simulator.start(
        [
            "octoprints",
            f"--count={count}",
            f"--state-dir={state_dir}",
            f"--time-factor={time_factor}",
            f"--seed={seed}",
            f"--base-address={base_address}",
            f"--port={port}",
            *(["--proxy"] if proxy else []),
            *more,
        ]
    )
    try:
        yield simulator
    finally:
        await simulator.stop()


@asynccontextmanager
async def moonrakers(
    state_dir: Path,
    *,
    count: int = 1,
    time_factor: float = 60.0,
    seed: int = 0,
    base_address: str = "127.0.2.10",
    port: int = 0,
    proxy: bool = False,
    more: Sequence[str] = (),
) -> AsyncIterator[Simulator]:
    """A process of simulated Moonrakers for as long as the block runs.

    With `proxy` each printer has a `proxy_url` too, which goes through the fault proxy.
    """
    simulator = await Simulator.start(
        [
            "moonrakers",
            f"--count={count}",
            f"--state-dir={state_dir}",
            f"--time-factor={time_factor}",
            f"--seed={seed}",
            f"--base-address={base_address}",
            f"--port={port}",
            *(["--proxy"] if proxy else []),
            *more,
        ]
    )
    try:
        yield simulator
    finally:
        await simulator.stop()


@asynccontextmanager
async def virtual_printers(
    state_dir: Path,
    *,
    count: int = 1,
    time_factor: float = 60.0,
    base_address: str = "127.0.0.10",
    port: int = 0,
    more: Sequence[str] = (),
) -> AsyncIterator[Simulator]:
    """A process of virtual printers for as long as the block runs."""
    simulator = await Simulator.start(
        [
            "virtual",
            f"--count={count}",
            f"--state-dir={state_dir}",
            f"--time-factor={time_factor}",
            f"--base-address={base_address}",
            f"--port={port}",
            *more,
        ]
    )
    try:
        yield simulator
    finally:
        await simulator.stop()


@asynccontextmanager
async def klippy(
    state_dir: Path,
    socket: Path,
    *,
    time_factor: float = 1.0,
    seed: int = 0,
    more: Sequence[str] = (),
) -> AsyncIterator[Simulator]:
    """A stand-in for Klippy behind `socket` for as long as the block runs.

    Its G-code files lie in `gcodes` of its one printer's announcement.
    """
    simulator = await Simulator.start(
        [
            "klippy",
            f"--state-dir={state_dir}",
            f"--socket={socket}",
            f"--time-factor={time_factor}",
            f"--seed={seed}",
            *more,
        ]
    )
    try:
        yield simulator
    finally:
        await simulator.stop()


@asynccontextmanager
async def firmware_printers(
    state_dir: Path,
    *,
    count: int = 1,
    dialect: str = "marlin2",
    link: str = "pty",
    baud: int | str = 115200,
    time_factor: float = 60.0,
    seed: int = 0,
    more: Sequence[str] = (),
) -> AsyncIterator[Simulator]:
    """A process of simulated printer boards for as long as the block runs.

    `link` is `pty`, `tcp` or `rfc2217`; each printer's `port` is what a serial client opens. Of
    several dialects, links or speeds (with commas) every printer has the next.
    """
    simulator = await Simulator.start(
        [
            "firmware",
            f"--count={count}",
            f"--state-dir={state_dir}",
            f"--dialect={dialect}",
            f"--link={link}",
            f"--baud={baud}",
            f"--time-factor={time_factor}",
            f"--seed={seed}",
            *more,
        ]
    )
    try:
        yield simulator
    finally:
        await simulator.stop()
