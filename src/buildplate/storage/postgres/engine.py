"""`Storage` on one PostgreSQL database: scripts run side by side, each in one transaction."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Concatenate, ParamSpec, TypeVar

from buildplate.storage.errors import DatabaseInUse, StorageBusy, StorageClosed
from buildplate.storage.ports import Tx
from buildplate.storage.postgres.address import PostgresAddress
from buildplate.storage.postgres.batches import Batches, NotBatched
from buildplate.storage.postgres.connection import Limits
from buildplate.storage.postgres.connections import Connections
from buildplate.storage.postgres.ownership import Ownership
from buildplate.storage.postgres.schema import upgrade
from buildplate.storage.postgres.work import Call, Reading, Writing
from buildplate.storage.scripts import is_one_statement, name_of

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PostgresConfig:
    """Where the database is, and its bounds.

    `writers` and `readers`: scripts that run at the same time, each on a connection.
    `batch_limit`: transitions that share a statement, see `Batches`.
    `busy_seconds`: how long a script waits for its turn. `outage_seconds`: how long a server
    that went away is waited for. `lease_seconds`, `grace_seconds`: see `Ownership`.
    """

    url: str = field(repr=False)
    writers: int = 8
    readers: int = 4
    batch_limit: int = 64
    busy_seconds: float = 60.0
    outage_seconds: float = 10.0
    lease_seconds: float = 5.0
    grace_seconds: float = 5.0
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class _Lane:
    """Connections for one kind of work, and the turns of those who want one."""

    work: Callable[[Call], Awaitable[Any]]
    connections: Connections
    turns: asyncio.Semaphore


@dataclass(frozen=True, slots=True)
class _Running:
    ownership: Ownership
    writing: _Lane
    reading: _Lane
    batches: Batches


class PostgresStorage:
    """Fulfils `Storage`. Used from the loop that opened it."""

    def __init__(self, config: PostgresConfig) -> None:
        self.on_step: Callable[[str], None] | None = None
        self.on_recorded: Callable[[], None] | None = None
        self.on_write: (
            Callable[[Callable[..., Awaitable[Any]]], Callable[..., Awaitable[Any]]] | None
        ) = None
        self._config = config
        self._address = PostgresAddress.parse(config.url)
        self._running: _Running | None = None
        self._closing = False
        self._calls = 0
        self._begun_calls: set[asyncio.Task[None]] = set()
        self._quiet = asyncio.Event()

    async def open(self) -> None:
        """See `Storage.open`."""
        config = self._config
        async with AsyncExitStack() as undo:
            ownership = Ownership(
                self._address, config.limits, config.lease_seconds, config.grace_seconds
            )
            connection = await ownership.take()
            undo.push_async_callback(ownership.release)
            await upgrade(connection, self._address)
            await ownership.begin()
            lanes = []
            for size, kind in ((config.writers, Writing), (config.readers, Reading)):
                connections = Connections(self._address, config.limits)
                work = kind(connections, self._address, config.outage_seconds, self._notify)
                lanes.append(_Lane(work.run, connections, asyncio.Semaphore(size)))
            batches = Batches(
                self._address, config.limits, config.batch_limit, config.busy_seconds, self._notify
            )
            await batches.open()
            undo.pop_all()
        self._closing = False
        self._running = _Running(ownership, lanes[0], lanes[1], batches)

    def owned(self) -> bool:
        """See `Storage.owned`."""
        return self._running is not None and self._running.ownership.held

    async def close(self) -> None:
        """See `Storage.close`."""
        running = self._running
        if running is None or self._closing:
            return
        self._closing = True
        while self._calls:
            self._quiet.clear()
            await self._quiet.wait()
        self._running = None
        for lane in (running.writing, running.reading):
            await lane.connections.close()
        await running.batches.close()
        await running.ownership.release()
        if self.on_recorded is not None:
            self.on_recorded()  # so that the relay sees the end

    async def write(
        self,
        script: Callable[Concatenate[Tx, P], Awaitable[T]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """See `Storage.write`."""
        name = name_of(script)
        run = script if self.on_write is None else self.on_write(script)
        running = self._need()
        if running.ownership.taken_away:
            raise DatabaseInUse(self._address.shown, None, "Restart this server to see why.")
        result: T
        if run is script and is_one_statement(script) and running.batches.is_ready():
            self._calls += 1
            try:
                result = await running.batches.run(name, run, args, kwargs)
            except NotBatched:
                pass
            else:
                return result
            finally:
                self._end_call()
        result = await self._in_turn(running.writing, Call(name, run, args, kwargs))
        return result

    async def read(
        self,
        script: Callable[Concatenate[Tx, P], Awaitable[T]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """See `Storage.read`."""
        call = Call(getattr(script, "__qualname__", "read"), script, args, kwargs)
        result: T = await self._in_turn(self._need().reading, call)
        return result

    def _need(self) -> _Running:
        if self._running is None or self._closing:
            raise StorageClosed
        return self._running

    def _notify(self, step: str | None) -> None:
        """Pass on a step of a commit; None: events were recorded."""
        if step is None:
            if self.on_recorded is not None:
                self.on_recorded()
        elif self.on_step is not None:
            self.on_step(step)

    async def _in_turn(self, lane: _Lane, call: Call) -> Any:
        """Wait for a turn, as long as the caller does; what has begun runs to its end."""
        self._calls += 1
        try:
            if lane.turns.locked():
                async with asyncio.timeout(self._config.busy_seconds):
                    await lane.turns.acquire()
            else:
                await lane.turns.acquire()
        except TimeoutError:
            self._end_call()
            waited = f"no connection was free for {self._config.busy_seconds:g} s"
            raise StorageBusy(waited) from None
        except BaseException:
            self._end_call()
            raise
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[Any] = loop.create_future()
        begun = loop.create_task(self._begun(lane, call, outcome))
        self._begun_calls.add(begun)
        begun.add_done_callback(self._begun_calls.discard)
        return await outcome

    async def _begun(self, lane: _Lane, call: Call, outcome: "asyncio.Future[Any]") -> None:
        """Run it and tell its caller, should there still be one."""
        try:
            result = await lane.work(call)
        except BaseException as error:  # noqa: BLE001 (it is raised again at the caller's await)
            if not outcome.done():
                outcome.set_exception(error)
        else:
            if not outcome.done():
                outcome.set_result(result)
        finally:
            lane.turns.release()
            self._end_call()

    def _end_call(self) -> None:
        self._calls -= 1
        if not self._calls:
            self._quiet.set()
