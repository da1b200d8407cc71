"""`buildplate floor …`: the plans on which printers have their places."""

from __future__ import annotations

import re
from typing import Annotated, Any

import typer

from buildplate.cli import completion, options
from buildplate.cli.failures import USAGE, fail
from buildplate.cli.output import as_json, fields, say, table
from buildplate.cli.server import Server, server_of

app = typer.Typer(help="Floors, on which printers have their places.", no_args_is_help=True)
FIELDS = ("id", "name", "width_mm", "depth_mm", "printers", "created_at")
Floor = Annotated[
    str,
    typer.Argument(metavar="FLOOR", help="A name or an id.", autocompletion=completion.floors),
]
Size = Annotated[
    str | None, typer.Option(metavar="SIZE", help="Width and depth in mm, as in 12000x8000.")
]
_SIZE = re.compile(r"(\d+(?:\.\d+)?)x(\d+(?:\.\d+)?)")
_PLACE = re.compile(r"(\d+(?:\.\d+)?),(\d+(?:\.\d+)?)")


def _size(text: str | None) -> dict[str, float]:
    if text is None:
        return {}
    found = _SIZE.fullmatch(text.strip().lower())
    if found is None:
        return fail(f"--size {text}: write width and depth in mm, as in 12000x8000", code=USAGE)
    return {"width_mm": float(found[1]), "depth_mm": float(found[2])}


def place(
    server: Server, floor: str | None, at: str | None, rotation: float | None
) -> dict[str, Any] | None:
    """A `floor_position` of what was said of it; None where nothing was."""
    said: dict[str, Any] = {}
    if floor is not None:
        said["floor"] = server.named("floor", floor)
    if at is not None:
        found = _PLACE.fullmatch(at.strip())
        if found is None:
            fail(f"--at {at}: write x and y in mm, as in 1500,2400", code=USAGE)
        said |= {"x": float(found[1]), "y": float(found[2])}
    if rotation is not None:
        said["rotation"] = rotation
    return said or None


def _path(server: Server, floor: str) -> str:
    return f"/floors/{server.named('floor', floor)}"


def _show(floor: dict[str, Any], json: bool) -> None:
    as_json(floor) if json else fields(floor, FIELDS)


@app.command("list")
def list_(context: typer.Context, json: options.Json = False) -> None:
    """List the floors."""
    with server_of(context) as server:
        found = list(server.every("/floors"))
    if json:
        as_json(found)
        return
    table(
        [
            ("floor", lambda f: f["name"]),
            ("size in mm", lambda f: f"{f['width_mm']:g} × {f['depth_mm']:g}"),
            ("printers", lambda f: f["printers"]),
        ],
        found,
        "There are no floors: buildplate floor add",
    )


@app.command()
def add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What people call it.")],
    size: Size = None,
    json: options.Json = False,
) -> None:
    """Make a floor; `printer edit PRINTER --floor NAME --at X,Y` gives a printer its place."""
    if size is None:
        fail("say how large it is", "As in: --size 12000x8000 (mm)", code=USAGE)
    body = {"name": name, **_size(size)}
    with server_of(context) as server:
        made = server.post("/floors", body)
    as_json(made) if json else say(f"Made the floor {made['name']}.")


@app.command()
def show(context: typer.Context, floor: Floor, json: options.Json = False) -> None:
    """Show a floor and what stands on it."""
    with server_of(context) as server:
        found = server.get(_path(server, floor))
        standing = [
            one
            for one in server.every("/printers")
            if one["floor_position"] and one["floor_position"]["floor"] == found["id"]
        ]
    if json:
        as_json({**found, "standing": [_standing(one) for one in standing]})
        return
    fields(found, FIELDS)
    for one in standing:
        at = one["floor_position"]
        say(f"  {one['name']} at {at['x']:g},{at['y']:g} mm, turned by {at['rotation']:g}°")


def _standing(printer: dict[str, Any]) -> dict[str, Any]:
    return {name: printer[name] for name in ("id", "number", "name", "floor_position")}


@app.command()
def edit(
    context: typer.Context,
    floor: Floor,
    name: Annotated[str | None, typer.Option(help="Its new name.")] = None,
    size: Size = None,
    json: options.Json = False,
) -> None:
    """Rename a floor, or give it another size; every printer on it has to stay on it."""
    change = {**({} if name is None else {"name": name}), **_size(size)}
    if not change:
        fail("say what to change", "See: buildplate floor edit --help", code=USAGE)
    with server_of(context) as server:
        found = server.patch(_path(server, floor), change)
    _show(found, json)


@app.command()
def remove(context: typer.Context, floor: Floor, json: options.Json = False) -> None:
    """Remove a floor on which no printer stands."""
    with server_of(context) as server:
        path = _path(server, floor)
        server.delete(path)
    as_json({"removed": path.rpartition("/")[2]}) if json else say(f"{floor} is removed.")


def add_to(main: typer.Typer) -> None:
    """Offer the commands."""
    main.add_typer(app, name="floor")
