"""Looking at a database file without changing it, whatever state it is in."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from buildplate.storage.schema import HEAD, revision
from buildplate.storage.sqlite.connection import connect_reader, opening_failed

MOST_COMPLAINTS = 5
_PATIENCE_S = 5.0
_LATEST = "SELECT max(at) FROM events"
_PRINTS = "SELECT state, count(*) FROM prints GROUP BY state"
_PRINTERS = "SELECT * FROM printers WHERE retired_at IS NULL ORDER BY number"


@dataclass(frozen=True, slots=True)
class Examination:
    """What was found: the schema's revision and the present one, and SQLite's own complaints.

    The rest is read only from a whole database of the present schema: the time of the newest event
    (µs since 1970), prints by state, and the rows of the printers in service.
    """

    revision: str | None
    newest: str = HEAD
    complaints: Sequence[str] = ()
    latest_event: int | None = None
    prints: dict[str, int] = field(default_factory=dict)
    printers: Sequence[sqlite3.Row] = ()


def examine(path: Path) -> Examination:
    """Look at everything; reads the whole file. Raises `StorageError` and its subclasses."""
    try:
        with closing(connect_reader(path, _PATIENCE_S)) as database:
            check = f"PRAGMA quick_check({MOST_COMPLAINTS})"
            said = [str(row[0]) for row in database.execute(check)]
            complaints = [] if said == ["ok"] else said
            found = revision(database)
            if complaints or found != HEAD:
                return Examination(found, complaints=complaints)
            return Examination(
                found,
                latest_event=database.execute(_LATEST).fetchone()[0],
                prints={str(state): int(n) for state, n in database.execute(_PRINTS)},
                printers=database.execute(_PRINTERS).fetchall(),
            )
    except sqlite3.Error as error:
        raise opening_failed(path, error) from error
