"""`buildplate`: the commands, and the options that come before them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from buildplate import __version__
from buildplate.cli.on_demand import OnDemand
from buildplate.cli.target import target_of

app = typer.Typer(
    name="buildplate",
    cls=OnDemand,
    help="One open control plane for every 3D printer on the floor.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def main(
    context: typer.Context,
    url: Annotated[
        str | None,
        typer.Option(envvar="BUILDPLATE_URL", help="Where the server is."),
    ] = None,
    api_key: Annotated[
        str | None,
        typer.Option(envvar="BUILDPLATE_API_KEY", help="The key it gave you."),
    ] = None,
    ca: Annotated[
        Path | None,
        typer.Option(envvar="BUILDPLATE_CA", help="The authority of the server's certificate."),
    ] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(
            help="Work on this data directly, while no server runs on it "
            "(key, user, key-file, db, doctor, backup, restore)."
        ),
    ] = None,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """One open control plane for every 3D printer on the floor."""
    del version
    context.obj = target_of(url, api_key, data_dir, ca)
