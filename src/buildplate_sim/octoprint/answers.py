"""The shapes and words that all answers of a simulated OctoPrint share."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from buildplate_sim.web import Reply, Request, json_reply

if TYPE_CHECKING:
    from collections.abc import Callable

NO_PERMISSION = (
    "You don't have the permission to access the requested resource. "
    "It is either read-protected or not readable by the server."
)
NOT_FOUND = (
    "The requested URL was not found on the server. "
    "If you entered the URL manually please check your spelling and try again."
)
NOT_JSON = (
    "Did not attempt to load JSON data because the request Content-Type was not 'application/json'."
)
BAD_REQUEST = "The browser (or proxy) sent a request that this server could not understand."
CSRF = "CSRF validation failed"
FORBIDDEN_PAGE = b"<html><title>403: Forbidden</title><body>403: Forbidden</body></html>"
NOT_OPERATIONAL = "Printer is not operational"
INTERNAL = (
    "The server encountered an internal error and was unable to complete your request. "
    "Either the server is overloaded or there is an error in the application."
)
NO_SPACE = "[Errno 28] No space left on device"
USER = "_api"
READS = frozenset({"GET", "HEAD"})
"""Methods that ask for no change."""


class Pending:
    """An answer that is decided a little later."""

    def __init__(self) -> None:
        self._reply: Reply | None = None
        self._told: Callable[[Reply], None] | None = None

    def settle(self, reply: Reply) -> None:
        """Decide it."""
        if self._reply is None:
            self._reply = reply
            if self._told is not None:
                self._told(reply)

    def then(self, told: Callable[[Reply], None]) -> None:
        """Be told, now or later."""
        self._told = told
        if self._reply is not None:
            told(self._reply)


def error_reply(status: int, text: str) -> Reply:
    """OctoPrint's one shape of an error."""
    return json_reply({"error": text}, status)


def nothing() -> Reply:
    """204."""
    return Reply(HTTPStatus.NO_CONTENT, content_type="text/plain")


class RefusedError(Exception):
    """The request is answered with an error."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.reply = error_reply(status, text)


def json_body(request: Request) -> dict[str, Any]:
    """The body as an object, or the refusal the real one gives."""
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, NOT_JSON)
    try:
        body = request.json()
    except ValueError as error:
        raise RefusedError(HTTPStatus.BAD_REQUEST, BAD_REQUEST) from error
    if not isinstance(body, dict):
        raise RefusedError(HTTPStatus.BAD_REQUEST, BAD_REQUEST)
    return body
