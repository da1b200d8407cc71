"""`buildplate key-file …`: the key that opens the printers' secrets, while no server runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from buildplate.cli import options
from buildplate.cli.failures import USAGE, fail
from buildplate.cli.output import as_json, fields, say

app = typer.Typer(
    help="The key file that opens printers' secrets; with --data-dir, while no server runs.",
    no_args_is_help=True,
)
Json = options.Json


def _folder(context: typer.Context) -> Path:
    folder: Path | None = context.obj.data_dir
    if folder is None:
        fail(
            "the key file is kept by hand, while no server runs",
            "Stop the server and name its data: buildplate --data-dir DIR key-file …",
            code=USAGE,
        )
    return folder


@app.command()
def show(context: typer.Context, json: Json = False) -> None:
    """Show where the key file is, and how many secrets it opens; never the key."""
    from buildplate.cli.key_files import look

    _answer(look(_folder(context)), json=json)


@app.command()
def rotate(context: typer.Context, json: Json = False) -> None:
    """Make a new key and seal every printer's secrets with it; the former one is forgotten."""
    from buildplate.cli.key_files import rotated

    _answer(rotated(_folder(context)), json=json)


@app.command()
def replace(context: typer.Context, json: Json = False) -> None:
    """Begin with a new key after the file was lost: each printer's key has to be entered again."""
    from buildplate.cli.key_files import replaced

    _answer(replaced(_folder(context)), json=json)


def _answer(found: dict[str, Any], *, json: bool) -> None:
    if json:
        as_json(found)
        return
    fields(found, [name for name in found if name != "hint"])
    if found.get("hint"):
        say(str(found["hint"]))


def add_to(main: typer.Typer) -> None:
    """Offer the commands."""
    main.add_typer(app, name="key-file")
