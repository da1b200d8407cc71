"""`Storage` on one SQLite file, for one process."""

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from buildplate.storage.errors import StorageClosed
from buildplate.storage.lock import ProcessLock
from buildplate.storage.ports import Tx
from buildplate.storage.scripts import name_of
from buildplate.storage.sqlite.connection import CHECKPOINT_PAGES, connect_reader, connect_writer
from buildplate.storage.sqlite.readers import Readers
from buildplate.storage.sqlite.request import Courier, Request
from buildplate.storage.sqlite.upgrading import upgrade
from buildplate.storage.sqlite.writer import Writer

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SqliteConfig:
    """Where the database is, and its bounds.

    `busy_seconds`: how long another process's lock is waited for. `group_limit`: scripts in
    one commit. `queue_limit`: scripts that may wait before their callers have to.
    """

    path: Path
    busy_seconds: float = 60.0
    group_limit: int = 64
    queue_limit: int = 1024
    readers: int = 2
    checkpoint_pages: int = CHECKPOINT_PAGES


@dataclass(frozen=True, slots=True)
class _Connections:
    writer: sqlite3.Connection
    readers: Sequence[sqlite3.Connection]


@dataclass(frozen=True, slots=True)
class _Running:
    loop: asyncio.AbstractEventLoop
    writer: Writer
    readers: Readers


class SqliteStorage:
    """Fulfils `Storage`. Used from the loop that opened it."""

    def __init__(self, config: SqliteConfig) -> None:
        self.on_recorded: Callable[[], None] | None = None
        self.on_write: (
            Callable[[Callable[..., Awaitable[Any]]], Callable[..., Awaitable[Any]]] | None
        ) = None
        self.copy: Path | None = None
        """Where the database from before an upgrade is, if the opening has made one."""
        self._config = config
        self._lock = ProcessLock(config.path)
        self._running: _Running | None = None
        self._on_step: Callable[[str], None] | None = None
        self._write_room = asyncio.Semaphore(config.queue_limit)
        self._read_room = asyncio.Semaphore(config.queue_limit)

    @property
    def on_step(self) -> Callable[[str], None] | None:
        """The observer of commits; see `Storage.on_step`."""
        return self._on_step

    @on_step.setter
    def on_step(self, observer: Callable[[str], None] | None) -> None:
        self._on_step = observer
        if self._running is not None:
            self._running.writer.on_step = observer

    async def open(self) -> None:
        """See `Storage.open`."""
        loop = asyncio.get_running_loop()
        connections = await asyncio.to_thread(self._connect)
        writer = Writer(connections.writer, Courier(loop, self._written), self._config.group_limit)
        writer.on_step = self._on_step
        readers = Readers(connections.readers, Courier(loop, self._have_read))
        writer.start()
        readers.start()
        self._running = _Running(loop, writer, readers)

    def owned(self) -> bool:
        """Whether this process still is the one owner of the database."""
        return self._lock.held

    async def close(self) -> None:
        """See `Storage.close`."""
        running, self._running = self._running, None
        if running is not None:
            await asyncio.to_thread(running.readers.stop)
            await asyncio.to_thread(running.writer.stop)
            self._lock.release()
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
        await self._write_room.acquire()
        running = self._running
        if running is None:
            self._write_room.release()
            raise StorageClosed
        future: asyncio.Future[T] = running.loop.create_future()
        deadline = time.monotonic() + self._config.busy_seconds
        running.writer.submit(Request(name, run, args, kwargs, future, deadline))
        return await future

    async def read(
        self,
        script: Callable[Concatenate[Tx, P], Awaitable[T]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """See `Storage.read`."""
        await self._read_room.acquire()
        running = self._running
        if running is None:
            self._read_room.release()
            raise StorageClosed
        future: asyncio.Future[T] = running.loop.create_future()
        name = getattr(script, "__qualname__", "read")
        running.readers.submit(Request(name, script, args, kwargs, future, 0.0))
        return await future

    def _connect(self) -> _Connections:
        path, busy = self._config.path, self._config.busy_seconds
        with ExitStack() as undo:
            self._lock.take()
            undo.callback(self._lock.release)
            self.copy = upgrade(path, busy)
            writer = connect_writer(path, busy, self._config.checkpoint_pages)
            undo.callback(writer.close)
            readers = []
            for _ in range(self._config.readers):
                readers.append(connect_reader(path, busy))
                undo.callback(readers[-1].close)
            undo.pop_all()
            return _Connections(writer, readers)

    def _written(self, requests: Sequence[Request]) -> None:
        recorded = False
        for request in requests:
            self._write_room.release()
            recorded = recorded or (request.recorded and request.error is None)
            request.resolve()
        if recorded and self.on_recorded is not None:
            self.on_recorded()

    def _have_read(self, requests: Sequence[Request]) -> None:
        for request in requests:
            self._read_room.release()
            request.resolve()
