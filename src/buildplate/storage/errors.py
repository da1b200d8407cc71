"""What can go wrong with the database, each case with what to do next."""

from typing import ClassVar

from buildplate import __version__


class StorageError(Exception):
    """The database did not do it, and nothing of the transaction was written.

    This class itself is raised for what should not happen: a bug, or a disk that fails.
    """

    code: ClassVar[str] = "storage_error"
    hint: ClassVar[str] = "See the log, and check the disk."


class StorageFull(StorageError):
    """The disk of the database is full: nothing was written. Retry after space was freed."""

    code = "storage_full"
    hint = "Free space on the disk that holds the database, then try again."


class StorageBusy(StorageError):
    """Another process holds the database locked. Nothing was written; retry later."""

    code = "storage_busy"
    hint = "Find the program that keeps the database open for writing, then try again."


class StorageClosed(StorageError):
    """The storage is not open, or not any more. Nothing was written."""

    code = "storage_closed"
    hint = "The server is stopping; try again when it runs."

    def __init__(self) -> None:
        super().__init__("The database is not open.")


class DatabaseInUse(StorageError):
    """Another server holds this database. Refused at start."""

    code = "database_in_use"
    hint = "Stop the other server, or give this one its own --data-dir."

    def __init__(self, path: str, pid: int | None, hint: str | None = None) -> None:
        holder = "another process" if pid is None else f"process {pid}"
        super().__init__(f"The database {path} is in use by {holder}.")
        self.pid = pid
        if hint is not None:
            self.hint = hint  # type: ignore[misc]  # this one's own


class DatabaseUnreachable(StorageError):
    """The database can't be used: its file or folder, or its server. Nothing was written."""

    code = "database_unreachable"
    hint = "Check that the data folder exists, is on a local disk and may be written to."

    def __init__(self, path: str, why: object, hint: str | None = None) -> None:
        super().__init__(f"The database {path} can't be opened: {why}.")
        if hint is not None:
            self.hint = hint  # type: ignore[misc]  # this one's own


class BadDatabaseUrl(StorageError):
    """The database's URL can't be right. Refused at start; no message holds the URL."""

    code = "bad_database_url"
    hint = "Write it as postgresql://user:password@host:5432/database."

    def __init__(self, why: str, hint: str | None = None) -> None:
        super().__init__(f"DATABASE_URL can't be used: {why}.")
        if hint is not None:
            self.hint = hint  # type: ignore[misc]  # this one's own


class OutcomeUnknown(StorageError):
    """The server went away in mid commit, and could not be asked what became of it.

    The only error after which something may have been written: read again and decide anew.
    """

    code = "outcome_unknown"
    hint = "Read again to see whether it took place, then decide anew."

    def __init__(self) -> None:
        super().__init__("The database went away while it stored a change.")


class SchemaTooNew(StorageError):
    """A newer release wrote this database. Refused at start, nothing was changed.

    `release` is the one that brought it to its schema, where the database tells.
    """

    code = "schema_too_new"
    hint = "Install the release that last used this database, or a newer one."

    def __init__(self, found: str, newest: str, release: str | None = None) -> None:
        by = "" if release is None else f" Buildplate {release} has upgraded it."
        super().__init__(
            f"The database has schema {found}, which this release ({__version__}) does not know; "
            f"its newest is {newest}.{by}"
        )
        if release is not None:
            self.hint = f"Install Buildplate {release} or newer."  # type: ignore[misc]  # its own


class UpgradeRefused(StorageError):
    """Something has to be put right before the schema may be upgraded. Nothing was changed."""

    code = "upgrade_refused"
    hint = "Put right what is named, then run `buildplate db upgrade`."

    def __init__(self, why: str, hint: str) -> None:
        super().__init__(f"The database is not upgraded: {why}.")
        self.hint = hint  # type: ignore[misc]  # this one's own


class ConstraintViolated(StorageError):
    """A constraint of the tables refused a statement: the caller's premise no longer holds.

    `constraint` is the constraint's or index's name in `tables.py`, the same on every engine
    (for a missing value: `<table>.<column>`); `None` where the engine does not say (a foreign
    key on SQLite).
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


class UnregisteredScript(ScriptError):
    """`write` was given a function without `@script`."""

    def __init__(self, function: object) -> None:
        super().__init__(f"{function!r} is not a registered @script, so it may not write.")


class AmbiguousScript(ScriptError):
    """Two functions want the same name in the register of scripts."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Two scripts are named {name}.")


class SuspendedScript(ScriptError):
    """A script awaited something other than its transaction."""

    def __init__(self, name: str) -> None:
        super().__init__(f"The script {name} awaited something other than its transaction.")


class SecondStatement(ScriptError):
    """A script marked with `one_statement` ran another one."""

    def __init__(self, sql: str) -> None:
        super().__init__(f"A script of one statement ran a second one: {sql}")


class MissingParameter(ScriptError):
    """A statement was run without one of its parameters."""

    def __init__(self, name: str, sql: str) -> None:
        super().__init__(f"The parameter {name} is missing for: {sql}")


class UnknownParameter(ScriptError):
    """A statement was given a parameter it does not have."""

    def __init__(self, name: str, sql: str) -> None:
        super().__init__(f"There is no parameter {name!r} in: {sql}")


class WrongType(ScriptError):
    """A value of the wrong type was given for a column (a time that is no integer, say)."""


class UnknownCounter(ScriptError):
    """`next_number` was asked for a counter that does not exist."""

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no counter named {name}.")
