"""`buildplate user …`: the people of the farm, also on the data while no server runs."""

from __future__ import annotations

import os
from typing import Annotated, Any

import typer

from buildplate.cli import options
from buildplate.cli.failures import USAGE, fail
from buildplate.cli.output import as_json, fields, moment, say, table
from buildplate.cli.roles import Role
from buildplate.cli.server import Server, server_of

app = typer.Typer(help="People who log in with a password.", no_args_is_help=True)
LONGEST = 1024

Name = Annotated[str, typer.Argument(metavar="USER", help="A name or an id.")]
Groups = Annotated[
    list[str] | None,
    typer.Option("--group", metavar="GROUP", help="Confine them to it; may be repeated."),
]
PasswordFd = Annotated[
    int | None,
    typer.Option(
        "--password-fd", min=0, help="Read the password from this descriptor, up to a line's end."
    ),
]
FIELDS = ("id", "name", "role", "groups", "disabled", "created_at", "password_at")


@app.command()
def add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What they log in with.")],
    role: Annotated[Role, typer.Option(help="viewer looks, operator works, admin manages.")],
    group: Groups = None,
    password_fd: PasswordFd = None,
    json: options.Json = False,
) -> None:
    """Make a user. The password is asked for, never an argument: others could read it there."""
    password = _password(password_fd)
    if context.obj.data_dir is not None:
        from buildplate.cli.offline import add_user

        made: dict[str, Any] = add_user(context.obj.data_dir, name, role.value, password, group)
    else:
        body = {"name": name, "role": role.value, "password": password, "groups": group or None}
        with server_of(context) as server:
            made = server.post("/users", body)
    as_json(made) if json else say(f"{made['name']} is {made['role']}.")


@app.command("list")
def list_(context: typer.Context, json: options.Json = False) -> None:
    """List the users."""
    if context.obj.data_dir is not None:
        from buildplate.cli.offline import list_users

        found: list[dict[str, Any]] = list_users(context.obj.data_dir)
    else:
        with server_of(context) as server:
            found = list(server.every("/users"))
    if json:
        as_json(found)
        return
    table(
        [
            ("user", lambda u: u["name"]),
            ("role", lambda u: u["role"]),
            ("groups", lambda u: u["groups"] or "all"),
            ("disabled", lambda u: "yes" if u["disabled"] else None),
            ("made", lambda u: moment(u["created_at"])),
            ("password of", lambda u: moment(u["password_at"])),
            ("id", lambda u: u["id"]),
        ],
        found,
        "There are no users.",
    )


@app.command()
def show(context: typer.Context, user: Name, json: options.Json = False) -> None:
    """Show one user."""
    if context.obj.data_dir is not None:
        from buildplate.cli.offline import show_user

        found: dict[str, Any] = show_user(context.obj.data_dir, user)
    else:
        with server_of(context) as server:
            found = server.get(f"/users/{_id(server, user)}")
    as_json(found) if json else fields(found, FIELDS)


@app.command()
def remove(context: typer.Context, user: Name, json: options.Json = False) -> None:
    """Remove a user, whose sessions end at once. The last administrator stays."""
    if context.obj.data_dir is not None:
        from buildplate.cli.offline import remove_user

        found: dict[str, Any] = remove_user(context.obj.data_dir, user)
    else:
        with server_of(context) as server:
            found = server.get(f"/users/{_id(server, user)}")
            server.delete(f"/users/{found['id']}")
    as_json(found) if json else say(f"{found['name']} is removed.")


@app.command()
def passwd(
    context: typer.Context,
    user: Name,
    password_fd: PasswordFd = None,
    json: options.Json = False,
) -> None:
    """Give a user a new password, which ends their sessions. It is asked for."""
    changed = _change(context, user, {"password": _password(password_fd)})
    as_json(changed) if json else say(f"{changed['name']} has a new password.")


@app.command()
def role(
    context: typer.Context,
    user: Name,
    role: Annotated[Role, typer.Argument(help="viewer looks, operator works, admin manages.")],
    group: Groups = None,
    json: options.Json = False,
) -> None:
    """Give a user another role, for the printer groups that are named, or for the whole farm."""
    changed = _change(context, user, {"role": role.value, "groups": group or None})
    as_json(changed) if json else say(f"{changed['name']} is {changed['role']}.")


@app.command()
def disable(context: typer.Context, user: Name, json: options.Json = False) -> None:
    """Let a user in no more, for now: their sessions end, and what they did keeps their name."""
    changed = _change(context, user, {"disabled": True})
    as_json(changed) if json else say(f"{changed['name']} is disabled.")


@app.command()
def enable(context: typer.Context, user: Name, json: options.Json = False) -> None:
    """Let a user who was disabled log in again, with the password they had."""
    changed = _change(context, user, {"disabled": False})
    as_json(changed) if json else say(f"{changed['name']} may log in again.")


def _change(context: typer.Context, user: str, changes: dict[str, Any]) -> dict[str, Any]:
    if context.obj.data_dir is not None:
        from buildplate.cli.offline import edit_user

        return edit_user(context.obj.data_dir, user, changes)
    with server_of(context) as server:
        changed: dict[str, Any] = server.patch(f"/users/{_id(server, user)}", changes)
        return changed


def _id(server: Server, reference: str) -> str:
    named = server.get("/users", name=reference)["items"]
    if named:
        return str(named[0]["id"])
    if any(found["id"] == reference for found in server.every("/users")):
        return reference
    return fail(f"there is no user named {reference}", "See them with: buildplate user list")


def _password(descriptor: int | None) -> str:
    """The password, from a person or a program; ends the command where there is none."""
    if descriptor is None:
        asked: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
        return asked
    try:
        with os.fdopen(descriptor, encoding="utf-8", closefd=False) as file:
            found = file.readline(LONGEST).rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        fail(f"descriptor {descriptor} cannot be read: {error}", code=USAGE)
    if not found:
        fail(f"descriptor {descriptor} holds no password", "Write one line to it.", code=USAGE)
    return found


def add_to(main: typer.Typer) -> None:
    """Offer the commands."""
    main.add_typer(app, name="user")
