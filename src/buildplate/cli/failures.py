"""How a command ends when it fails: one sentence, what to do next, and an exit code."""

from __future__ import annotations

import sys
from typing import NoReturn

import typer

REFUSED = 1
USAGE = 2
UNREACHABLE = 3


def note(text: str) -> None:
    """Say something beside the answer, which programs do not read."""
    print(text, file=sys.stderr)  # noqa: T201 (this is the terminal)


def fail(detail: str, hint: str = "", *, code: int = REFUSED) -> NoReturn:
    """Say what went wrong and end: 1 refused, 2 usage, 3 server unreachable."""
    lines = [f"buildplate: {detail}", *([hint] if hint else [])]
    print("\n".join(lines), file=sys.stderr)  # noqa: T201 (this is the terminal)
    raise typer.Exit(code)
