"""Who did what: noted in the transaction that does it, whichever room it belongs to.

Whoever lets a request in sets its deed (`doing`). From then on every transaction that is written
on its behalf is watched statement by statement: the rows it changes, before and after, are written
with it. So no room and no path can forget to say it. What a request brings about in other tasks is
not seen here; then the request itself is noted, before it is answered.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from buildplate.access.model import Caller, CallerKind

LONGEST = 2_000
MOST_ROWS = 50
HIDDEN = "(hidden)"
_SECRET = re.compile(
    r"pass(word|phrase)?$|secret|token|api_?key|^key$|credential|authorization|sha256$|connection$"
)
Script = Callable[..., Awaitable[Any]]


@dataclass(slots=True)
class Deed:
    """A request that may change something.

    `action` and `asked` tell what it asks for, once that is known. Once it is `over`, tasks that it
    started do what they do for themselves.
    """

    who: Caller
    address: str | None
    path: str
    request_id: str | None
    action: Callable[[], str]
    asked: Callable[[], Any] = field(default=lambda: None)
    noted: bool = False
    over: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """One row that was changed: only the columns that are different, by their names."""

    table: str
    id: str | None
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the audit."""

    id: str
    at: datetime
    who_kind: str
    who_id: str | None
    who_name: str
    address: str | None
    action: str
    path: str
    request_id: str | None
    asked: Any
    changes: Sequence[Any]


_DEED: ContextVar[Deed | None] = ContextVar("deed", default=None)


@contextmanager
def doing(deed: Deed | None) -> Iterator[None]:
    """Note what is written within the block, in this task, as part of the deed."""
    token = _DEED.set(deed)
    try:
        yield
    finally:
        _DEED.reset(token)
        if deed is not None:
            # Tasks that were started meanwhile keep the deed, not the request with its body.
            action = deed.action()
            deed.over, deed.action, deed.asked = True, lambda: action, lambda: None


def present_deed() -> Deed | None:
    """What the present task does, and for whom."""
    deed = _DEED.get()
    return None if deed is None or deed.over else deed


@contextmanager
def noted_beside() -> Iterator[None]:
    """What is done within the block is noted by a task that it starts.

    The answer does not wait for that, nor does it fail where it cannot be noted.
    """
    deed = _DEED.get()
    try:
        yield
    finally:
        if deed is not None:
            deed.noted = True


def who_acts() -> str | None:
    """Whoever the present task works for, as records name them; None where nobody is known."""
    deed = present_deed()
    known = deed is not None and deed.who.kind is not CallerKind.NOBODY
    return f"{deed.who.kind} {deed.who.name}" if deed is not None and known else None


def acts_for(who: Caller) -> None:
    """The deed turns out to be somebody's: a login, a set-up."""
    deed = _DEED.get()
    if deed is not None:
        deed.who = who


def entry_of(deed: Deed, id_: str, at: datetime, changes: Sequence[Change], more: int = 0) -> Entry:
    """The line for a deed and what it changed, with how much `more`; secrets are hidden."""
    shown = [
        {
            "table": change.table,
            "id": change.id,
            "before": redacted(change.before),
            "after": redacted(change.after),
        }
        for change in changes[:MOST_ROWS]
    ]
    more += max(0, len(changes) - MOST_ROWS)
    if more:
        shown.append({"table": "…", "more": more})
    who = deed.who
    return Entry(
        id=id_,
        at=at,
        who_kind=who.kind.value,
        who_id=who.id,
        who_name=who.name,
        address=deed.address,
        action=deed.action(),
        path=deed.path,
        request_id=deed.request_id,
        asked=redacted(deed.asked()),
        changes=shown,
    )


def redacted(value: Any, name: str = "") -> Any:
    """A value without what must not be read later: secrets hidden, long texts cut."""
    if _SECRET.search(name.lower()) and value is not None:
        return HIDDEN
    if isinstance(value, Mapping):
        return {str(key): redacted(inner, str(key)) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        shown = [redacted(inner) for inner in value[:MOST_ROWS]]
        return shown if len(value) <= MOST_ROWS else [*shown, f"… {len(value) - MOST_ROWS} more"]
    if isinstance(value, str) and len(value) > LONGEST:
        return f"{value[:LONGEST]}… ({len(value)} characters)"
    return value
