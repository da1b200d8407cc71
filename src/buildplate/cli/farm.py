"""Commands on the farm as a whole: status, temperatures, and keeping the key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from buildplate.cli import options
from buildplate.cli.output import as_json, fields, lasts, percent, say, table, words
from buildplate.cli.server import Server, server_of
from buildplate.cli.target import Target, keep


def doing(printer: Mapping[str, Any]) -> str:
    """What a printer does, in a word or two."""
    if printer["link"] != "online":
        return str(printer["link"] or "retired")
    if printer["needs_attention"]:
        return "needs attention"
    return "ready" if printer["ready"] else str(printer["activity"])


def status(
    context: typer.Context,
    busy: Annotated[bool, typer.Option("--busy", help="Only printers with a print.")] = False,
    json: options.Json = False,
) -> None:
    """Show every printer: link, activity, bed, print, temperatures."""
    with server_of(context) as server:
        every = server.every("/printers", live=True)
        found = [printer for printer in every if not busy or printer["print_id"]]
    if json:
        as_json(found)
        return
    table(
        [
            ("#", lambda p: p["number"]),
            ("printer", lambda p: p["name"]),
            ("does", doing),
            ("bed", lambda p: p["bed"]),
            ("progress", lambda p: percent(p["state"]["progress"] if p["print_id"] else None)),
            ("left", lambda p: lasts(p["state"]["time_left_s"] if p["print_id"] else None)),
            ("heat", lambda p: _heat(p["state"])),
            ("age", lambda p: lasts(p["state"]["age_s"])),
            ("problem", lambda p: p["problem"]),
        ],
        found,
        "No printer has a print." if busy else "There are no printers: buildplate printer add",
    )


def _heat(state: Mapping[str, Any]) -> str:
    heats = state["temperatures"]
    return "  ".join(f"{name} {heat['actual']:.0f}°" for name, heat in heats.items())


def temperature(
    context: typer.Context, printer: options.Printer, json: options.Json = False
) -> None:
    """Show a printer's temperatures with their targets, in °C."""
    with server_of(context) as server:
        state = _state(server, printer)
    if json:
        as_json({"age_s": state["age_s"], "temperatures": state["temperatures"]})
        return
    rows = [{"name": name, **heat} for name, heat in state["temperatures"].items()]
    table(
        [
            ("heater", lambda row: row["name"]),
            ("°C", lambda row: f"{row['actual']:.1f}"),
            ("target", lambda row: words(row["target"])),
        ],
        rows,
        "The printer has not said its temperatures.",
    )
    if rows:
        say(f"{lasts(state['age_s'])} ago")


def _state(server: Server, printer: str) -> dict[str, Any]:
    found: dict[str, Any] = server.get(f"/printers/{server.printer(printer)}/state")
    return found


def login(context: typer.Context, json: options.Json = False) -> None:
    """Keep the server's URL and your key in a file that only you can read."""
    target: Target = context.obj
    key = target.api_key or typer.prompt("API key", hide_input=True)
    context.obj = Target(target.url, key, target.data_dir)
    with server_of(context) as server:
        server.get("/printers", limit=1)
    path = keep(target.url, key)
    kept = {"url": target.url, "file": str(path)}
    if json:
        as_json(kept)
    else:
        fields(kept, kept)


def add_to(app: typer.Typer) -> None:
    """Offer the commands."""
    app.command()(status)
    app.command()(temperature)
    app.command()(login)
