"""Writes what the server answers into a new file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from buildplate.cli.failures import USAGE, fail
from buildplate.cli.output import as_json, megabytes, say
from buildplate.cli.server import Server

Output = Annotated[Path, typer.Option("--output", "-o", help="Where to write it; it must be new.")]


def fetch(server: Server, path: str, output: Path, *, json: bool) -> None:
    """Fetch what this path answers; ends the command where it cannot be had, or be written."""
    try:
        with output.open("xb") as target:
            size = server.fetch(path, target)
    except OSError as error:
        fail(f"{output} cannot be written: {error.strerror}", code=USAGE)
    except typer.Exit:
        output.unlink()
        raise
    as_json({"path": str(output), "size": size}) if json else say(f"{output}: {megabytes(size)}")
