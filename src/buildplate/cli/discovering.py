"""`buildplate printer discover`: what may be a printer around the server."""

from __future__ import annotations

from collections.abc import Mapping
from shlex import quote
from typing import Annotated, Any

import typer

from buildplate.cli import options
from buildplate.cli.failures import note
from buildplate.cli.output import as_json, say, table, words
from buildplate.cli.patience import waiting
from buildplate.cli.server import server_of

Seconds = Annotated[
    float, typer.Option(min=1, max=10, help="How long the network is listened to, in s.")
]


def discover(context: typer.Context, seconds: Seconds = 3.0, json: options.Json = False) -> None:
    """Look for printers in the server's network and at its serial ports."""
    with server_of(context) as server:
        with waiting("Looking for printers"):
            seen = server.get("/printers/discover", seconds=seconds)
        names = server.printer_names() if any(one["printer_id"] for one in seen["items"]) else {}
    if json:
        as_json(seen)
    else:
        table(
            [
                ("what", lambda one: one["family"]),
                ("name", lambda one: one["name"]),
                ("where", lambda one: one["where"]),
                ("driver", lambda one: one["driver"]),
                ("", lambda one: _standing(one, names)),
            ],
            seen["items"],
            "Nothing was found.",
        )
        _how_to_add(seen["items"])
    for one in seen["remarks"]:
        note(f"{one['detail']}. {one['hint']}")
    if seen["more"]:
        note("There is more than is shown: so much was announced.")


def _standing(found: Mapping[str, Any], names: dict[str, str]) -> str:
    """Whether it is a printer already, or what stands in the way."""
    if found["printer_id"]:
        return f"is {names.get(found['printer_id'], 'a printer already')}"
    return f"{found['detail']}. {found['hint']}" if found["detail"] else "new"


def _how_to_add(items: list[dict[str, Any]]) -> None:
    """The command that begins with the first new one."""
    new = [one for one in items if one["driver"] and not one["printer_id"] and not one["code"]]
    if new:
        pairs = [quote(f"{name}={words(value)}") for name, value in new[0]["connection"].items()]
        given = " ".join(f"--connection {pair}" for pair in pairs)
        say(f"Try one with: buildplate printer probe --driver {new[0]['driver']} {given}")
