"""The farm's database as the settings name it: a file of our own, or a PostgreSQL server's."""

from __future__ import annotations

from pathlib import Path

from buildplate.app.settings import Settings, SettingsError
from buildplate.backups.errors import RestoreCutOff
from buildplate.backups.unfinished import check_finished
from buildplate.storage import SqliteConfig, SqliteStorage, Storage


def database_of(settings: Settings, lease: float = 0.0) -> Storage:
    """The storage, not opened yet. SettingsError.

    `lease`: seconds for which the farm trusts that the database is its own without asking again.
    """
    must_be_whole(settings)
    where = settings.database
    if isinstance(where, Path):
        return SqliteStorage(SqliteConfig(where))
    # 10 MB with its driver, for as long as the process runs: only where the farm is on a server.
    from buildplate.storage.postgres.engine import (  # noqa: PLC0415 (see above)
        PostgresConfig,
        PostgresStorage,
    )

    return PostgresStorage(PostgresConfig(where, grace_seconds=lease))


class FarmUnfinished(SettingsError):
    """A restore into the data folder was cut off."""

    code = RestoreCutOff.code
    hint = RestoreCutOff.hint


def must_be_whole(settings: Settings) -> None:
    """Refuse to work on a farm that is half restored. FarmUnfinished."""
    try:
        check_finished(settings.data_dir)
    except RestoreCutOff as error:
        raise FarmUnfinished(str(error)) from None
