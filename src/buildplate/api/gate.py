"""The gate every request passes: its id, its caller, its body's limits, its lines in log and audit.

The one broad `except` of the HTTP surface is here: whatever nobody foresaw becomes a problem with
status 500 and one line with its traceback.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import orjson
import structlog
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket
from structlog.contextvars import bind_contextvars, reset_contextvars

from buildplate.access.audit import Deed, doing
from buildplate.access.errors import AccessError, NoCredential, ScopeTooNarrow
from buildplate.access.model import Caller, CallerKind, Role
from buildplate.api.credentials import SAFE, address_of, check_origin, identify
from buildplate.api.guard import check_reach, is_open
from buildplate.api.intake import Intake, allowance
from buildplate.api.problems import FAMILIES, Refusal, answer_to, facts_of, problem, status_of
from buildplate.api.rooms import Rooms
from buildplate.api.scopes import SORTED_SOCKETS
from buildplate.api.texts import check_query

_LOG = structlog.get_logger("http")
_HEARD = logging.getLogger("http")
"""What decides whether a line of `_LOG` is heard: asked before the line is made."""
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
BAD = 400
CLOSED_BY_CLIENT = 499
LONGEST_NOTED = 32_768
NOBODY = Caller(CallerKind.NOBODY, None, "nobody", Role.VIEWER)
POLICY_VIOLATION = 1008
# Websockets that check a one-shot ticket themselves, where there is no other credential.
TICKETED = frozenset({"/api/v1/live"})


@dataclass(slots=True)
class Exchange:
    """One request and what became of it."""

    scope: Scope
    request_id: str
    send: Send
    intake: Intake
    began: float = field(default_factory=perf_counter)
    status: int = 0
    caller: Caller | None = None
    deed: Deed | None = None
    note: Callable[[Deed], Awaitable[None]] | None = None
    body: bytearray = field(default_factory=bytearray)
    admitted: bool = False

    async def hear(self) -> Message:
        """Take a part of the body, and remember what a change asks for.

        Nothing is taken from whoever may not call this path at all.
        """
        if self.caller is not None and not self.admitted:
            self._admit(self.caller)
        message = await self.intake()
        if self.deed is not None and len(self.body) <= LONGEST_NOTED:
            self.body += message.get("body", b"")[: LONGEST_NOTED + 1]
        return message

    def _admit(self, caller: Caller) -> None:
        try:
            check_reach(self.scope, caller)
        except AccessError as error:
            # FastAPI lets only its own errors through while it reads a body.
            raise Refusal(status_of(type(error)), **facts_of(error)) from None
        self.admitted = True

    def asked(self) -> Any:
        """What the body asks for, where it is JSON of a sensible size."""
        if not self.body or len(self.body) > LONGEST_NOTED:
            return None
        try:
            return orjson.loads(self.body)
        except ValueError:
            return None

    def action(self) -> str:
        """The method and the path as the route has it, so that both can be looked for."""
        route = self.scope.get("route")
        path = self.scope["path"] if route is None else route.path
        return f"{self.scope['method']} {path}"

    async def answer(self, message: Message) -> None:
        """Send a part of the answer, with the request's id in its head."""
        if message["type"] == "http.response.start":
            if self.deed is not None and message["status"] < BAD and not self.deed.noted:
                await self._note(self.deed)
            self.status = message["status"]
            headers = message.setdefault("headers", [])
            headers.append((b"x-request-id", self.request_id.encode()))
            if not self.intake.complete and not await self.intake.drain():
                headers.append((b"connection", b"close"))
        await self.send(message)

    async def _note(self, deed: Deed) -> None:
        if self.note is not None:
            await self.note(deed)


