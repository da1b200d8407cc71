"""A host that speaks OctoPrint just well enough, so that a test can make it speak badly."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

KEY = "SECRET-0123456789abcdef"
IDLE = {"operational": True, "ready": True, "printing": False}


def levels(**more: Any) -> dict[str, Any]:
    """What a push message on the state holds."""
    return {
        "state": {"text": "Operational", "flags": IDLE},
        "job": {"file": {"path": None}},
        "progress": {},
        "markings": [],
        "temps": [],
        **more,
    }


def job(text: str = "Operational", path: str | None = None, error: str = "") -> dict[str, Any]:
    origin = None if path is None else "local"
    answer = {"state": text, "job": {"file": {"path": path, "origin": origin}}, "progress": {}}
    return {**answer, "error": error} if error else answer


@dataclass
class OddOctoPrint:
    """Answers as told; `handlers` take precedence, keyed by method and path."""

    port: int = 0
    handlers: dict[tuple[str, str], Handler] = field(default_factory=dict)
    seen: Counter[tuple[str, str]] = field(default_factory=Counter)
    connections: list[tuple[str, str, Any]] = field(default_factory=list)
    sockets: list[web.WebSocketResponse] = field(default_factory=list)
    job: dict[str, Any] = field(default_factory=job)
    files: list[dict[str, Any]] = field(default_factory=list)
    free: int = 1 << 40
    roles: list[str] = field(default_factory=lambda: ["admin"])
    levels: dict[str, Any] = field(default_factory=levels)
    greets: bool = True
    answers_pings: bool = True
    answers_logins: bool = True
    pongs: int = 0

    @property
    def connection(self) -> dict[str, Any]:
        return {"url": f"http://127.0.0.1:{self.port}", "api_key": KEY}

    async def handle(self, request: web.Request) -> web.StreamResponse:
        key = (request.method, request.path)
        self.seen[key] += 1
        # The transport itself: the number of one that is gone may be given again.
        self.connections.append((*key, request.transport))
        if (handler := self.handlers.get(key)) is not None:
            return await handler(request)
        if request.path == "/sockjs/websocket":
            return await self._socket(request)
        if request.method == "DELETE":
            return web.Response(status=204)
        return self._read(request)

    def _read(self, request: web.Request) -> web.Response:
        answers: dict[str, Any] = {
            "/api/version": {"server": "1.11.8", "text": "OctoPrint 1.11.8"},
            "/api/login": {"name": "u", "session": "s", "needs": {"role": self.roles}},
            "/api/job": self.job,
            "/api/printer": {"state": {"flags": IDLE}},
            "/api/files/local": {"files": self.files, "free": self.free},
        }
        found = answers.get(request.path)
        if found is None:
            return web.json_response({"error": "not found"}, status=404)
        return web.json_response(found)

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        self.sockets.append(socket)
        await socket.send_json({"connected": {}})
        async for message in socket:
            if message.type is WSMsgType.PING and self.answers_pings:
                await socket.pong(message.data)
            elif message.type is WSMsgType.PONG:
                self.pongs += 1
            elif message.type is WSMsgType.TEXT and "subscribe" in json.loads(message.data):
                if not self.answers_logins:
                    continue
                if self.greets:
                    await socket.send_json({"history": self.levels})
                else:
                    await socket.send_json({"reauthRequired": {"reason": "stale"}})
        return socket

    async def say(self, **message: Any) -> None:
        """Push a message to everybody."""
        for socket in self.sockets:
            if not socket.closed:
                await socket.send_json(message)

    async def announce(self, kind: str, path: str, **more: Any) -> None:
        payload = {"path": path, "origin": "local", **more}
        await self.say(event={"type": kind, "payload": payload})


@asynccontextmanager
async def odd_octoprint(**more: Any) -> AsyncIterator[OddOctoPrint]:
    """The host for the block, which also says how things stand ten times a second."""
    host = OddOctoPrint(**more)
    app = web.Application(client_max_size=1 << 30)
    app.router.add_route("*", "/{tail:.*}", host.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host.port = runner.addresses[0][1]

    async def tick() -> None:
        while True:
            await asyncio.sleep(0.1)
            await host.say(current=host.levels)

    try:
        async with asyncio.TaskGroup() as tasks:
            ticking = tasks.create_task(tick())
            yield host
            ticking.cancel()
    finally:
        await runner.cleanup()
