"""What a request to an OctoPrint commands, as faults choose by it and the records name it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from buildplate_sim.web import Request


def command_body(request: Request) -> dict[str, Any]:
    """The JSON object of a POST; empty where there is none."""
    if request.method != "POST" or not request.body.startswith(b"{"):
        return {}
    try:
        body: dict[str, Any] = request.json()
    except orjson.JSONDecodeError:
        return {}
    return body


def command_of(request: Request) -> str:
    """The command that a request's JSON names; `print` for a select that also prints."""
    body = command_body(request)
    command = str(body.get("command", ""))
    return "print" if command == "select" and body.get("print") else command
