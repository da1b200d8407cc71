"""`buildplate serve`: one farm, its HTTP surface, and a graceful end."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import structlog
import uvicorn
import uvloop

from buildplate.api import WebFiles, create_app
from buildplate.api.rooms import Limits, Rooms
from buildplate.app.body_protocol import in_large_reads
from buildplate.app.composition import Farm, Outside, open_farm
from buildplate.app.demo import DemoFleet, demo_fleet, furnish
from buildplate.app.drivers import installed_drivers
from buildplate.app.first_start import first_people, set_up_link
from buildplate.app.http_protocol import ServerProtocol
from buildplate.app.logs import set_up_logs
from buildplate.app.memory import give_back_memory, settle_memory
from buildplate.app.settings import Settings, SettingsError, load_settings
from buildplate.app.tls import tls_context
from buildplate.app.websocket_protocol import LiveProtocol
from buildplate.fleet.stopping import let_end
from buildplate.storage import DatabaseInUse, StorageError
from buildplate.storage.lock import ProcessLock

REFUSED = 1
PID_FILE = "buildplate.pid"
WAITS_FILE = "buildplate.waits"
LOCKED = "farm"
GRACE = 10
WS_BYTES = 64 * 1024
"""The largest message that a websocket client may send."""

BACKLOG = 2048


def serve(*, demo: int | None, **flags: Any) -> None:
    """Run until SIGINT or SIGTERM; exits with 1 and a plain sentence when it can't start.

    `flags` are settings; those that are None leave the environment's value.
    """
    try:
        settings = load_settings(**flags)
        tls_context(settings)
        settings.database  # noqa: B018 (refuse a database that is not supported, now)
    except SettingsError as error:
        raise SystemExit(_complain(str(error), error.hint)) from None
    set_up_logs(settings.log_level)
    give_back_memory()
    try:
        uvloop.run(run(settings, demo or 0))
    except (SettingsError, StorageError) as error:
        raise SystemExit(_complain(str(error), error.hint)) from None


def _complain(problem: str, hint: str) -> int:
    print(f"buildplate: {problem}\n{hint}", file=sys.stderr)  # noqa: T201 (speaks to a person)
    return REFUSED


async def run(settings: Settings, demo: int, outside: Outside | None = None) -> None:
    """One farm and its server, until told to stop; StorageError when the data can't be opened."""
    log = structlog.get_logger("serve")
    stop, now = asyncio.Event(), asyncio.Event()
    _stop_on_signals(stop, now)
    async with AsyncExitStack() as stack:
        listener = stack.enter_context(_listen(settings))
        stack.enter_context(_own(settings.data_dir))
        fleet: DemoFleet | None = None
        if demo:
            fleet = await stack.enter_async_context(demo_fleet(settings.data_dir, demo))
        farm = await stack.enter_async_context(open_farm(settings, installed_drivers(), outside))
        await stack.enter_async_context(_pid_file(settings.data_dir))
        url = _url(settings, listener)
        await _greet(url, farm, demo=fleet is not None)
        if fleet is not None:
            await furnish(farm, fleet)
        app = create_app(rooms_of(farm, settings), WebFiles())
        farm.supervisor.start("live", app.state.live.run)
        server = http_server(app, settings)
        settle_memory()
        log.info("server.started", action="start", url=url, data_dir=str(settings.data_dir))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_end(stop, now, server, farm, settings.data_dir))
            await server.serve(sockets=[listener])
            now.set()
            stop.set()
        log.info("server.stopped", action="stop")


async def _end(
    stop: asyncio.Event, now: asyncio.Event, server: uvicorn.Server, farm: Farm, data_dir: Path
) -> None:
    """End the server when it is told to stop, after the prints that would end with it.

    Told again it ends at once. What it waits for stands in a file, for whoever stops it.
    """
    waits = data_dir / WAITS_FILE
    waits.unlink(missing_ok=True)  # of a server that was killed
    await stop.wait()

    def tell(sentence: str) -> None:
        waits.write_text(f"{sentence}\n")
        structlog.get_logger("serve").warning("server.waits", action="stop", waits_for=sentence)
        print(sentence, flush=True)  # noqa: T201 (speaks to a person)

    try:
        await let_end(lambda: list(farm.fleet.sessions.values()), now, tell)
    finally:
        waits.unlink(missing_ok=True)
    server.should_exit = True


