"""What every answer carries for a browser's sake, and the counting of answers.

The outermost layer of the app, so that refusals carry the headers, too.
"""

from __future__ import annotations

from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from buildplate.api.vitals import Vitals

NOTHING_ELSE = (
    b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; sandbox"
)
"""For answers that are no pages: a browser that shows one runs nothing of it."""
HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"content-security-policy", NOTHING_ELSE),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
)
TWO_YEARS = b"max-age=63072000"
RESUMABLE = ("/api/v1/uploads", (b"tus-resumable", b"1.0.0"))
"""Where the tus protocol is spoken, and the header that it wants in every answer."""
ENCRYPTED = (b"strict-transport-security", TWO_YEARS)


class Armour:
    """ASGI middleware around everything; a header that an answer sets itself stays its own."""

    def __init__(self, app: ASGIApp, vitals: Vitals | None) -> None:
        self._app = app
        self._vitals = vitals

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and complete its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = perf_counter()
        extra = (*HEADERS, ENCRYPTED) if scope.get("scheme") == "https" else HEADERS
        if scope["path"].startswith(RESUMABLE[0]):
            extra = (*extra, RESUMABLE[1])

        async def armoured(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message.setdefault("headers", [])
                own = {name.lower() for name, _ in headers}
                headers.extend(pair for pair in extra if pair[0] not in own)
                if self._vitals is not None:
                    took = perf_counter() - began
                    self._vitals.answered(scope["method"], message["status"], took)
            await send(message)

        await self._app(scope, receive, armoured)
