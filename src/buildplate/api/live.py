"""The live socket: everything at once, then whatever changes, for as long as the client listens."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from typing import Any

import structlog
from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketDisconnect

from buildplate.access.errors import AccessError, KeyRequired
from buildplate.access.model import Caller, Standing
from buildplate.api.answers import Json
from buildplate.api.credentials import check_origin
from buildplate.api.guard import LOOK
from buildplate.api.live_board import Topic, Wish
from buildplate.api.live_hub import LiveHub
from buildplate.api.problems import Refusal, answer_to, facts_of, problem
from buildplate.api.rooms import Rooms
from buildplate.api.schemas import REFERENCE
from buildplate.api.scopes import check_printer
from buildplate.api.texts import check_query
from buildplate.fleet.errors import FleetError
from buildplate.storage import StorageError

router = APIRouter(prefix="/api/v1", tags=["live"])
_LOG = structlog.get_logger("live")

TICKET_S = 30.0
MOST_TICKETS, MOST_TICKETS_OF_ONE = 1000, 50
MOST_CLIENTS = 1000
STALLED_S = 30.0
"""How long one frame may take to get out before the client is let go."""

CHECK_AGAIN_S = 30.0
"""How often it is made sure that the client may still stay."""

BEAT_S = 5.0
"""After so long without a frame the client is told that there is none to send."""

MOST_SAID = 1000
"""Messages a client may send in all; they mean nothing."""

GOING_AWAY, POLICY, TRY_LATER = 1001, 1008, 1013
OTHER_RIGHTS = 4001
"""The client may see something else now: it is to open the socket anew."""

KNOWN = frozenset({"topics", "printer", "ticket", "after", "epoch"})


class TicketOut(BaseModel):
    """A ticket opens one live socket, once, within `expires_in_s` seconds."""

    ticket: str
    expires_in_s: float


class Tickets:
    """Tickets that were given out and not used yet; kept as hashes, the oldest go first.

    Of one caller so few are kept that those of others are not driven out by them.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._open: OrderedDict[str, tuple[float, Caller]] = OrderedDict()

    def give(self, caller: Caller) -> str:
        """A ticket for this caller."""
        ticket = secrets.token_urlsafe(32)
        own = [
            one
            for one, (_, who) in self._open.items()
            if (who.kind, who.id) == (caller.kind, caller.id)
        ]
        if len(own) >= MOST_TICKETS_OF_ONE:
            del self._open[own[0]]
        self._open[_digest(ticket)] = (self._now() + TICKET_S, caller)
        if len(self._open) > MOST_TICKETS:
            self._open.popitem(last=False)
        return ticket

    def take(self, ticket: str) -> Caller:
        """The caller that the ticket was given to; KeyRequired. It is used up."""
        until, caller = self._open.pop(_digest(ticket), (0.0, None))
        if caller is None or self._now() > until:
            message = "the ticket is not known, used up or too old"
            raise KeyRequired(message, "Ask POST /api/v1/live/ticket for another one.")
        return caller


def _digest(ticket: str) -> str:
    return sha256(ticket.encode()).hexdigest()


@router.post(
    "/live/ticket", status_code=201, responses={201: {"model": TicketOut}}, dependencies=[LOOK]
)
async def live_ticket(request: Request) -> Response:
    """Get a ticket for one live socket, for clients that can send no header with it."""
    tickets: Tickets = request.app.state.tickets
    return Json({"ticket": tickets.give(request.scope["caller"]), "expires_in_s": TICKET_S}, 201)


@router.websocket("/live")
async def live(websocket: WebSocket) -> None:
    """Send a snapshot, then patches; see docs/reference/live.md."""
    try:
        caller = _caller(websocket)
        wish = await _wish(websocket, caller)
        after = _resumed(websocket, caller)
        hub: LiveHub = websocket.app.state.live
        if hub.seats >= MOST_CLIENTS:
            raise _crowded()
    except (AccessError, FleetError, StorageError) as error:
        await websocket.send_denial_response(answer_to(error))
        return
    except HTTPException as error:
        answer = problem(error.status_code, **facts_of(error), headers=error.headers)
        await websocket.send_denial_response(answer)
        return
    with hub.seat():  # before anything is waited for: many may come at once
        await _serve(websocket, _Client(websocket, hub, caller, wish), caller, after)


async def _serve(websocket: WebSocket, served: _Client, caller: Caller, after: int | None) -> None:
    hub: LiveHub = websocket.app.state.live
    await websocket.accept()
    began, client = hub.now(), websocket.client
    who = {str(caller.kind): caller.name, "client": None if client is None else client.host}
    _LOG.info("live", action="opened", **who)
    try:
        await served.serve(after)
    finally:
        _LOG.info("live", action="closed", seconds=round(hub.now() - began, 1), **who)


