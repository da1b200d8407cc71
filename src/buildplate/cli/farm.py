"""Commands on the farm as a whole: status, temperatures, and keeping the key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from buildplate.cli import options
from buildplate.cli.failures import fail, note
from buildplate.cli.output import as_json, fields, lasts, moment, percent, say, table, words
from buildplate.cli.panel import HEATERS, Celsius, set_heat
from buildplate.cli.server import Server, server_of
from buildplate.cli.target import Target, keep


def doing(printer: Mapping[str, Any]) -> str:
    """What a printer does, in a word or two."""
    if printer["link"] != "online":
        return str(printer["link"] or "retired")
    if not printer["powered"]:
        return "offline (its power is off)"
    if printer["needs_attention"]:
        return "needs attention"
    if printer["ready"]:
        return "ready"
    return "printing" if printer["activity"] == "ours" else words(printer["activity"])


def status(
    context: typer.Context,
    busy: Annotated[
        bool,
        typer.Option(
            "--busy",
            help="Only printers with a print; ends with 1 if one would end with the server.",
        ),
    ] = False,
    json: options.Json = False,
) -> None:
    """Show every printer: link, activity, bed, print, temperatures."""
    with server_of(context) as server:
        every = server.every("/printers", live=True)
        found = [printer for printer in every if not busy or printer["print_id"]]
        streams = {one["name"] for one in server.get("/drivers")["items"] if one["streams"]}
    for printer in found:
        printer["ends_with_server"] = bool(printer["print_id"]) and printer["driver"] in streams
    if json:
        as_json(found)
    else:
        _tell(found, busy=busy)
    here = [printer["name"] for printer in found if printer["ends_with_server"]]
    if busy and here:
        fail(
            f"these prints end with the server: {', '.join(here)}",
            "Wait for them, or cancel them, before you stop or upgrade it.",
        )


def _tell(found: list[dict[str, Any]], *, busy: bool) -> None:
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


def events(
    context: typer.Context,
    after: Annotated[
        int | None, typer.Option(min=0, help="Only those after this one, oldest first.")
    ] = None,
    before: Annotated[
        int | None, typer.Option(min=0, help="Only those before this one, newest first.")
    ] = None,
    printer: Annotated[str | None, typer.Option(help="Only those of this printer.")] = None,
    limit: options.Limit = 100,
    json: options.Json = False,
) -> None:
    """List what happened, oldest first, or back from --before."""
    with server_of(context) as server:
        path = f"/printers/{server.printer(printer)}/events" if printer else "/events"
        found = server.get(path, after=after, before=before, limit=limit)["items"]
    if json:
        as_json(found)
        return
    table(
        [
            ("#", lambda e: e["seq"]),
            ("at", lambda e: moment(e["at"])),
            ("what", lambda e: e["kind"]),
            ("data", lambda e: e["data"]),
        ],
        found,
        "Nothing happened then.",
    )


def drivers(context: typer.Context, json: options.Json = False) -> None:
    """List the installed drivers, each with the fields of its connection."""
    with server_of(context) as server:
        found = server.get("/drivers")["items"]
    if json:
        as_json(found)
        return
    table(
        [
            ("driver", lambda d: d["name"]),
            ("for", lambda d: d["title"]),
            ("connection", lambda d: list(d["connection_schema"].get("properties", {}))),
        ],
        found,
        "There are no drivers.",
    )


def command(
    context: typer.Context,
    id_: Annotated[str, typer.Argument(metavar="COMMAND", help="Its id.")],
    json: options.Json = False,
) -> None:
    """Show what became of a command to a printer."""
    with server_of(context) as server:
        found = server.get(f"/commands/{id_}")
    as_json(found) if json else fields(found, found)


def temperature(
    context: typer.Context,
    printer: options.Printer,
    tool0: Celsius = None,
    tool1: Celsius = None,
    tool2: Celsius = None,
    tool3: Celsius = None,
    bed: Celsius = None,
    chamber: Celsius = None,
    json: options.Json = False,
) -> None:
    """Show a printer's temperatures with their targets, in °C, after setting those that you name.

    More tools: buildplate printer temperature PRINTER tool4 210.
    """
    given = dict(zip(HEATERS, (tool0, tool1, tool2, tool3, bed, chamber), strict=True))
    with server_of(context) as server:
        for done in set_heat(server, printer, given):
            note(f"{done['params']['heater']}: set to {done['params']['target']:g} °C")
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
    app.command()(events)
    app.command()(drivers)
    below = typer.Typer(help="Commands to printers.", no_args_is_help=True)
    below.command("show")(command)
    app.add_typer(below, name="command")
    app.command()(login)
