"""The gate every request passes: its id, its key, its body's limits, its line in the log.

The one broad `except` of the HTTP surface is here: whatever nobody foresaw becomes a problem with
status 500 and one line with its traceback.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from buildplate.access.errors import AccessError
from buildplate.access.model import ApiKey
from buildplate.api.guard import is_open, shown_key
from buildplate.api.intake import Intake, allowance
from buildplate.api.problems import Refusal, answer_to, facts_of, problem
from buildplate.api.rooms import Rooms
from buildplate.storage import StorageError

_LOG = structlog.get_logger("http")
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
_QUIET = frozenset({"GET", "HEAD", "OPTIONS"})
CLOSED_BY_CLIENT = 499


@dataclass(slots=True)
class Exchange:
    """One request and what became of it."""

    scope: Scope
    request_id: str
    send: Send
    intake: Intake
    began: float = field(default_factory=perf_counter)
    status: int = 0
    key: ApiKey | None = None

    async def answer(self, message: Message) -> None:
        """Send a part of the answer, with the request's id in its head."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = message.setdefault("headers", [])
            headers.append((b"x-request-id", self.request_id.encode()))
            if not self.intake.complete and not await self.intake.drain():
                headers.append((b"connection", b"close"))
        await self.send(message)


class Gate:
    """ASGI middleware around the whole app."""

    def __init__(self, app: ASGIApp, rooms: Rooms, new_id: Callable[[], str]) -> None:
        self._app = app
        self._rooms = rooms
        self._new_id = new_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it here."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        intake = Intake(scope, receive, allowance(scope, self._rooms.limits))
        exchange = Exchange(scope, self._request_id(scope), send, intake)
        with bound_contextvars(correlation_id=exchange.request_id):
            await self._handle(exchange)
            _note(exchange)

    def _request_id(self, scope: Scope) -> str:
        for name, value in scope["headers"]:
            if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
                given: str = value.decode()
                return given
        return self._new_id()

    async def _handle(self, exchange: Exchange) -> None:
        try:
            await self._let_in(exchange)
            await self._app(exchange.scope, exchange.intake, exchange.answer)
        except (AccessError, StorageError) as error:
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
        if is_open(exchange.scope["path"]):
            return
        key = await self._rooms.keys.check(shown_key(exchange.scope["headers"]))
        exchange.key = exchange.scope["api_key"] = key

    async def _refuse(self, exchange: Exchange, answer: Response) -> None:
        """Answer in the app's place, unless the app's own answer has begun."""
        if not exchange.status:
            await answer(exchange.scope, exchange.intake, exchange.answer)


def _what(exchange: Exchange) -> dict[str, str]:
    return {"method": exchange.scope["method"], "path": exchange.scope["path"]}


def _note(exchange: Exchange) -> None:
    """One line per request; what only looked, and was answered, is worth it when debugging."""
    fine = exchange.status < 400  # noqa: PLR2004 (where errors begin)
    say = _LOG.debug if fine and exchange.scope["method"] in _QUIET else _LOG.info
    client = exchange.scope.get("client")
    say(
        "http",
        action="answered",
        status=exchange.status,
        ms=round(1000 * (perf_counter() - exchange.began), 1),
        key=None if exchange.key is None else exchange.key.name,
        client=None if client is None else client[0],
        **_what(exchange),
    )
