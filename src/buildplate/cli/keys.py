"""`buildplate key …`: make, list and revoke API keys, also on the data while no server runs."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from buildplate.cli import options
from buildplate.cli.jobs import time_of
from buildplate.cli.output import as_json, moment, say, table
from buildplate.cli.roles import Role
from buildplate.cli.server import server_of

app = typer.Typer(help="API keys.", no_args_is_help=True)


@app.command()
def add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Whose it is, or what for.")],
    role: Annotated[Role, typer.Option(help="viewer looks, operator works, admin manages.")],
    expires: Annotated[
        str | None, typer.Option(metavar="TIME", help="When it stops to work.")
    ] = None,
    group: Annotated[
        list[str] | None,
        typer.Option(metavar="GROUP", help="Confine it to this printer group; may be repeated."),
    ] = None,
    json: options.Json = False,
) -> None:
    """Make a key. It is shown this once."""
    until = time_of(expires, "--expires")
    if context.obj.data_dir is not None:
        from buildplate.cli.offline import add_key

        made: dict[str, Any] = add_key(context.obj.data_dir, name, role.value, until, group)
    else:
        with server_of(context) as server:
            body = {"name": name, "role": role.value, "expires_at": until, "groups": group or None}
            made = server.post("/keys", body)
    if json:
        as_json(made)
    else:
        say(f"{made['key']}\nThis is the only time it is shown.")


@app.command("list")
def list_(context: typer.Context, json: options.Json = False) -> None:
    """List every key ever made."""
    if context.obj.data_dir is not None:
        from buildplate.cli.offline import list_keys

        found: list[dict[str, Any]] = list_keys(context.obj.data_dir)
    else:
        with server_of(context) as server:
            found = server.get("/keys")["items"]
    if json:
        as_json(found)
        return
    table(
        [
            ("key", lambda k: k["name"]),
            ("role", lambda k: k["role"]),
            ("groups", lambda k: k["groups"] or "all"),
            ("made", lambda k: moment(k["created_at"])),
            ("expires", lambda k: moment(k["expires_at"])),
            ("revoked", lambda k: moment(k["revoked_at"])),
            ("id", lambda k: k["id"]),
        ],
        found,
        "There are no keys.",
    )


@app.command()
def revoke(
    context: typer.Context,
    key: Annotated[str, typer.Argument(metavar="KEY", help="Its id; see: buildplate key list")],
    json: options.Json = False,
) -> None:
    """Revoke a key: it opens nothing from now on."""
    if context.obj.data_dir is not None:
        from buildplate.cli.offline import revoke_key

        found: dict[str, Any] = revoke_key(context.obj.data_dir, key)
    else:
        with server_of(context) as server:
            found = server.delete(f"/keys/{key}")
    as_json(found) if json else say(f"{found['name']} is revoked.")


def add_to(main: typer.Typer) -> None:
    """Offer the commands."""
    main.add_typer(app, name="key")
