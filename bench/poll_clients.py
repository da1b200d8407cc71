"""The clients of T2, each in a process of its own: a look at every printer once a second.

`python -m bench.poll_clients raw|aiohttp|ours FILE SECONDS` reads the printers from FILE and prints
the CPU time of one look in µs. A look is what our driver reads of a printer at rest: the job and
the printer, both at once. `raw` is a hand-written protocol around httptools: prepared requests, the
answers read with orjson, one timer for a look. `aiohttp` is a plain client of it.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import httptools
import orjson
import uvloop

from buildplate.app.drivers import installed_drivers
from buildplate.drivers.sdk import Activity, DriverTimings

PATHS = ("/api/job", "/api/printer?exclude=temperature,sd")
TIMEOUT_S = 10.0
WARM_S = 4.0
OPENED_AT_ONCE = 50

Look = Callable[[], Awaitable[None]]


class RawConnection(asyncio.Protocol):
    """One kept-open connection; one request at a time."""

    def __init__(self) -> None:
        self._transport: Any = None
        self._parser: Any = None
        self._body: list[bytes] = []
        self._answer: asyncio.Future[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport, self._parser = transport, httptools.HttpResponseParser(self)

    def data_received(self, data: bytes) -> None:
        """Take what arrived."""
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        """A part of an answer."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """The end of an answer."""
        body, self._body = b"".join(self._body), []
        self._parser = httptools.HttpResponseParser(self)
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(body)

    def ask(self, request: bytes) -> asyncio.Future[bytes]:
        """Send a request; its answer's body."""
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._answer


async def raw(printer: dict[str, str], _stack: AsyncExitStack) -> Look:
    """The least that has to be done."""
    loop, at = asyncio.get_running_loop(), urlsplit(printer["url"])
    connections, requests = [], []
    for path in PATHS:
        _, connection = await loop.create_connection(
            RawConnection, at.hostname or "", at.port or 80
        )
        connections.append(connection)
        head = f"GET {path} HTTP/1.1\r\nHost: {at.netloc}\r\nX-Api-Key: {printer['api_key']}\r\n"
        requests.append(f"{head}Accept: */*\r\nUser-Agent: bench\r\n\r\n".encode())

    async def look() -> None:
        async with asyncio.timeout(TIMEOUT_S):
            job, rest = (one.ask(what) for one, what in zip(connections, requests, strict=True))
            state = orjson.loads(await job)["state"]
            assert orjson.loads(await rest)["state"]["text"] == state

    return look


async def plain_aiohttp(printer: dict[str, str], stack: AsyncExitStack) -> Look:
    """As most would write it."""
    headers = {"X-Api-Key": printer["api_key"]}
    http = await stack.enter_async_context(aiohttp.ClientSession(headers=headers))

    async def read(path: str) -> Any:
        async with http.get(printer["url"] + path) as answer:
            return orjson.loads(await answer.read())

    async def look() -> None:
        async with asyncio.timeout(TIMEOUT_S):
            job, rest = await asyncio.gather(*(read(path) for path in PATHS))
        assert rest["state"]["text"] == job["state"]

    return look


async def ours(printer: dict[str, str], stack: AsyncExitStack) -> Look:
    """Our driver, its push socket open and silent."""
    connection = {"url": printer["url"], "api_key": printer["api_key"]}
    driver = installed_drivers()["octoprint"].make(connection, DriverTimings(request=TIMEOUT_S))
    stack.push_async_callback(driver.close)
    await driver.connect()

    async def look() -> None:
        reading = await driver.look(None)
        assert reading.activity is Activity.IDLE

    return look


async def _measure(make: Any, printers: Sequence[dict[str, str]], seconds: float) -> float:
    async with AsyncExitStack() as stack:
        turns = asyncio.Semaphore(OPENED_AT_ONCE)

        async def opened(printer: dict[str, str]) -> Look:
            async with turns:
                look: Look = await make(printer, stack)
                return look

        looks = await asyncio.gather(*(opened(printer) for printer in printers))
        count = [0]
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(_again(look, nth / len(looks), count))
                for nth, look in enumerate(looks)
            ]
            await asyncio.sleep(WARM_S)
            before, began, counted = _cpu(), time.monotonic(), count[0]
            await asyncio.sleep(seconds)
            used, looked, passed = _cpu() - before, count[0] - counted, time.monotonic() - began
            for task in tasks:
                task.cancel()
    # A slow machine may not keep up through aiohttp; what one of its looks costs is seen anyway.
    least = 0.5 if make is plain_aiohttp else 0.9
    assert looked > least * passed * len(printers), f"{looked} looks in {passed} s"
    return 1e6 * used / looked


async def _again(look: Look, offset: float, count: list[int]) -> None:
    """A look a second, at a moment of its own."""
    loop = asyncio.get_running_loop()
    due = loop.time() + offset
    while True:
        await asyncio.sleep(max(0.0, due - loop.time()))
        await look()
        count[0] += 1
        due += 1.0


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main(kind: str, file: str, seconds: str) -> None:
    """Measure and print."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 16384)), hard))
    printers = json.loads(Path(file).read_text())
    make = {"raw": raw, "aiohttp": plain_aiohttp, "ours": ours}[kind]
    print(uvloop.run(_measure(make, printers, float(seconds))))


if __name__ == "__main__":
    main(*sys.argv[1:])
