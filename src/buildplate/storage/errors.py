"""What can go wrong with the database, each case with what to do next."""

from typing import ClassVar


class StorageError(Exception):
    """The database did not do it, and nothing of the transaction was written.

    This class itself is raised for what should not happen: a bug, or a disk that fails.
    """

    code: ClassVar[str] = "storage_error"
    hint: ClassVar[str] = "See the log; check the disk and run `buildplate doctor`."


class StorageFull(StorageError):
    """The disk of the database is full: nothing was written. Retry after space was freed."""

    code = "storage_full"
    hint = "Free space on the disk that holds the database, then try again."


class StorageBusy(StorageError):
    """Another process holds the database locked. Nothing was written; retry later."""

    code = "storage_busy"
    hint = "Find the program that keeps the database open for writing, then try again."


class StorageClosed(StorageError):
    """The storage is not open (any more). Nothing was written."""

    code = "storage_closed"
    hint = "The server is stopping; try again when it runs."


class DatabaseInUse(StorageError):
    """Another server holds this database. Refused at start."""

    code = "database_in_use"
    hint = "Stop the other server, or give this one its own --data-dir."


class SchemaTooNew(StorageError):
    """A newer release wrote this database. Refused at start, nothing was changed."""

    code = "schema_too_new"
    hint = "Install the release that last used this database, or a newer one."


class ConstraintViolated(StorageError):
    """A constraint of the tables refused a statement: the caller's premise no longer holds.

    `constraint` is the constraint's or index's name in `tables.py`, the same on every engine;
    `None` where the engine does not say (a foreign key on SQLite).
    """

    code = "constraint_violated"
    hint = "Read again and decide anew."

    def __init__(self, message: str, constraint: str | None) -> None:
        super().__init__(message)
        self.constraint = constraint


class ScriptError(StorageError):
    """A transaction script broke the rules of scripts: a bug in the program. Rolled back."""

    code = "storage_script_error"
    hint = "This is a bug in Buildplate; please report it with the log."