def _listen(settings: Settings) -> socket.socket:
    """The listening socket, taken before anything else so that a taken port is told at once."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        problem = f"can't listen on {settings.host}:{settings.port}: {error.strerror}"
        hint = "Stop what uses the port, or choose another one with --port."
        raise SystemExit(_complain(problem, hint)) from None
    listener.listen(BACKLOG)
    return listener


@contextmanager
def _own(data_dir: Path) -> Iterator[None]:
    """Hold the data folder before anything is started in it; ends with a sentence if it can't."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        problem = f"the data folder {data_dir} cannot be made: {error.strerror}"
        hint = "Name a folder that you may write to with --data-dir."
        raise SystemExit(_complain(problem, hint)) from None
    lock = ProcessLock(data_dir / LOCKED)
    try:
        lock.take()
    except DatabaseInUse as error:
        problem = f"the data folder {data_dir} is in use by process {error.pid}"
        raise SystemExit(_complain(problem, error.hint)) from None
    try:
        yield
    finally:
        lock.release()


class _Server(uvicorn.Server):
    """A server whose signals are ours: the farm ends after it, in good order."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to `run`."""
        yield


def http_server(app: Any, settings: Settings | None = None) -> uvicorn.Server:
    """The server around the app, with the limits it keeps for every connection. TlsError."""
    trusted = "" if settings is None else settings.trusted_proxies
    tls = None if settings is None else tls_context(settings)
    config = uvicorn.Config(
        app,
        loop="none",
        http=in_large_reads(ServerProtocol),  # type: ignore[arg-type]  # a factory will do
        log_config=None,
        access_log=False,
        server_header=False,
        ws=LiveProtocol,
        ws_max_size=WS_BYTES,
        ws_per_message_deflate=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=GRACE,
        proxy_headers=bool(trusted),
        forwarded_allow_ips=trusted,
        ssl_context_factory=None if tls is None else lambda _config, _default: tls,
    )
    return _Server(config)


def rooms_of(farm: Farm, settings: Settings) -> Rooms:
    """What the HTTP surface works with."""
    return Rooms(
        fleet=farm.fleet,
        watchers=farm.watchers,
        discovery=farm.discovery,
        floors=farm.floors,
        commands=farm.commands,
        controls=farm.controls,
        jobs=farm.jobs,
        prints=farm.prints,
        queue=farm.queue,
        files=farm.files,
        uploads=farm.uploads,
        history=farm.history,
        backups=farm.backups,
        keys=farm.keys,
        access=farm.access,
        storage=farm.storage,
        bus=farm.bus,
        clock=farm.clock,
        limits=Limits(file=settings.max_file_bytes),
        file_deleted=farm.joined_files.forget,
        vitals=farm.vitals,
    )


def _stop_on_signals(stop: asyncio.Event, now: asyncio.Event) -> None:
    """The first signal asks for a stop, the second for one at once."""
    loop = asyncio.get_running_loop()

    def heard() -> None:
        (now if stop.is_set() else stop).set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, heard)


@asynccontextmanager
async def _pid_file(data_dir: Path) -> AsyncIterator[None]:
    path = data_dir / PID_FILE
    path.write_text(f"{os.getpid()}\n")
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _url(settings: Settings, listener: socket.socket) -> str:
    host = settings.host if settings.host not in ("0.0.0.0", "::") else "127.0.0.1"  # noqa: S104
    shown = f"[{host}]" if ":" in host else host
    scheme = "http" if settings.tls_cert is None else "https"
    return f"{scheme}://{shown}:{listener.getsockname()[1]}"


async def _greet(url: str, farm: Farm, *, demo: bool) -> None:
    """Say where the farm is, and on the very first start the way in, once and at once."""
    lines = [f"Buildplate runs at {url}  (API: {url}/docs)"]
    lines += await (first_people(url, farm.access) if demo else set_up_link(url, farm.access))
    print("\n".join(lines), flush=True)  # noqa: T201 (speaks to a person, never to the log)
