"""The websocket of a simulated Moonraker: JSON-RPC 2.0, one by one or in batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from buildplate_sim.moonraker.answers import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    PARSE_ERROR,
    UNAUTHORIZED,
    WRONG_KEY,
    RefusedError,
)
from buildplate_sim.moonraker.delivery import RPC, Call, Silence
from buildplate_sim.websocket import WebSocket, frame

if TYPE_CHECKING:
    from buildplate_sim.moonraker.moonraker import Moonraker
    from buildplate_sim.web import Connection

IDENTIFY = "server.connection.identify"
Message = dict[str, Any]


class RpcSocket(WebSocket):
    """One client. It is welcome at once, and let in when it has shown that it may."""

    def __init__(self, connection: Connection, moonraker: Moonraker, *, let_in: bool) -> None:
        super().__init__(connection)
        self.moonraker = moonraker
        self.let_in = let_in
        self.known_as: Message | None = None

    @property
    def deaf(self) -> bool:
        """Whether the program stands still."""
        return self.moonraker.frozen or self.moonraker.host.hushed

    @property
    def number(self) -> int:
        """Its id."""
        return id(self)

    def opened(self) -> None:
        """The client is connected."""
        self.moonraker.sockets.add(self)

    def lost(self) -> None:
        """The client is gone; what it has asked for is carried out all the same."""
        self.moonraker.sockets.discard(self)
        klippy = self.moonraker.host.box.klippy
        if klippy is not None:
            klippy.webhooks.forget(self)

    def push(self, _: Message, params: Message) -> None:
        """Klippy tells of a change that this client has subscribed to."""
        said = [params["status"], params["eventtime"]]
        self._say({"method": "notify_status_update", "params": said})

    def received(self, text: str) -> None:
        """A message of the client."""
        try:
            message = orjson.loads(text)
        except orjson.JSONDecodeError:
            refusal = RefusedError(PARSE_ERROR, "Parse error")
            self._say({"error": refusal.rpc(), "id": None})
            return
        self.moonraker.life.spawn(self._answer(message))

    async def _answer(self, message: Any) -> None:
        if isinstance(message, list):
            answers = [answer for part in message if (answer := await self._one(part))]
            if answers:
                framed = frame(orjson.dumps([{"jsonrpc": "2.0", **answer} for answer in answers]))
                self.moonraker.host.push_out(self, framed)
            return
        answer = await self._one(message)
        if answer is not None:
            self._say(answer)

    async def _one(self, message: Any) -> Message | None:
        """The answer to one call; None where nobody waits for it, or it is to be lost."""
        host, number = self.moonraker.host, None
        try:
            number, method, params = _call(message)
            call = Call(self.connection, RPC, method, params)
            result = await host.delivery.carry_out(call, lambda: self._carry_out(method, params))
        except RefusedError as refused:
            return {"error": refused.rpc(), "id": number}
        if result is Silence or number is None:
            return None
        return {"result": result, "id": number}

    async def _carry_out(self, method: str, params: Message) -> Any:
        if method == IDENTIFY:
            return self._identify(params)
        if not self.let_in:
            raise RefusedError(INVALID_PARAMS, UNAUTHORIZED)
        return await self.moonraker.host.api.call(method, params, self)

    def _identify(self, params: Message) -> Message:
        key = params.get("api_key")
        if key is not None and not self.moonraker.host.key_counts(str(key)):
            raise RefusedError(INVALID_PARAMS, WRONG_KEY)
        self.let_in = self.let_in or key is not None
        if not self.let_in:
            raise RefusedError(INVALID_PARAMS, UNAUTHORIZED)
        for name in ("client_name", "version", "type", "url"):
            if name not in params:
                raise RefusedError(400, f"No data for argument: {name}")
        if self.known_as is not None:
            raise RefusedError(400, f"Connection already identified: {self.known_as}")
        names = ("name", "version", "type", "url")
        self.known_as = {name: params.get(name, params["client_name"]) for name in names}
        return {"connection_id": self.number}

    def _say(self, message: Message) -> None:
        framed = frame(orjson.dumps({"jsonrpc": "2.0", **message}))
        self.moonraker.host.push_out(self, framed)


def _call(message: Any) -> tuple[Any, str, Message]:
    """The id, the method and the parameters of a call."""
    valid = isinstance(message, dict) and message.get("jsonrpc") == "2.0"
    if not valid or not isinstance(message.get("method"), str):
        raise RefusedError(INVALID_REQUEST, "Invalid Request")
    params = message.get("params") or {}
    if not isinstance(params, dict):
        raise RefusedError(INVALID_PARAMS, "Invalid params:")
    return message.get("id"), message["method"], params
