"""A plain OctoPrint client for the tests of the simulators: no retries, no opinions."""

from __future__ import annotations

import asyncio
import io
import json
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from buildplate_sim.launch import AdminClient, Simulator

WITHIN_S = 15.0

PART = b"G28\n" + b"".join(b"G1 X%d Y10 E%d F3000\n" % (i % 2 * 100, i) for i in range(20))
"""4 s of homing and 38.2 s of motion."""

Answer = tuple[int, Any]


@dataclass(frozen=True)
class Seat:
    """Some printers of a farm that several tests share, for one test alone."""

    simulator: Simulator
    printers: list[dict[str, Any]]

    @property
    def admin(self) -> AdminClient:
        return self.simulator.admin


class Hall:
    """A farm that several tests share; each printer is used by one test only."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._left = iter(simulator.printers)

    def seat(self, count: int = 1) -> Seat:
        return Seat(self._simulator, [next(self._left) for _ in range(count)])


class Client:
    """One printer's API, and everything its push socket has said."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self.http = http
        self.heard: list[dict[str, Any]] = []
        self.gap = False
        self.socket: aiohttp.ClientWebSocketResponse | None = None

    async def call(self, method: str, path: str, **rest: Any) -> Answer:
        async with self.http.request(method, path, **rest) as answer:
            raw = await answer.read()
            kind = answer.headers.get("Content-Type", "")
            return answer.status, json.loads(raw) if kind == "application/json" and raw else raw

    async def get(self, path: str, **rest: Any) -> Answer:
        return await self.call("GET", path, **rest)

    async def post(self, path: str, body: Any = None, **rest: Any) -> Answer:
        return await self.call("POST", path, json=body if body is not None else {}, **rest)

    async def upload(self, name: str, content: bytes = PART, **fields: str) -> Answer:
        form = aiohttp.FormData(quote_fields=False)
        for field, value in fields.items():
            form.add_field(field, value)
        form.add_field(
            "file", io.BytesIO(content), filename=name, content_type="application/octet-stream"
        )
        return await self.call("POST", "/api/files/local", data=form)

    async def start(self, path: str) -> int:
        answer = await self.post(f"/api/files/local/{path}", {"command": "select", "print": True})
        return answer[0]

    async def delete(self, path: str) -> int:
        return (await self.call("DELETE", f"/api/files/local/{path}"))[0]

    async def state(self) -> str:
        return str((await self.get("/api/job"))[1]["state"])

    async def listen(self, tasks: asyncio.TaskGroup) -> asyncio.Task[None]:
        """Open the push socket and keep what it says."""
        _, login = await self.post("/api/login", {"passive": True})
        self.socket = await self.http.ws_connect("/sockjs/websocket")
        await self.socket.send_json({"auth": f"{login['name']}:{login['session']}"})
        state = {"logs": False, "messages": False}
        await self.socket.send_json({"subscribe": {"state": state, "events": True}})
        task = tasks.create_task(self._hear())
        await self.until(lambda: any("history" in message for message in self.heard))
        return task

    async def _hear(self) -> None:
        assert self.socket is not None
        async for message in self.socket:
            self.heard.append(json.loads(message.data))
        self.gap = True

    def events(self, kind: str | None = None) -> list[dict[str, Any]]:
        events = [message["event"] for message in self.heard if "event" in message]
        return [event for event in events if kind in {None, event["type"]}]

    def kinds(self) -> list[str]:
        return [event["type"] for event in self.events()]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(WITHIN_S):
            while not condition():
                await asyncio.sleep(0.005)

    async def until_state(self, state: str) -> None:
        async with asyncio.timeout(WITHIN_S):
            while await self.state() != state:
                await asyncio.sleep(0.01)

    async def until_event(self, kind: str) -> dict[str, Any]:
        await self.until(lambda: bool(self.events(kind)))
        return dict(self.events(kind)[0]["payload"])


@asynccontextmanager
async def client(printer: dict[str, Any], *, url: str | None = None) -> AsyncIterator[Client]:
    """A client with the printer's key."""
    async with aiohttp.ClientSession(
        url or printer["url"],
        headers={"X-Api-Key": printer["api_key"]},
        timeout=aiohttp.ClientTimeout(total=WITHIN_S),
    ) as http:
        yield Client(http)


@asynccontextmanager
async def listening(printer: dict[str, Any], *, url: str | None = None) -> AsyncIterator[Client]:
    """A client that also hears what the printer pushes."""
    async with client(printer, url=url) as octo, asyncio.TaskGroup() as tasks:
        task = await octo.listen(tasks)
        try:
            yield octo
        finally:
            task.cancel()
            if octo.socket is not None:
                with suppress(TimeoutError):
                    await asyncio.wait_for(octo.socket.close(), 2)
