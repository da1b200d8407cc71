"""The options that many commands share."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from buildplate.cli import completion


class OnOff(StrEnum):
    """A switch."""

    ON = "on"
    OFF = "off"


Json = Annotated[bool, typer.Option("--json", help="Answer as JSON.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=1000, help="How many at most.")]
Printer = Annotated[
    str,
    typer.Argument(
        metavar="PRINTER", help="A name, a number or an id.", autocompletion=completion.printers
    ),
]
Job = Annotated[
    str,
    typer.Argument(metavar="JOB", help="A number or an id.", autocompletion=completion.jobs),
]
Print = Annotated[
    str,
    typer.Argument(metavar="PRINT", help="A number or an id.", autocompletion=completion.prints),
]
File = Annotated[
    str,
    typer.Argument(
        metavar="FILE",
        help="A name or an id of a stored file.",
        autocompletion=completion.files,
    ),
]
