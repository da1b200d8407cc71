"""Rewriting the database file, so that what was overwritten is nowhere in it any more."""

import sqlite3
from contextlib import closing
from pathlib import Path

from buildplate.storage.sqlite.connection import opening_failed

_PATIENCE_S = 60.0


def scrub(path: Path) -> None:
    """Leave nothing but the present rows in the file and its log.

    SQLite keeps replaced content in free space and in the log until it is overwritten. Blocks, and
    writes the whole file once. Raises `StorageError` and its subclasses.
    """
    try:
        with closing(sqlite3.connect(path, timeout=_PATIENCE_S, isolation_level=None)) as database:
            database.execute("PRAGMA synchronous = FULL")
            database.execute("VACUUM")
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    except sqlite3.Error as error:
        raise opening_failed(path, error) from error