class Gate:
    """ASGI middleware around the whole app."""

    def __init__(self, app: ASGIApp, rooms: Rooms, new_id: Callable[[], str]) -> None:
        self._app = app
        self._rooms = rooms
        self._new_id = new_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it here."""
        if scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        intake = Intake(scope, receive, allowance(scope, self._rooms.limits))
        exchange = Exchange(scope, self._request_id(scope), send, intake)
        bound = bind_contextvars(correlation_id=exchange.request_id)
        try:
            await self._handle(exchange)
            _note(exchange)
        finally:
            reset_contextvars(**bound)

    def _request_id(self, scope: Scope) -> str:
        for name, value in scope["headers"]:
            if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
                given: str = value.decode()
                return given
        return self._new_id()

    async def _handle(self, exchange: Exchange) -> None:
        try:
            await self._let_in(exchange)
            with doing(exchange.deed):
                await self._app(exchange.scope, exchange.hear, exchange.answer)
        except FAMILIES as error:
            await self._refuse(exchange, answer_to(error))
        except Refusal as error:
            answer = problem(error.status_code, error.code, error.detail, error.hint)
            await self._refuse(exchange, answer)
        except ClientDisconnect:
            exchange.status = exchange.status or CLOSED_BY_CLIENT
        except HTTPException as error:
            await self._refuse(exchange, problem(error.status_code, **facts_of(error)))
        except Exception:  # noqa: BLE001 (the boundary: an unforeseen error ends here)
            _LOG.exception("http.failed", action="answer", **_what(exchange))
            detail = "the server made a mistake"
            hint = f"Look at the server's log for {exchange.request_id}."
            await self._refuse(exchange, problem(500, "internal_error", detail, hint))

    async def _let_in(self, exchange: Exchange) -> None:
        scope, access = exchange.scope, self._rooms.access
        if is_open(scope["path"]):
            access.limits.open(address_of(scope))
            check_query(scope["query_string"])  # elsewhere the role comes first, in `Needs`
            if scope["method"] not in SAFE:
                check_origin(scope)
        else:
            exchange.caller = scope["caller"] = await identify(access, scope)
        if scope["method"] not in SAFE:
            exchange.note = access.audit.note
            exchange.deed = Deed(
                who=exchange.caller or NOBODY,
                address=address_of(scope),
                path=scope["path"],
                request_id=exchange.request_id,
                action=exchange.action,
                asked=exchange.asked,
            )

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a websocket through with its caller; one that shows only a ticket has none yet."""
        try:
            caller = scope["caller"] = await identify(self._rooms.access, scope)
            if caller.groups is not None and scope["path"] not in SORTED_SOCKETS:
                # What a socket tells is the whole farm's, unless it sorts it out itself.
                message = f"{caller.name} is confined to printer groups"
                raise ScopeTooNarrow(message)
        except AccessError as error:
            if not (isinstance(error, NoCredential) and _shows_a_ticket(scope)):
                await _refuse_socket(scope, receive, send, error)
                return
        await self._app(scope, receive, send)

    async def _refuse(self, exchange: Exchange, answer: Response) -> None:
        """Answer in the app's place, unless the app's own answer has begun."""
        if not exchange.status:
            await answer(exchange.scope, exchange.intake, exchange.answer)


async def _refuse_socket(scope: Scope, receive: Receive, send: Send, error: AccessError) -> None:
    """Answer a websocket with a problem where the server can, and close it where it cannot."""
    socket = WebSocket(scope, receive, send)
    if "websocket.http.response" in scope.get("extensions", {}):
        await socket.send_denial_response(answer_to(error))
    else:
        await receive()
        await socket.close(POLICY_VIOLATION, str(error))


def _shows_a_ticket(scope: Scope) -> bool:
    return scope["path"] in TICKETED and any(
        part.startswith(b"ticket=") for part in scope["query_string"].split(b"&")
    )


def _what(exchange: Exchange) -> dict[str, str]:
    return {"method": exchange.scope["method"], "path": exchange.scope["path"]}


def _who(caller: Caller | None) -> dict[str, str]:
    return {} if caller is None else {str(caller.kind): caller.name}


def _note(exchange: Exchange) -> None:
    """One line per request; what only looked, and was answered, is worth it when debugging."""
    fine = exchange.status < BAD
    only_looked = fine and exchange.scope["method"] in SAFE
    if only_looked and not _HEARD.isEnabledFor(logging.DEBUG):
        return
    say = _LOG.debug if only_looked else _LOG.info
    client = exchange.scope.get("client")
    say(
        "http",
        action="answered",
        status=exchange.status,
        ms=round(1000 * (perf_counter() - exchange.began), 1),
        **_who(exchange.caller),
        client=None if client is None else client[0],
        **_what(exchange),
    )
