"""What commands print: JSON for programs, tables and lists of fields for people."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

Column = tuple[str, Callable[[Mapping[str, Any]], Any]]
MINUTE, HOUR, DAY = 60, 3600, 86400


def say(text: str) -> None:
    """One line."""
    print(text)  # noqa: T201 (this is the terminal)


def as_json(content: Any) -> None:
    """JSON, for programs."""
    say(json.dumps(content, indent=2 if sys.stdout.isatty() else None, ensure_ascii=False))


def table(columns: Sequence[Column], rows: Iterable[Mapping[str, Any]], nothing: str) -> None:
    """A table, or a sentence where there are no rows."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=None, header_style="bold", pad_edge=False)
    for name, _ in columns:
        shown.add_column(name, overflow="fold")
    for row in rows:
        shown.add_row(*(Text(words(value(row))) for _, value in columns))
    if not shown.row_count:
        say(nothing)
        return
    # Into a pipe a row stays on its line, however wide.
    width = None if sys.stdout.isatty() else 10_000
    Console(width=width, soft_wrap=True).print(shown)


def fields(content: Mapping[str, Any], names: Iterable[str]) -> None:
    """One thing, a field per line; fields that are empty are left out."""
    chosen = [(name, content.get(name)) for name in names]
    filled = [(name, value) for name, value in chosen if value not in (None, "", [], {})]
    widest = max((len(name) for name, _ in filled), default=0)
    for name, value in filled:
        say(f"{name.ljust(widest)}  {words(value)}")


def words(value: Any) -> str:
    """A value as people read it; control characters of others' names are not let through."""
    match value:
        case None | "":
            return "–"
        case True | False:
            return "yes" if value else "no"
        case float():
            return f"{value:g}"
        case dict():
            return ", ".join(f"{k} {words(v)}" for k, v in value.items() if v is not None)
        case list():
            return ", ".join(words(one) for one in value) or "–"
        case _:
            return "".join(c if c.isprintable() else "�" for c in str(value))


def percent(value: float | None) -> str:
    """A progress of 0 to 1 in percent."""
    return "–" if value is None else f"{100 * value:.0f} %"


def megabytes(size: int) -> str:
    """Bytes in MB."""
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size} B"  # noqa: PLR2004


def lasts(seconds: float | None) -> str:
    """A duration."""
    if seconds is None:
        return "–"
    whole = round(seconds)
    if whole < MINUTE:
        return f"{whole} s"
    if whole < HOUR:
        return f"{whole // MINUTE} min"
    if whole < DAY:
        return f"{whole // HOUR} h {whole % HOUR // MINUTE:02} min"
    return f"{whole // DAY} d {whole % DAY // HOUR} h"


def moment(text: str | None) -> str:
    """A time of the API in the time zone of whoever reads it."""
    if text is None:
        return "–"
    return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M")


def when(text: str) -> str:
    """A time that a person gave, local unless it says otherwise, as the API takes it."""
    given = datetime.fromisoformat(text)
    return given.astimezone(UTC).isoformat().replace("+00:00", "Z")
