"""`buildplate group …`: printer groups."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from buildplate.cli import completion, options
from buildplate.cli.failures import USAGE, fail
from buildplate.cli.output import as_json, fields, say, table
from buildplate.cli.server import Server, server_of

app = typer.Typer(
    help="Printer groups: what jobs ask for, and what keys and users are confined to.",
    no_args_is_help=True,
)
FIELDS = ("id", "name", "description", "printers", "created_at")
Group = Annotated[
    str,
    typer.Argument(metavar="GROUP", help="A name or an id.", autocompletion=completion.groups),
]
Description = Annotated[str | None, typer.Option(help="What it is for.")]


def _path(server: Server, group: str) -> str:
    return f"/groups/{server.named('group', group)}"


def _show(group: dict[str, Any], json: bool) -> None:
    as_json(group) if json else fields(group, FIELDS)


@app.command("list")
def list_(context: typer.Context, json: options.Json = False) -> None:
    """List the printer groups."""
    with server_of(context) as server:
        found = list(server.every("/groups"))
    if json:
        as_json(found)
        return
    table(
        [
            ("group", lambda g: g["name"]),
            ("printers", lambda g: g["printers"]),
            ("description", lambda g: g["description"]),
        ],
        found,
        "There are no groups: buildplate group add",
    )


@app.command()
def add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What people call it.")],
    description: Description = None,
    json: options.Json = False,
) -> None:
    """Make a group; `printer edit PRINTER --group NAME` puts a printer into it."""
    with server_of(context) as server:
        made = server.post("/groups", {"name": name, "description": description or ""})
    as_json(made) if json else say(f"Made the group {made['name']}.")


@app.command()
def show(context: typer.Context, group: Group, json: options.Json = False) -> None:
    """Show a group."""
    with server_of(context) as server:
        found = server.get(_path(server, group))
    _show(found, json)


@app.command()
def edit(
    context: typer.Context,
    group: Group,
    name: Annotated[
        str | None, typer.Option(help="Its new name, for its printers, jobs, keys and users too.")
    ] = None,
    description: Description = None,
    json: options.Json = False,
) -> None:
    """Rename or describe a group; whatever calls it by name goes with it."""
    body = {"name": name, "description": description}
    change = {field: value for field, value in body.items() if value is not None}
    if not change:
        fail("say what to change", "See: buildplate group edit --help", code=USAGE)
    with server_of(context) as server:
        found = server.patch(_path(server, group), change)
    _show(found, json)


@app.command()
def remove(context: typer.Context, group: Group, json: options.Json = False) -> None:
    """Remove a group that no printer belongs to and nobody is confined to."""
    with server_of(context) as server:
        path = _path(server, group)
        server.delete(path)
    as_json({"removed": path.rpartition("/")[2]}) if json else say(f"{group} is removed.")


def add_to(main: typer.Typer) -> None:
    """Offer the commands."""
    main.add_typer(app, name="group")
