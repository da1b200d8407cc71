"""Klippy's own door: a unix stream socket with JSON messages, each followed by a byte 0x03."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import orjson

from buildplate_sim.klippy.errors import RequestError

if TYPE_CHECKING:
    from pathlib import Path

    from buildplate_sim.klippy.box import Box

END = b"\x03"
LONGEST = 20 << 20
"""Bytes of one message; Moonraker's own limit."""


class SocketDoor:
    """Listens while the program runs; `path` is where."""

    def __init__(self, box: Box, path: Path) -> None:
        self._box = box
        self.path = path
        self._server: asyncio.Server | None = None
        self.links: set[Link] = set()

    def up(self) -> None:
        """The program listens."""
        asyncio.get_running_loop()
        self._box.later(self._listen())

    async def _listen(self) -> None:
        self.path.unlink(missing_ok=True)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(lambda: Link(self._box, self), str(self.path))

    def down(self) -> None:
        """The program is gone: so is the socket, and everybody is cut off."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.path.unlink(missing_ok=True)
        for link in list(self.links):
            link.cut()

    def pause(self) -> None:
        """Nothing is read: what arrives waits in the kernel."""
        for link in self.links:
            link.pause()

    def resume(self) -> None:
        """Read on."""
        for link in list(self.links):
            link.resume()


class Link(asyncio.Protocol):
    """One client of the socket, as a rule a Moonraker."""

    def __init__(self, box: Box, door: SocketDoor) -> None:
        self._box = box
        self._door = door
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None

    # --- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        self._transport = cast("asyncio.Transport", transport)
        self._door.links.add(self)
        if self._box.pulse.frozen:
            self.pause()

    def data_received(self, data: bytes) -> None:
        """Bytes have arrived."""
        self._buffer += data
        while (end := self._buffer.find(END)) >= 0:
            message = bytes(self._buffer[:end])
            del self._buffer[: end + 1]
            self._received(message)
        if len(self._buffer) > LONGEST:
            self.cut()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- asyncio's signature
        """The client is gone; its scripts are carried out all the same."""
        self._transport = None
        self._door.links.discard(self)
        if self._box.klippy is not None:
            self._box.klippy.webhooks.forget(self)

    def _received(self, message: bytes) -> None:
        try:
            request = orjson.loads(message)
        except orjson.JSONDecodeError:
            return
        klippy = self._box.klippy
        if klippy is not None and isinstance(request, dict):
            klippy.life.spawn(self._answer(request))

    async def _answer(self, request: dict[str, Any]) -> None:
        klippy = self._box.klippy
        if klippy is None:
            return
        said: dict[str, Any]
        try:
            method, params = str(request.get("method")), request.get("params") or {}
            said = {"result": await klippy.webhooks.call(method, params, self)}
        except RequestError as error:
            said = {"error": {"error": "WebRequestError", "message": str(error)}}
        if "id" in request:
            self._send({"id": request["id"], **said})

    # --- for the API

    @property
    def deaf(self) -> bool:
        """What is sent waits in the kernel for whoever does not read."""
        return False

    def push(self, template: dict[str, Any], params: dict[str, Any]) -> None:
        """Something that the client has subscribed to."""
        self._send({**template, "params": params})

    def _send(self, message: dict[str, Any]) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(orjson.dumps(message) + END)

    # --- for the door

    def cut(self) -> None:
        """Drop the connection."""
        if self._transport is not None:
            self._transport.close()

    def pause(self) -> None:
        """Read nothing."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self._transport is not None:
            self._transport.resume_reading()
