"""Farms in processes of their own, as a test holds them: started, asked, killed, started again."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import uuid
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

READY_S = 30.0
ANSWER_S = 60.0
DEAD_S = 20.0


class Refused(Exception):
    """The farm answered with an error of its own; `code` is stable."""

    def __init__(self, told: dict[str, str]) -> None:
        super().__init__(f"{told['code']}: {told['detail']}")
        self.code = told["code"]


class Died(Exception):
    """The farm's process is gone, and with it the answer."""


class FarmProcess:
    """One life of a farm's process."""

    def __init__(self, pid: int, socket: str) -> None:
        self.pid = pid
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._socket = socket
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._count = 0

    async def connect(self) -> None:
        """Wait until the farm is open; Died when it never is."""
        async with asyncio.timeout(READY_S):
            while self._writer is None:
                if self.ended.done():
                    raise Died
                try:
                    opened = await asyncio.open_unix_connection(f"\0{self._socket}", limit=1 << 26)
                except OSError:
                    await asyncio.sleep(0.005)
                else:
                    self._reader, self._writer = opened

    async def listen(self) -> None:
        """Take answers until the process is gone; everybody who still waits is told."""
        try:
            assert self._reader is not None
            with suppress(ConnectionError):
                while line := await self._reader.readline():
                    answer = json.loads(line)
                    waiting = self._waiting.pop(answer["id"], None)
                    if waiting is not None and not waiting.done():
                        waiting.set_result(answer)
        finally:
            self._reader = None
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(Died())
            if self._writer is not None:
                self._writer.close()

    async def ask(self, do: str, **order: Any) -> Any:
        """One order; Refused with the farm's own error, Died when it is gone."""
        if self._writer is None or self._reader is None:
            raise Died
        self._count += 1
        number = self._count
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        self._writer.write(json.dumps({"id": number, "do": do, **order}).encode() + b"\n")
        async with asyncio.timeout(ANSWER_S):
            answer = await future
        if "error" in answer:
            raise Refused(answer["error"])
        return answer["ok"]

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it, and to nobody else."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    async def wait(self) -> int:
        """Its exit status, once it is gone."""
        return await asyncio.wait_for(asyncio.shield(self.ended), DEAD_S)


@dataclass(frozen=True, slots=True)
class KillAt:
    """Where the process is to kill itself: at the n-th time of a step, or a moment after it.

    With another signal than SIGKILL it only stops there, say.
    """

    step: str
    nth: int = 1
    after_s: float = 0.0
    signal: int = signal.SIGKILL


class Nursery:
    """The process that forks farms."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._lives: dict[int, FarmProcess] = {}
        self._starting: dict[str, asyncio.Future[FarmProcess]] = {}

    @property
    def root(self) -> Path:
        """The file system as its farms see it."""
        return Path(f"/proc/{self._process.pid}/root")

    async def listen(self) -> None:
        """Take note of farms that started and ended."""
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            told = json.loads(line)
            if "started" in told:
                life = self._lives[told["started"]] = FarmProcess(told["started"], told["socket"])
                self._starting.pop(told["socket"]).set_result(life)
            elif "ended" in told:
                self._lives.pop(told["ended"]).ended.set_result(told["status"])

    async def start(
        self, data_dir: Path, settings: dict[str, Any], kill: KillAt | None = None
    ) -> FarmProcess:
        """Fork a farm on a folder that is there; it may not be open yet."""
        socket = f"buildplate-test-{uuid.uuid4().hex}"
        order: dict[str, Any] = {
            "socket": socket,
            "log": str(data_dir.with_name(f"{data_dir.name}.log")),
            "settings": {"data_dir": str(data_dir), **settings},
        }
        if kill is not None:
            order["kill"] = asdict(kill)
        started: asyncio.Future[FarmProcess] = asyncio.get_running_loop().create_future()
        self._starting[socket] = started
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        return await asyncio.wait_for(started, READY_S)


@asynccontextmanager
async def nursery(
    source: Path | None = None, through: Sequence[str] = ()
) -> AsyncIterator[Nursery]:
    """The forking process for as long as the block runs; its farms end with it.

    `source` is a folder from which it takes the program, instead of the one that is installed.
    `through` is a command that it is started through, such as one that gives it a small disk.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    if source is not None:
        environment["PYTHONPATH"] = str(source)
    process = await asyncio.create_subprocess_exec(
        *through,
        sys.executable,
        "-m",
        "tests.faults.farm_process",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 20,
        env=environment,
    )
    try:
        assert process.stdout is not None
        await asyncio.wait_for(process.stdout.readline(), READY_S)
        async with asyncio.TaskGroup() as tasks:
            found = Nursery(process)
            listener = tasks.create_task(found.listen())
            yield found
            listener.cancel()
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
