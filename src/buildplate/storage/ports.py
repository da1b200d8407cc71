"""What the rooms above get from storage: transactions, as protocols any engine fulfils."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from sqlalchemy import Update
from sqlalchemy.sql.elements import ClauseElement

from buildplate.storage.model import EventRecord

P = ParamSpec("P")
T = TypeVar("T")


class Row(Protocol):
    """One row; columns by name. Booleans may come as 0 and 1: take `bool()` of them."""

    def __getitem__(self, key: str, /) -> Any: ...


class Tx(Protocol):
    """One transaction, in the hands of one script.

    `params` fill the statement's `bindparam`s by name. Any error raised here ends the
    transaction: a script that goes on after one is rolled back with that error.
    """

    async def rows(
        self, statement: ClauseElement, params: Mapping[str, Any] | None = None
    ) -> Sequence[Row]:
        """All rows of a query, or of a change with RETURNING."""

    async def row(
        self, statement: ClauseElement, params: Mapping[str, Any] | None = None
    ) -> Row | None:
        """The first row, or None."""

    async def change(
        self, statement: ClauseElement, params: Mapping[str, Any] | None = None
    ) -> int:
        """Run an INSERT, UPDATE or DELETE; how many rows it touched.

        Raises `ConstraintViolated` where a constraint refuses it.
        """

    async def change_each(
        self, statement: ClauseElement, params: Sequence[Mapping[str, Any]]
    ) -> None:
        """Run an INSERT, UPDATE or DELETE for each of these parameters, in their order.

        All have the same names; no list among them. Raises as `change`.
        """

    async def compare_and_set(
        self, statement: Update, params: Mapping[str, Any], event: EventRecord | None
    ) -> Row | None:
        """Run an UPDATE with RETURNING; if it found its row, record the event, too. That row.

        One statement on PostgreSQL: see `one_statement`.
        """

    async def record(self, event: EventRecord) -> None:
        """Write the event and queue it for publishing, in this transaction."""

    async def next_number(self, name: str) -> int:
        """The next short number of `job`, `print` or `printer`, from 1 on.

        A transaction that is rolled back gives its numbers back.
        """


class Storage(Protocol):
    """The database: it runs transaction scripts."""

    on_step: Callable[[str], None] | None
    """Told `before:<script>` and `committed:<script>` around each write's commit, on the
    thread that commits. For tests that kill the process there."""

    on_write: Callable[[Callable[..., Awaitable[Any]]], Callable[..., Awaitable[Any]]] | None
    """Given each script before it is written, in its caller's context; what it returns is run in
    the script's place and under its name. So whoever did something can be noted with it."""

    on_recorded: Callable[[], None] | None
    """Called on the loop after a commit that recorded events. The outbox relay's bell."""

    async def open(self) -> None:
        """Take the database for this process and bring its schema up to date.

        Raises `DatabaseInUse`, `DatabaseUnreachable`, `SchemaTooNew`, `StorageBusy`,
        `StorageFull`, `StorageError`.
        """

    def owned(self) -> bool:
        """Whether this process still is the one owner of the database."""

    async def close(self) -> None:
        """Finish what is queued, then let go of the database. Closing twice is harmless."""

    async def write(
        self,
        script: Callable[Concatenate[Tx, P], Awaitable[T]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Run a script of `@script` as one transaction; returns once its commit is durable.

        An exception of the script rolls back its own changes and is raised here. Waits while
        the queue is full. A caller cancelled before its script began never ran it; one
        cancelled later does not know whether it was committed.
        Raises `StorageFull`, `StorageBusy`, `StorageClosed`, `ConstraintViolated`,
        `DatabaseUnreachable`, `ScriptError`, `StorageError`; in each case nothing of the script
        was written. After `OutcomeUnknown` alone it may have been.
        """

    async def read(
        self,
        script: Callable[Concatenate[Tx, P], Awaitable[T]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Run a script on a snapshot of the committed data. Never waits for writers."""
