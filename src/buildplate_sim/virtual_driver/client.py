"""The client's side of the virtual printers' wire: requests by id, pushes in between."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import asynccontextmanager
from itertools import count
from typing import TYPE_CHECKING, Any, cast

import orjson

from buildplate.drivers.sdk import (
    FileBody,
    HostConfused,
    HostRefused,
    PrinterOffline,
    WrongContent,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from buildplate_sim.virtual_driver.config import VirtualConfig

LINE_LIMIT = 1 << 20
KEPT_LINES = 200
_CHUNK = 256 * 1024


class RefusedByPrinter(HostRefused):
    """The printer has said no; `word` is its own for why."""

    def __init__(self, word: str, text: str) -> None:
        super().__init__(text)
        self.word = word


class Client(asyncio.Protocol):
    """One connection for requests and pushes. Only the newest push is kept."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._ids = count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._push: dict[str, Any] | None = None
        self._spoken = asyncio.Event()
        self.lost = False

    # --- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is open."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone, and with it the answers that were awaited."""
        self._transport, self.lost = None, True
        error = PrinterOffline(f"the connection was lost: {exc or 'closed'}")
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(error)
        self._waiting.clear()
        self._spoken.set()

    def data_received(self, data: bytes) -> None:
        """Bytes have arrived."""
        self._buffer += data
        while (end := self._buffer.find(b"\n")) >= 0:
            line = bytes(self._buffer[:end])
            del self._buffer[: end + 1]
            self._line(line)
        if len(self._buffer) > LINE_LIMIT:
            self.close()

    def _line(self, line: bytes) -> None:
        try:
            message = orjson.loads(line)
        except orjson.JSONDecodeError:
            self.close()
            return
        if "push" in message:
            before = self._push or {}
            said = [*before.get("console", ()), *message.get("console", ())][-KEPT_LINES:]
            changed = "changed" in (before.get("push"), message["push"])
            self._push = {**message, "push": "changed" if changed else "status", "console": said}
            self._spoken.set()
            return
        future = self._waiting.pop(message.get("id"), None)
        if future is not None and not future.done():
            future.set_result(message)

    # --- the driver's side

    async def ask(self, do: str, within_s: float, **facts: Any) -> dict[str, Any]:
        """One request; raises PrinterOffline, HostConfused, RefusedByPrinter."""
        if self._transport is None:
            why = "there is no connection"
            raise PrinterOffline(why)
        number = next(self._ids)
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        self._transport.write(orjson.dumps({"id": number, "do": do, **facts}) + b"\n")
        try:
            async with asyncio.timeout(within_s):
                answer = await future
        except TimeoutError as error:
            why = f"no answer to {do} within {within_s:g} s"
            raise PrinterOffline(why) from error
        finally:
            self._waiting.pop(number, None)
        return _checked(answer)

    async def push(self) -> dict[str, Any]:
        """The newest push; raises PrinterOffline once the connection is lost."""
        while self._push is None:
            if self.lost:
                why = "the connection was lost"
                raise PrinterOffline(why)
            self._spoken.clear()
            await self._spoken.wait()
        message, self._push = self._push, None
        return message

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.abort()


def _checked(answer: dict[str, Any]) -> dict[str, Any]:
    if answer.get("ok") is True:
        return answer
    if answer.get("ok") is False:
        raise RefusedByPrinter(str(answer.get("code")), str(answer.get("text")))
    why = f"unexpected answer: {str(answer)[:200]}"
    raise HostConfused(why)


async def connected(config: VirtualConfig, within_s: float) -> Client:
    """Open the connection for requests and pushes; PrinterOffline."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(within_s):
            _, client = await loop.create_connection(Client, config.host, config.port)
    except (OSError, TimeoutError) as error:
        why = f"{config.host}:{config.port} does not answer: {error}"
        raise PrinterOffline(why) from error
    return client


@asynccontextmanager
async def _channel(
    config: VirtualConfig, idle_s: float
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection of its own for a file's bytes."""
    try:
        async with asyncio.timeout(idle_s):
            reader, writer = await asyncio.open_connection(
                config.host, config.port, limit=LINE_LIMIT
            )
    except (OSError, TimeoutError) as error:
        why = f"{config.host}:{config.port} does not answer: {error}"
        raise PrinterOffline(why) from error
    try:
        yield reader, writer
    except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
        why = f"the transfer broke off: {error}"
        raise PrinterOffline(why) from error
    except ValueError as error:
        why = f"unexpected bytes: {error}"
        raise HostConfused(why) from error
    finally:
        writer.transport.abort()


async def upload(config: VirtualConfig, name: str, body: FileBody, idle_s: float) -> str:
    """Send a file's bytes; answers its path on the printer."""
    facts = {"name": name, "size": body.size, "sha256": body.sha256}
    async with _channel(config, idle_s) as (reader, writer):
        writer.write(orjson.dumps({"id": 1, "do": "upload", **facts}) + b"\n")
        async for chunk in body.open():
            async with asyncio.timeout(idle_s):
                writer.write(chunk)
                await writer.drain()
        async with asyncio.timeout(idle_s):
            line = await reader.readline()
        try:
            return str(_checked(_object(line))["path"])
        except RefusedByPrinter as refused:
            if refused.word == "wrong_content":
                raise WrongContent(str(refused)) from refused
            raise


async def fetch_sha256(config: VirtualConfig, path: str, idle_s: float) -> str:
    """Fetch a file's bytes and digest them."""
    digest = hashlib.sha256()
    async with _channel(config, idle_s) as (reader, writer):
        writer.write(orjson.dumps({"id": 1, "do": "fetch", "path": path}) + b"\n")
        async with asyncio.timeout(idle_s):
            line = await reader.readline()
        left = int(_checked(_object(line))["size"])
        while left > 0:
            async with asyncio.timeout(idle_s):
                chunk = await reader.read(min(_CHUNK, left))
            if not chunk:
                why = "the transfer broke off"
                raise PrinterOffline(why)
            digest.update(chunk)
            left -= len(chunk)
    return digest.hexdigest()


def _object(line: bytes) -> dict[str, Any]:
    if not line.endswith(b"\n"):
        why = "the connection was closed instead of an answer"
        raise PrinterOffline(why)
    value = orjson.loads(line)
    if not isinstance(value, dict):
        why = f"unexpected answer: {line[:200]!r}"
        raise HostConfused(why)
    return value
