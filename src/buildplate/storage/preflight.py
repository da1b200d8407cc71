"""What is looked at before a database's schema is upgraded, and what was found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from buildplate.storage.errors import SchemaTooNew, StorageError, UpgradeRefused

OK, WARNING, FAILED = "ok", "warning", "failed"


@dataclass(frozen=True, slots=True)
class Step:
    """One migration: the schema it leads to, and what it is about."""

    revision: str
    what: str


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at; `remedy` says what to do where it is not ok."""

    name: str
    status: str
    detail: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Preflight:
    """From which schema to which, by which steps, and whether that may be done.

    `database` is shown to people and holds no password. `found` is None for an empty database.
    `release` is the one that brought it to its schema, where the database tells.
    """

    database: str
    found: str | None
    newest: str
    pending: Sequence[Step]
    checks: Sequence[Check]
    release: str | None = None

    @property
    def needed(self) -> bool:
        """Whether there is anything to do."""
        return self.found != self.newest

    @property
    def refused(self) -> StorageError | None:
        """Why it may not be done; None where it may."""
        if self.found is not None and self.needed and not self.pending:
            return SchemaTooNew(self.found, self.newest, self.release)
        failed = [check for check in self.checks if check.status == FAILED]
        if not failed:
            return None
        return UpgradeRefused("; ".join(c.detail for c in failed), failed[0].remedy)


def schema_check(
    found: str | None, newest: str, pending: Sequence[Step], release: str | None
) -> Check:
    """Whether the schema found is one that this release can bring to its own."""
    if found == newest:
        return Check("schema", OK, f"it is {newest}, this release's own")
    if found is None:
        return Check("schema", OK, f"there is none yet; {newest} is made")
    if not pending:
        error = SchemaTooNew(found, newest, release)
        return Check("schema", FAILED, str(error), error.hint)
    return Check("schema", OK, f"from {found} to {newest} in {len(pending)} steps")
