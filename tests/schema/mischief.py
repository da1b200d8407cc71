"""A server that breaks its promises, one a path, to see that a run of schemathesis notices."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from buildplate.access.model import Caller
from buildplate.api import guard

Rewrite = Callable[[int, bytes], tuple[int, bytes]]


class Rewriter:
    """ASGI middleware that rewrites the answers of some paths in one piece."""

    def __init__(self, app: ASGIApp, paths: Mapping[str, Rewrite]) -> None:
        self._app = app
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        rewrite = self._paths.get(scope["path"]) if scope["type"] == "http" else None
        if rewrite is None:
            await self._app(scope, receive, send)
            return
        start: Message = {}
        body = b""

        async def keep(message: Message) -> None:
            nonlocal body
            if message["type"] == "http.response.start":
                start.update(message)
                return
            body += message.get("body", b"")
            if not message.get("more_body", False):
                start["status"], whole = rewrite(start["status"], body)
                heads = [one for one in start["headers"] if one[0] != b"content-length"]
                start["headers"] = [*heads, (b"content-length", str(len(whole)).encode())]
                await send(start)
                await send({"type": "http.response.body", "body": whole})

        await self._app(scope, receive, keep)


def _without(name: str) -> Rewrite:
    def rewrite(status: int, body: bytes) -> tuple[int, bytes]:
        told: Any = json.loads(body) if body else {}
        if isinstance(told, dict):
            told.pop(name, None)
        return status, json.dumps(told).encode()

    return rewrite


BROKEN: Mapping[str, Rewrite] = {
    "/api/v1/drivers": lambda status, body: (500 if status == 200 else status, body),
    "/api/v1/dashboard/stats": lambda status, body: (418 if status == 200 else status, body),
    "/api/v1/events": _without("next_cursor"),
    "/api/v1/analytics/utilization": _without("hint"),
    "/api/v1/queue/stop": lambda _, __: (200, b'{"stopped": true}'),
}
"""A crash, a status that is not documented, a field or a hint too few, bad requests let pass."""
FOR_ADMINISTRATORS = "/api/v1/settings"
OF_GROUPS = "/api/v1/queue"
"""It takes no filters: whatever is asked for, some of what waits is shown."""


def break_promises(app: FastAPI) -> None:
    """Also let everybody in everywhere, and show everybody what belongs to any group."""
    app.add_middleware(Rewriter, paths=BROKEN)
    guard.require = lambda *_: None
    Caller.reaches = lambda *_: True  # type: ignore[method-assign]
