"""What the shell offers after Tab: names that the server knows, where it answers within a second.

Wherever it does not, nothing is offered and nothing is said: somebody is in the middle of a line.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import redirect_stderr, suppress
from io import StringIO
from threading import Thread
from typing import Any

import typer

from buildplate.cli.server import API, PAGE
from buildplate.cli.target import target_of

PATIENCE_S = 1.0


def printers(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Printers in service by name, each with what it is."""
    return _fitting(_items(context, "/printers"), incomplete, "name", "driver")


def groups(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Printer groups by name."""
    return _fitting(_items(context, "/groups"), incomplete, "name", "description")


def floors(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Floors by name."""
    return _fitting(_items(context, "/floors"), incomplete, "name", "created_at")


def files(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Stored files by name."""
    return _fitting(_items(context, "/files"), incomplete, "name", "created_at")


def jobs(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Jobs by number, each with its name."""
    return _fitting(_items(context, "/jobs"), incomplete, "number", "name")


def prints(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Prints by number, each with its state."""
    return _fitting(_items(context, "/prints"), incomplete, "number", "state")


def _fitting(
    items: Iterable[dict[str, Any]], incomplete: str, name: str, about: str
) -> list[tuple[str, str]]:
    found = [(str(item[name]), str(item[about])) for item in items]
    return [(word, more) for word, more in found if word.startswith(incomplete)]


def _items(context: typer.Context, path: str) -> list[dict[str, Any]]:
    found: list[list[dict[str, Any]]] = []
    asking = Thread(target=_ask, args=(context.find_root().params, path, found), daemon=True)
    with redirect_stderr(StringIO()):
        asking.start()
        asking.join(PATIENCE_S)
    return found[0] if found else []


def _ask(given: Mapping[str, Any], path: str, into: list[list[dict[str, Any]]]) -> None:
    """Put the items of a list there, if they can be had; a thread, as a host may drip."""
    import httpx

    # Whatever goes wrong (typer.Exit among it): there is nobody to tell.
    with suppress(Exception):
        target = target_of(given.get("url"), given.get("api_key"), None, given.get("ca"))
        answer = httpx.get(
            target.url + API + path,
            params={"limit": PAGE},
            headers={"x-api-key": target.api_key or ""},
            timeout=PATIENCE_S,
            trust_env=False,
            verify=True if target.ca is None else str(target.ca),
        )
        if answer.is_success:
            into.append([dict(item) for item in answer.json()["items"]])
