"""The control API of a simulator process: JSON over HTTP, on an address of its own."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import orjson

from buildplate_sim.errors import ControlError
from buildplate_sim.web import Connection, Reply, Request, json_reply

if TYPE_CHECKING:
    from collections.abc import Callable

Params = dict[str, Any]


class Admin:
    """Routes control requests: `METHOD /word/{name}/word`, where `{name}` is any one segment."""

    def __init__(self) -> None:
        self._routes: list[tuple[str, list[str], Callable[[list[str], Params], Any]]] = []
        self._server: asyncio.Server | None = None
        self.url = ""

    def on(self, method: str, path: str, call: Callable[[list[str], Params], Any]) -> None:
        """Answer requests to `path` with what `call(segments in braces, body or query)` returns."""
        self._routes.append((method, path.strip("/").split("/"), call))

    async def listen(self, address: str, port: int) -> None:
        """Accept control requests."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self), address, port)
        self.url = f"http://{address}:{self._server.sockets[0].getsockname()[1]}"

    def close(self) -> None:
        """Accept no more."""
        if self._server is not None:
            self._server.close()

    def opened(self, connection: Connection) -> None:
        """A client has connected."""

    def closed(self, connection: Connection) -> None:
        """A client is gone."""

    def begun(self, connection: Connection, request: Request) -> None:
        """Headers are here."""

    def complete(self, connection: Connection, request: Request) -> None:
        """Answer a control request."""
        connection.answer(request, self._answer(request))

    def _answer(self, request: Request) -> Reply:
        segments = request.path.strip("/").split("/")
        for method, pattern, call in self._routes:
            found = _match(pattern, segments)
            if method != request.method or found is None:
                continue
            try:
                params = orjson.loads(request.body) if request.body else dict(request.query)
                return json_reply(call(found, params))
            except ControlError as error:
                return json_reply({"error": str(error)}, error.status)
            except (ValueError, KeyError, TypeError) as error:
                return json_reply({"error": repr(error)}, HTTPStatus.BAD_REQUEST)
        return json_reply({"error": "no such control request"}, HTTPStatus.NOT_FOUND)


def _match(pattern: list[str], segments: list[str]) -> list[str] | None:
    if len(pattern) != len(segments):
        return None
    found = []
    for wanted, segment in zip(pattern, segments, strict=True):
        if wanted.startswith("{"):
            found.append(segment)
        elif wanted != segment:
            return None
    return found
