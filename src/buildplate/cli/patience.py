"""Waiting for what the server does by itself: bounded, and seen on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event
from time import monotonic
from typing import Any

PAUSE_S = 0.2


@contextmanager
def waiting(for_what: str) -> Iterator[None]:
    """A sign of life on a terminal while the block runs, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.markup import escape

    with Console(stderr=True).status(escape(f"{for_what} ...")):
        yield


@contextmanager
def progress(name: str, size: int) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, nothing elsewhere; called with the bytes that went on."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(escape(name), total=size)
        yield lambda went: bar.advance(task, went)


def until(
    look: Callable[[], dict[str, Any]], holds: Callable[[dict[str, Any]], bool], seconds: float
) -> dict[str, Any]:
    """What is there once it holds, or after so many seconds."""
    end = monotonic() + seconds
    seen = look()
    while not holds(seen) and monotonic() < end:
        Event().wait(PAUSE_S)
        seen = look()
    return seen
