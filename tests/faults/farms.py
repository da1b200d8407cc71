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
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Sequence

READY_S = 90.0
ANSWER_S = 60.0
DEAD_S = 20.0
T = TypeVar("T")


class Refused(Exception):
    """The farm answered with an error of its own; `code` is stable."""

    def __init__(self, told: dict[str, str]) -> None:
        super().__init__(f"{told['code']}: {told['detail']}")
        self.code = told["code"]


class Died(Exception):
    """The farm's process is gone, and with it the answer."""


async def to_its_end(ending: Coroutine[Any, Any, T], within_s: float = DEAD_S) -> T:
    """Wait for an end that is certain, also when cancelled meanwhile: that is passed on after it.

    So no process is left behind that nobody has seen end.
    """
    loop = asyncio.get_running_loop()
    task, limit = loop.create_task(ending), loop.time() + within_s
    cancelled: asyncio.CancelledError | None = None
    while not task.done() and loop.time() < limit:
        try:
            await asyncio.wait([task], timeout=limit - loop.time())
        except asyncio.CancelledError as error:
            cancelled = error
    if not task.done():
        task.cancel()
    if cancelled is not None:
        raise cancelled
    if not task.done():
        raise TimeoutError
    return task.result()


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

    async def kill(self) -> int:
        """SIGKILL, and see it gone; its exit status."""
        self.signal(signal.SIGKILL)
        return await to_its_end(self.wait())


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
                self._born(told["started"], told["socket"])
            elif "ended" in told:
                self._lives.pop(told["ended"]).ended.set_result(told["status"])

    def _born(self, pid: int, socket: str) -> None:
        """Hand a farm to whoever asked for it; one that nobody waits for any more is killed."""
        life = self._lives[pid] = FarmProcess(pid, socket)
        waiting = self._starting.pop(socket)
        if waiting.done():
            life.signal(signal.SIGKILL)
        else:
            waiting.set_result(life)

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
        taken = False
        try:
            async with asyncio.timeout(READY_S):
                life = await started
            taken = True
        finally:
            if not taken and not started.cancelled() and started.done():
                started.result().signal(signal.SIGKILL)  # cancelled in the moment of its birth
            started.cancel()
        return life


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
        assert await asyncio.wait_for(process.stdout.readline(), READY_S), "it never began"
        async with asyncio.TaskGroup() as tasks:
            found = Nursery(process)
            listener = tasks.create_task(found.listen())
            yield found
            listener.cancel()
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await to_its_end(process.wait())
