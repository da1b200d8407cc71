"""What tests do at a Moonraker as its other clients do, whether it is a real or a simulated one."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp

from buildplate_sim.launch import AdminClient

ANSWER_LIMIT_S = 60.0
START_LIMIT_S = 30.0


class RpcError(Exception):
    """Moonraker has refused a call."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error["message"])
        self.code: int = error["code"]
        self.message: str = error["message"]


class RpcClient:
    """A JSON-RPC client over a websocket; `heard` are the notifications, oldest first."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.heard: list[tuple[str, list[Any]]] = []
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}

    async def read_on(self) -> None:
        async for message in self.socket:
            said = json.loads(message.data)
            waiting = self._waiting.pop(said.get("id"), None)
            if waiting is None:
                self.heard.append((str(said.get("method")), said.get("params", [])))
            elif "error" in said:
                waiting.set_exception(RpcError(said["error"]))
            else:
                waiting.set_result(said["result"])

    async def send(self, method: str, **params: Any) -> asyncio.Future[Any]:
        """Send a call, and hand back what its answer will be."""
        number = next(self._ids)
        answer = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        asked = {"jsonrpc": "2.0", "method": method, "params": params, "id": number}
        await self.socket.send_str(json.dumps(asked))
        return answer

    async def call(self, method: str, **params: Any) -> Any:
        """Call and wait for the answer; `RpcError` refuses it."""
        answer = await self.send(method, **params)
        return await asyncio.wait_for(answer, ANSWER_LIMIT_S)

    async def subscribe(self, *objects: str) -> dict[str, Any]:
        answer = await self.call("printer.objects.subscribe", objects=dict.fromkeys(objects))
        status: dict[str, Any] = answer["status"]
        return status

    def lines(self) -> list[str]:
        """The console's lines so far."""
        return [params[0] for name, params in self.heard if name == "notify_gcode_response"]

    async def hears(self, name: str, limit: float = 20.0) -> list[Any]:
        """Wait for the first notification of this name, and take it and those before it away."""
        async with asyncio.timeout(limit):
            while True:
                for at, (heard, params) in enumerate(self.heard):
                    if heard == name:
                        del self.heard[: at + 1]
                        return params
                await asyncio.sleep(0.01)


