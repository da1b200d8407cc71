"""The shapes and words that all answers of a simulated Moonraker share."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from buildplate_sim.web import Reply, json_reply

VERSION = "0.11.0"
API_VERSION = [1, 5, 0]
PARSE_ERROR, INVALID_REQUEST, NO_METHOD, INVALID_PARAMS = -32700, -32600, -32601, -32602
UNAUTHORIZED, WRONG_KEY = "Unauthorized", "Invalid API Key"
NO_KLIPPY, KLIPPY_GONE = "Klippy Host not connected", "Klippy Disconnected"
IN_USE = "File currently in use"
TRACEBACK = "Traceback (most recent call last):\n\nServerError: "


_RPC_CODES = {401: INVALID_PARAMS, 404: NO_METHOD}


class RefusedError(Exception):
    """A call is answered with an error; `code` is HTTP's, or one of JSON-RPC's own."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text

    def rpc(self) -> dict[str, Any]:
        """As a websocket gets it."""
        return {"code": _RPC_CODES.get(self.code, int(self.code)), "message": self.text}

    def http(self) -> Reply:
        """As HTTP gets it: a text with a line's end or a bracket is only in the traceback."""
        code = self.code
        if code < 0:
            code = HTTPStatus.NOT_FOUND if code == NO_METHOD else HTTPStatus.BAD_REQUEST
        return http_error(code, self.text)


def http_error(code: int, text: str, said: str = "") -> Reply:
    """An error of HTTP; `said` takes the place of the text where Moonraker hides it."""
    shown = said or ("Unknown" if {"\n", "<"} & set(text) else text)
    error = {"code": int(code), "message": shown, "traceback": TRACEBACK + text + "\n"}
    return json_reply({"error": error}, code)


def hidden_error(code: int, text: str) -> Reply:
    """An error whose text is only in the traceback: uploads, files and the key are refused so."""
    return http_error(code, text, HTTPStatus(code).phrase)
