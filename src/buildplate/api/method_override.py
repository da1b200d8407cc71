"""PATCH and DELETE for whoever can only POST, as the tus protocol has it for uploads."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

UPLOADS = "/api/v1/uploads/"
HEADER = b"x-http-method-override"
METHODS = {b"PATCH": "PATCH", b"DELETE": "DELETE"}


class MethodOverride:
    """ASGI middleware before the gate, so that rights, limits and the audit see what is meant."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, as what it says it is."""
        if (
            scope["type"] == "http"
            and scope["method"] == "POST"
            and scope["path"].startswith(UPLOADS)
        ):
            said = next((value for name, value in scope["headers"] if name == HEADER), b"")
            scope = {**scope, "method": METHODS.get(said, "POST")}
        await self._app(scope, receive, send)