class MoonrakerSide:
    """One Moonraker, seen from outside; heirs say where it is and how it is started and ended."""

    api_key: str = ""
    printer = "klippy"

    @property
    def url(self) -> str:
        raise NotImplementedError

    @property
    def machine(self) -> AdminClient:
        """Does things to the machine behind, and tells what physically happened."""
        raise NotImplementedError

    async def trusted_call(self, method: str, **params: Any) -> Any:
        """One call of a client that is let in."""
        raise NotImplementedError

    @property
    def gcodes(self) -> Path:
        """Where the files lie."""
        raise NotImplementedError

    async def start_moonraker(self) -> None:
        """Start Moonraker."""
        raise NotImplementedError

    async def kill_moonraker(self) -> None:
        """kill -9 of Moonraker; what prints goes on."""
        raise NotImplementedError

    async def start_klippy(self) -> None:
        """Start Klippy."""
        raise NotImplementedError

    async def kill_klippy(self) -> None:
        """kill -9 of Klippy."""
        raise NotImplementedError

    async def freeze_klippy(self) -> None:
        """Stop Klippy where it stands; `thaw_klippy` continues it."""
        raise NotImplementedError

    async def thaw_klippy(self) -> None:
        raise NotImplementedError

    @property
    def websocket(self) -> str:
        return self.url.replace("http", "ws", 1) + "/websocket"

    @property
    def connection(self) -> dict[str, Any]:
        """The connection settings that the moonraker driver takes."""
        return {"url": self.url, "api_key": self.api_key}

    async def api(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """One HTTP request of a client that is not under test."""
        timeout = aiohttp.ClientTimeout(total=ANSWER_LIMIT_S)
        headers = {"X-Api-Key": self.api_key}
        async with (
            aiohttp.ClientSession(timeout=timeout, headers=headers) as session,
            session.request(method, self.url + path, json=body) as answer,
        ):
            is_json = answer.content_type == "application/json"
            return answer.status, await answer.json() if is_json else await answer.read()

    async def put(self, name: str, content: bytes, **fields: str) -> tuple[int, Any]:
        """Upload a file, with form fields such as `print="true"` or `checksum`."""
        form = aiohttp.FormData(quote_fields=False)
        for key, value in fields.items():
            form.add_field(key, value)
        form.add_field("file", content, filename=name)
        timeout = aiohttp.ClientTimeout(total=ANSWER_LIMIT_S)
        async with (
            aiohttp.ClientSession(timeout=timeout, headers={"X-Api-Key": self.api_key}) as session,
            session.post(f"{self.url}/server/files/upload", data=form) as answer,
        ):
            return answer.status, await answer.json()

    async def delete(self, name: str) -> int:
        """Delete a file; the HTTP status."""
        return (await self.api("DELETE", f"/server/files/gcodes/{name}"))[0]

    @asynccontextmanager
    async def client(self, **connect: Any) -> AsyncIterator[RpcClient]:
        """A websocket client; `connect` goes to aiohttp's `ws_connect` (`headers` for a key)."""
        connect.setdefault("headers", {"X-Api-Key": self.api_key})
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(self.websocket, max_msg_size=0, **connect) as socket,
        ):
            client = RpcClient(socket)
            reading = asyncio.get_running_loop().create_task(client.read_on())
            try:
                yield client
            finally:
                reading.cancel()
                with suppress(asyncio.CancelledError):
                    await reading

    async def status(self, *objects: str) -> dict[str, Any]:
        """What Klippy says of some of its objects."""
        wanted = {"objects": dict.fromkeys(objects)}
        answer = await self.trusted_call("printer.objects.query", **wanted)
        found: dict[str, Any] = answer["status"]
        return found

    async def print_state(self) -> str:
        return str((await self.status("print_stats"))["print_stats"]["state"])

    async def history(self) -> list[dict[str, Any]]:
        """Moonraker's history, newest first."""
        answer = await self.trusted_call("server.history.list", limit=100)
        jobs: list[dict[str, Any]] = answer["jobs"]
        return jobs

    async def klippy_is(self, state: str, limit: float = START_LIMIT_S) -> None:
        """Wait until Moonraker says so of Klippy."""
        await self.until(
            lambda: self.trusted_call("server.info"),
            lambda info: info["klippy_state"] == state,
            limit,
        )

    async def print_is(self, *states: str, limit: float = 20.0) -> str:
        """Wait until the print is in one of these states."""
        return str(await self.until(self.print_state, lambda state: state in states, limit))

    async def until(
        self, look: Callable[[], Awaitable[Any]], wanted: Callable[[Any], bool], limit: float = 20.0
    ) -> Any:
        """Look again until what is seen is wanted."""
        async with asyncio.timeout(limit):
            while not wanted(seen := await look()):
                await asyncio.sleep(0.02)
        return seen

    # --- the machine's own record ---------------------------------------------------------------

    async def record(self, event: str) -> list[dict[str, Any]]:
        """What the stand-in's machine did: `start`, `end`, `collision` ... oldest first."""
        return await self.machine.log(self.printer, event)

    async def starts(self) -> list[str]:
        return [entry["path"] for entry in await self.record("start")]

    async def completions(self) -> list[str]:
        ends = await self.record("end")
        return [entry["path"] for entry in ends if entry["outcome"] == "completed"]

    async def do(self, action: str, **params: Any) -> None:
        """Do something to the machine: see docs/reference/simulators.md."""
        await self.machine.do(self.printer, action, **params)

    async def settled(self) -> None:
        """Wait until Klippy is ready and Moonraker follows its prints.

        A print that begins in the moment between the two gets a history row without a name.
        """
        await self.klippy_is("ready")
        await self.until(lambda: self.trusted_call("server.temperature_store"), bool)


def gcode(seconds: float, salt: str = "", *, rate: float = 10.0) -> bytes:
    """A file whose motion takes about so many of the machine's seconds, in `rate` moves a second.

    It needs no homing and no heat; its last line waits for the motion (M400).
    """
    step = 30.0 / rate
    lines = [f"; {salt}", "M82", "G90", "G92 E0", "SET_KINEMATIC_POSITION X=0 Y=0 Z=0"]
    moves = max(1, round(seconds * rate))
    lines += [f"G1 X{step * (1 + turn % 2):.3f} F1800" for turn in range(moves)]
    return ("\n".join([*lines, "M400"]) + "\n").encode()
