"""The clients of T1, each in a process of its own: the status pushes of many Moonrakers.

`python -m bench.moonraker_clients raw|aiohttp|ours|session FILE SECONDS` reads the printers from
FILE and prints, as JSON, the CPU time of one push in µs and what a printer holds in kB. Everybody
subscribes to what our driver listens to, reads each push with orjson and merges it. `raw` is a
hand-written protocol that knows of websockets only what is needed here; `aiohttp` a plain client of
it; `ours` the moonraker driver, its pushes read; `session` a whole farm, from the database to the
live state.
"""

from __future__ import annotations

import asyncio
import base64
import gc
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson
import uvloop

from buildplate.app.composition import open_farm
from buildplate.app.drivers import installed_drivers
from buildplate.app.settings import Settings
from buildplate.core.printers import Link, PrinterModel, PrinterSpec, Volume
from buildplate.drivers.sdk import DriverTimings, Manifest, Push, listen
from buildplate.fleet.service import NewPrinter

HEATER = ["temperature", "target"]
SUBSCRIPTION = {
    "webhooks": ["state", "state_message"],
    "print_stats": [
        "state", "filename", "total_duration", "print_duration", "message", "info",
    ],
    "virtual_sdcard": ["progress", "is_active"],
    "idle_timeout": ["state"],
    "pause_resume": ["is_paused"],
    "toolhead": ["homed_axes", "extruder", "axis_minimum", "axis_maximum"],
    "gcode_move": ["gcode_position", "speed_factor", "extrude_factor", "homing_origin"],
    "exclude_object": ["current_object", "excluded_objects"],
    "fan": ["speed"],
    "extruder": HEATER,
    "heater_bed": HEATER,
    "temperature_sensor chamber": HEATER,
}  # fmt: skip
WARM_S, SETTLED_S = 4.0, 3.0
WARMED, OPENED_AT_ONCE = 20, 50
ONLINE_WITHIN_S = 240.0
PAGE = os.sysconf("SC_PAGE_SIZE")

Opened = Callable[[], int]
"""How many pushes a printer has told so far."""


def _request(number: int, method: str, params: Any) -> bytes:
    return orjson.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params})


SUBSCRIBE = _request(1, "printer.objects.subscribe", {"objects": SUBSCRIPTION})


def merged(state: dict[str, dict[str, Any]], message: dict[str, Any]) -> bool:
    """Take a push over; False for everything else."""
    if message.get("method") != "notify_status_update":
        return False
    for name, fields in message["params"][0].items():
        state.setdefault(name, {}).update(fields)
    return True


