"""The farm's database as the settings name it: a file of our own, or a PostgreSQL server's."""

from __future__ import annotations

from pathlib import Path

from buildplate.app.settings import Settings
from buildplate.storage import (
    PostgresConfig,
    PostgresStorage,
    SqliteConfig,
    SqliteStorage,
    Storage,
)


def database_of(settings: Settings, lease: float = 0.0) -> Storage:
    """The storage, not opened yet. SettingsError.

    `lease`: seconds for which the farm trusts that the database is its own without asking again.
    """
    where = settings.database
    if isinstance(where, Path):
        return SqliteStorage(SqliteConfig(where))
    return PostgresStorage(PostgresConfig(where, grace_seconds=lease))
