"""The messages of a printer's mailbox: everything that can happen to its session."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from buildplate.core.evidence import Reading
from buildplate.core.printers import Link
from buildplate.drivers.sdk import Identity, Watch


@dataclass(frozen=True, slots=True)
class LinkIs:
    """The link changed; `problem` and `hint` say what a person can do about it, `code` which it is.

    `cause` is the raw error, for the log.
    """

    link: Link
    problem: str = ""
    hint: str = ""
    code: str = ""
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Read:
    """An answered read and the file it was asked about; `identity` on the first of a link."""

    reading: Reading
    watch: Watch | None
    identity: Identity | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """A physical step ended; `apply` puts its outcome where it belongs."""

    apply: Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Nudge:
    """Something that people or dispatch changed: think again."""


Message = LinkIs | Read | Done | Nudge
