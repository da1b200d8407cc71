"""A host that speaks Moonraker just well enough, so that a test can make it speak badly."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

KEY = "SECRET-0123456789abcdef"
STATUS: dict[str, Any] = {
    "webhooks": {"state": "ready", "state_message": "Printer is ready"},
    "print_stats": {"state": "standby", "filename": "", "total_duration": 0.0},
    "idle_timeout": {"state": "Ready"},
    "virtual_sdcard": {"progress": 0.0},
    "extruder": {"temperature": 21.0, "target": 0.0},
}
UNAUTHORIZED = {"code": -32602, "message": "Unauthorized"}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Refusal:
    """An error as the answer to a call."""

    code: int
    message: str


@dataclass
class OddMoonraker:
    """Answers as told: `answers` by method, `handlers` by path for HTTP; None is no answer."""

    port: int = 0
    answers: dict[str, Any] = field(default_factory=dict)
    handlers: dict[str, Handler] = field(default_factory=dict)
    status: dict[str, Any] = field(default_factory=lambda: json.loads(json.dumps(STATUS)))
    sockets: list[web.WebSocketResponse] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    params: dict[str, Any] = field(default_factory=dict)
    tokens: list[str] = field(default_factory=list)
    heard: Callable[[str], None] = lambda _: None
    """Told of each call before it is answered."""
    takes_headers: bool = True
    pongs: int = 0

    @property
    def connection(self) -> dict[str, Any]:
        return {"url": f"http://127.0.0.1:{self.port}", "api_key": KEY}

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if (handler := self.handlers.get(request.path)) is not None:
            return await handler(request)
        if request.path == "/websocket":
            return await self._socket(request)
        if request.headers.get("X-Api-Key") != KEY:
            return web.json_response({"error": {"message": "Unauthorized"}}, status=401)
        if request.path == "/access/oneshot_token":
            self.tokens.append(f"token-{len(self.tokens)}")
            return web.json_response({"result": self.tokens[-1]})
        if request.path == "/server/files/upload":
            await request.read()
            item = {"path": "bp-x-1.gcode", "root": "gcodes"}
            return web.json_response({"item": item, "print_started": False}, status=201)
        return web.json_response({"error": {"message": "Not Found"}}, status=404)

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        token = request.query.get("token")
        let_in = self.takes_headers and request.headers.get("X-Api-Key") == KEY
        if token in self.tokens:
            self.tokens.remove(str(token))
            let_in = True
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        self.sockets.append(socket)
        async for message in socket:
            if message.type is WSMsgType.PING:
                await socket.pong(message.data)
            elif message.type is WSMsgType.PONG:
                self.pongs += 1
            elif message.type is WSMsgType.TEXT:
                await self._answer(socket, json.loads(message.data), let_in=let_in)
        return socket

    async def _answer(
        self, socket: web.WebSocketResponse, asked: dict[str, Any], *, let_in: bool
    ) -> None:
        method = asked["method"]
        self.calls[method] += 1
        self.params[method] = asked.get("params")
        self.heard(method)
        answer = self.answers.get(method, self._usual(method))
        if not let_in:
            said: dict[str, Any] = {"error": UNAUTHORIZED}
        elif isinstance(answer, Refusal):
            said = {"error": {"code": answer.code, "message": answer.message}}
        elif answer is None:
            return
        else:
            said = {"result": answer}
        await socket.send_str(json.dumps({"jsonrpc": "2.0", "id": asked["id"], **said}))

    def _usual(self, method: str) -> Any:
        usual: dict[str, Any] = {
            "server.connection.identify": {"connection_id": 1},
            "server.info": {"moonraker_version": "v0.11.0", "klippy_state": "ready"},
            "server.config": {"config": {}},
            "server.history.list": {"count": 0, "jobs": []},
            "server.history.totals": {"job_totals": {"total_jobs": 0, "total_time": 0.0}},
            "server.files.get_directory": {"files": [], "disk_usage": {"free": 1 << 40}},
            "server.files.delete_file": {"action": "delete_file"},
            "printer.info": {"process_id": 42, "hostname": "odd", "software_version": "v0.13"},
            "printer.objects.list": {"objects": list(self.status)},
            "printer.objects.query": {"status": self.status},
            "printer.objects.subscribe": {"status": self.status},
        }
        return usual.get(method, "ok")

    async def say(self, text: str) -> None:
        """Push this to everybody, as it is."""
        for socket in self.sockets:
            if not socket.closed:
                await socket.send_str(text)

    async def tell(self, method: str, *params: Any) -> None:
        """Push a notification."""
        await self.say(json.dumps({"jsonrpc": "2.0", "method": method, "params": params}))


@asynccontextmanager
async def odd_moonraker() -> AsyncIterator[OddMoonraker]:
    """The host for the block."""
    host = OddMoonraker()
    app = web.Application(client_max_size=1 << 30)
    app.router.add_route("*", "/{tail:.*}", host.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host.port = runner.addresses[0][1]
    try:
        yield host
    finally:
        await runner.cleanup()