class RawSocket(asyncio.Protocol):
    """The least of a websocket: one upgrade, one call, whole text frames."""

    def __init__(self, printer: dict[str, str]) -> None:
        self._printer = printer
        self._buffer = bytearray()
        self._upgraded = False
        self._transport: Any = None
        self.state: dict[str, dict[str, Any]] = {}
        self.told = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the websocket."""
        self._transport = transport
        host = urlsplit(self._printer["url"]).netloc
        key = base64.b64encode(os.urandom(16)).decode()
        self._transport.write(
            f"GET /websocket HTTP/1.1\r\nHost: {host}\r\nX-Api-Key: {self._printer['api_key']}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {key}\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        """Take whole frames out of what arrived."""
        self._buffer += data
        if not self._upgraded:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            assert self._buffer.startswith(b"HTTP/1.1 101"), bytes(self._buffer[:200])
            del self._buffer[: end + 4]
            self._upgraded = True
            self._send(SUBSCRIBE)
        at, buffer = 0, self._buffer
        while len(buffer) - at >= 4:
            length, start = buffer[at + 1], at + 2
            if length == 126:
                length, start = int.from_bytes(buffer[at + 2 : at + 4], "big"), at + 4
            if len(buffer) < start + length:
                break
            self.told += merged(
                self.state, orjson.loads(memoryview(buffer)[start : start + length])
            )
            at = start + length
        del buffer[:at]

    def _send(self, payload: bytes) -> None:
        """A text frame, masked with zeros."""
        head = bytes((0x81, 0x80 | 126)) + len(payload).to_bytes(2, "big")
        self._transport.write(head + bytes(4) + payload)


async def raw(printer: dict[str, str], stack: AsyncExitStack, _: asyncio.TaskGroup) -> Opened:
    """The least that has to be done."""
    at, loop = urlsplit(printer["url"]), asyncio.get_running_loop()
    transport, socket = await loop.create_connection(
        lambda: RawSocket(printer), at.hostname or "", at.port or 80
    )
    stack.callback(transport.close)
    return lambda: socket.told


async def plain_aiohttp(
    printer: dict[str, str], stack: AsyncExitStack, group: asyncio.TaskGroup
) -> Opened:
    """As most would write it."""
    headers = {"X-Api-Key": printer["api_key"]}
    http = await stack.enter_async_context(aiohttp.ClientSession(headers=headers))
    socket = await stack.enter_async_context(http.ws_connect(printer["url"] + "/websocket"))
    await socket.send_bytes(SUBSCRIBE)
    state: dict[str, dict[str, Any]] = {}
    told = [0]

    async def read() -> None:
        async for message in socket:
            told[0] += merged(state, orjson.loads(message.data))

    stack.callback(group.create_task(read()).cancel)
    return lambda: told[0]


@cache
def _driver() -> Manifest:
    return installed_drivers()["moonraker"]


async def ours(printer: dict[str, str], stack: AsyncExitStack, group: asyncio.TaskGroup) -> Opened:
    """Our driver, its pushes read as a session reads them."""
    connection = {"url": printer["url"], "api_key": printer["api_key"]}
    driver = _driver().make(connection, DriverTimings(request=10.0))
    stack.push_async_callback(driver.close)
    await driver.connect()
    told = [0]

    def hear(push: Push) -> None:
        told[0] += push.progress is not None

    stack.callback(group.create_task(listen(driver, hear)).cancel)
    return lambda: told[0]


# --- measuring ----------------------------------------------------------------------------------


async def _wires(make: Any, printers: Sequence[dict[str, str]], seconds: float) -> dict[str, float]:
    async with asyncio.TaskGroup() as group, AsyncExitStack() as stack:
        told = await _opened(make, printers[:WARMED], stack, group)
        await asyncio.sleep(SETTLED_S)
        before = _resident()
        for start in range(WARMED, len(printers), OPENED_AT_ONCE):
            part = printers[start : start + OPENED_AT_ONCE]
            told += await _opened(make, part, stack, group)
        await asyncio.sleep(WARM_S)

        def count() -> int:
            return sum(one() for one in told)

        found = await _counted(count, seconds, len(printers))
        found["kb"] = (_resident() - before) / (len(printers) - WARMED) / 1e3
        return found


async def _opened(
    make: Any,
    printers: Sequence[dict[str, str]],
    stack: AsyncExitStack,
    group: asyncio.TaskGroup,
) -> list[Opened]:
    return list(await asyncio.gather(*(make(printer, stack, group) for printer in printers)))


async def _counted(count: Callable[[], int], seconds: float, printers: int) -> dict[str, float]:
    before, began, counted = _cpu(), time.monotonic(), count()
    await asyncio.sleep(seconds)
    used, told, passed = _cpu() - before, count() - counted, time.monotonic() - began
    assert told > 0.5 * passed * printers, f"{told} pushes of {printers} printers in {passed:.1f} s"
    return {"us": 1e6 * used / told, "rate": told / passed / printers}


async def _session(printers: Sequence[dict[str, str]], seconds: float) -> dict[str, float]:
    """A farm from its database to its live states; what the pushes cost is told by the machine."""
    model = PrinterModel("Simulated", Volume(250, 250, 250), (0.4,), 300, 110)
    with tempfile.TemporaryDirectory() as folder:
        async with open_farm(Settings(data_dir=Path(folder)), installed_drivers()) as farm:

            async def add(printer: dict[str, str]) -> None:
                spec = PrinterSpec("", 0, printer["name"], model)
                connection = {"url": printer["url"], "api_key": printer["api_key"]}
                await farm.fleet.add(NewPrinter(spec, "moonraker", connection))

            def online() -> int:
                links = [session.live.link for session in farm.fleet.sessions.values()]
                return links.count(Link.ONLINE)

            await _added(add, printers[:WARMED], online, WARMED)
            await asyncio.sleep(SETTLED_S)
            before = _resident()
            await _added(add, printers[WARMED:], online, len(printers))
            await asyncio.sleep(WARM_S)
            cpu, began = _cpu(), time.monotonic()
            await asyncio.sleep(seconds)
            assert online() == len(printers)
            used, passed = _cpu() - cpu, time.monotonic() - began
            held = (_resident() - before) / (len(printers) - WARMED) / 1e3
            return {"us": 1e6 * used / passed / len(printers), "kb": held, "rate": 1.0}


async def _added(
    add: Callable[[dict[str, str]], Awaitable[None]],
    printers: Sequence[dict[str, str]],
    online: Callable[[], int],
    wanted: int,
) -> None:
    for printer in printers:
        await add(printer)
    async with asyncio.timeout(ONLINE_WITHIN_S):
        while online() < wanted:
            await asyncio.sleep(0.1)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _resident() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


def main(kind: str, file: str, seconds: str) -> None:
    """Measure and print."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 16384)), hard))
    printers = json.loads(Path(file).read_text())
    if kind == "session":
        found = uvloop.run(_session(printers, float(seconds)))
    else:
        make = {"raw": raw, "aiohttp": plain_aiohttp, "ours": ours}[kind]
        found = uvloop.run(_wires(make, printers, float(seconds)))
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