class _Client:
    """One open socket."""

    def __init__(self, websocket: WebSocket, hub: LiveHub, caller: Caller, wish: Wish) -> None:
        self._socket = websocket
        self._hub = hub
        self._caller = caller
        self._wish = wish
        self._knocked = websocket.scope.get("caller") is not None
        self._close: tuple[int, str] = (GOING_AWAY, "")

    async def serve(self, after: int | None) -> None:
        """Send until the client goes or has to."""
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(self._send(after))
            hearing = tasks.create_task(self._hear())
            sending.add_done_callback(lambda _: hearing.cancel())
            hearing.add_done_callback(lambda _: sending.cancel())
        code, why = self._close
        with suppress(RuntimeError, WebSocketDisconnect, TimeoutError):
            async with asyncio.timeout(1.0):
                await self._socket.close(code, why)

    async def _send(self, after: int | None) -> None:
        loop = asyncio.get_running_loop()
        async with self._hub.following(self._wish):
            # A ticket's caller was known some time ago; groups decide what is sent at all.
            doubted = self._caller.groups is not None or not self._knocked
            check_at, doubts = loop.time() + CHECK_AGAIN_S, self._hub.doubts(self._wish)
            beat_at = loop.time() + BEAT_S
            while True:
                if doubted or loop.time() >= check_at:
                    doubts = self._hub.doubts(self._wish)
                    if not await self._may_stay(in_doubt=doubted):
                        return
                    doubted, check_at = False, loop.time() + CHECK_AGAIN_S
                try:
                    async with asyncio.timeout_at(min(check_at, beat_at)):
                        frame, after = await self._hub.next(self._wish, after, doubts)
                except TimeoutError:
                    if loop.time() < beat_at:
                        continue
                    frame = f'{{"type":"beat","at_s":{self._hub.now():.3f}}}'
                if frame is None:
                    doubted = True
                elif not await self._sent(frame):
                    return
                else:
                    beat_at = loop.time() + BEAT_S

    async def _sent(self, frame: str) -> bool:
        """Send one frame; False where the client does not take it."""
        try:
            async with asyncio.timeout(STALLED_S):
                await self._socket.send_text(frame)
        except TimeoutError:
            self._close = (TRY_LATER, "too slow")
            return False
        except WebSocketDisconnect:
            return False
        return True

    async def _may_stay(self, *, in_doubt: bool) -> bool:
        """Whether the caller still may see what it wished; where not, why it is to go."""
        rooms: Rooms = self._socket.app.state.rooms
        try:
            standing = await rooms.access.standing(self._caller)
        except StorageError:
            if in_doubt:
                self._close = (TRY_LATER, "it could not be asked what may be seen")
            return not in_doubt  # where nothing speaks against it the next time tells
        if standing is Standing.GONE:
            self._close = (POLICY, "the credential works no longer")
        elif standing is Standing.CHANGED:
            self._close = (OTHER_RIGHTS, "role or printer groups have changed: open it anew")
        return standing is Standing.SAME

    async def _hear(self) -> None:
        """Notice when the client goes; what it says means nothing, and is bounded."""
        for _ in range(MOST_SAID):
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                return
        self._close = (POLICY, "this socket listens to nobody")


def _caller(websocket: WebSocket) -> Caller:
    """Who the gate has let in, or whose ticket it is; KeyRequired, CsrfRefused.

    A browser says which page opens the socket: only this server's own may.
    """
    check_origin(websocket.scope)
    known: Caller | None = websocket.scope.get("caller")
    if known is not None:
        return known
    tickets: Tickets = websocket.app.state.tickets
    return tickets.take(websocket.query_params.get("ticket", ""))


async def _wish(websocket: WebSocket, caller: Caller) -> Wish:
    """What the client asks to follow, and may; a Refusal, or UnknownPrinter."""
    check_query(websocket.scope["query_string"])
    asked = websocket.query_params
    unknown = sorted(asked.keys() - KNOWN)
    if unknown:
        detail = f"there is no parameter {', '.join(unknown)}"
        hint = f"This path knows: {', '.join(sorted(KNOWN))}."
        raise Refusal(422, "invalid_request", detail, hint)
    try:
        named = [one for one in asked.get("topics", "").split(",") if one]
        topics = frozenset(Topic(one) for one in named) or frozenset(Topic)
    except ValueError:
        hint = f"Topics are: {', '.join(Topic)}."
        raise Refusal(422, "invalid_request", "a topic is not known", hint) from None
    printer = asked.get("printer")
    if printer is not None:
        if re.fullmatch(REFERENCE, printer) is None:
            hint = "Name it by its id or number; see GET /api/v1/printers."
            raise Refusal(422, "invalid_request", "`printer` is neither id nor number", hint)
        rooms: Rooms = websocket.app.state.rooms
        await check_printer(rooms, caller, printer)
        printer = (await rooms.fleet.get(printer)).id
    return Wish(topics, printer, caller.groups)


def _resumed(websocket: WebSocket, caller: Caller) -> int | None:
    """The turn from which the client can go on; None: it is sent everything."""
    after = websocket.query_params.get("after")
    if after is None:
        return None
    if not after.isascii() or not after.isdigit() or len(after) > 15:  # noqa: PLR2004 (2**53)
        detail = "`after` is no sequence number"
        raise Refusal(422, "invalid_request", detail, "Send the `seq` of the last frame.")
    hub: LiveHub = websocket.app.state.live
    seq, epoch = int(after), websocket.query_params.get("epoch")
    return seq if hub.board.reaches(epoch, seq, caller.groups) else None


def _crowded() -> Refusal:
    detail = f"{MOST_CLIENTS} clients listen already"
    hint = "Close some of them, or ask for what you need with plain requests."
    return Refusal(503, "too_many_clients", detail, hint)


def keep_live(app: Any, rooms: Rooms, epoch: str) -> None:
    """Give the app its hub and its tickets; whoever runs the app runs `app.state.live.run`."""
    app.state.live = LiveHub(rooms, epoch)
    app.state.tickets = Tickets(rooms.clock.boot)
