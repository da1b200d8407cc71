"""The writer thread: takes the scripts that wait, and commits them in groups.

A group is one transaction and one fsync. Each script runs inside a savepoint of its own, so an
error of one undoes that one alone; only after the commit is durable does any caller hear.
"""

import sqlite3
import threading
import time
from asyncio import CancelledError
from collections import deque
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue

from buildplate.storage.errors import StorageBusy
from buildplate.storage.sqlite.connection import is_busy, translated
from buildplate.storage.sqlite.request import Courier, Request
from buildplate.storage.sqlite.transaction import SqliteTx, run_to_end

_FIRST_PAUSE = 0.001
_LONGEST_PAUSE = 0.1


class _TransactionLost(Exception):
    def __init__(self, reason: BaseException) -> None:
        super().__init__()
        self.reason = reason


class Writer:
    """Owns the writing connection. `submit` from the loop; everything else is the thread's."""

    def __init__(self, connection: sqlite3.Connection, courier: Courier, group_limit: int) -> None:
        self.on_step: Callable[[str], None] | None = None
        self._connection = connection
        self._courier = courier
        self._limit = group_limit
        self._queue: SimpleQueue[Request | None] = SimpleQueue()
        self._waiting: deque[Request] = deque()
        self._stopping = False
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="storage-writer", daemon=True)

    def start(self) -> None:
        """Begin to take scripts."""
        self._thread.start()

    def submit(self, request: Request) -> None:
        """Queue a script. Never blocks."""
        self._queue.put(request)

    def stop(self) -> None:
        """Run what is queued and end; a lock held by someone else is not waited for. Blocks."""
        self._closing.set()
        self._queue.put(None)
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        while self._take():
            if self._begin():
                self._write_group()

    def _take(self) -> bool:
        """Wait for scripts; False when there will be no more."""
        if not self._waiting and not self._stopping:
            self._admit(self._queue.get())
        self._top_up()
        return bool(self._waiting) or not self._stopping

    def _top_up(self) -> None:
        try:
            while len(self._waiting) < self._limit:
                self._admit(self._queue.get_nowait())
        except Empty:
            return

    def _admit(self, request: Request | None) -> None:
        if request is None:
            self._stopping = True
        else:
            self._waiting.append(request)

    def _begin(self) -> bool:
        """Open a transaction for the waiting scripts; False when none of them is left."""
        pause = _FIRST_PAUSE
        while self._waiting:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
            except sqlite3.Error as error:
                if not is_busy(error):
                    self._give_up(list(self._waiting), translated(error))
                    self._waiting.clear()
                    return False
                self._let_go_of_the_late(str(error))
                self._closing.wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
                self._top_up()
            else:
                return True
        return False

    def _let_go_of_the_late(self, message: str) -> None:
        """While the database is locked, end the waiting of the cancelled and the timed-out."""
        now = float("inf") if self._closing.is_set() else time.monotonic()
        gone = [r for r in self._waiting if r.future.cancelled() or r.deadline <= now]
        if gone:
            self._waiting = deque(r for r in self._waiting if r not in gone)
            self._give_up(gone, StorageBusy(message))

    def _give_up(self, requests: Sequence[Request], error: BaseException) -> None:
        for request in requests:
            request.error = error
        self._courier.bring(requests)

    def _write_group(self) -> None:
        group: list[Request] = []
        alone = len(self._waiting) == 1
        try:
            while self._waiting and len(group) < self._limit:
                request = self._waiting.popleft()
                group.append(request)
                if request.future.cancelled():
                    request.error = CancelledError()
                else:
                    self._run_one(request, alone=alone)
            self._commit([request for request in group if request.error is None])
        except _TransactionLost as lost:
            self._lose(group, lost.reason)
        except BaseException as error:  # noqa: BLE001 (it is raised again at the callers' awaits)
            self._lose(group, error)
        self._courier.bring(group)

    def _lose(self, group: Sequence[Request], reason: BaseException) -> None:
        self._roll_back()
        for request in group:
            request.error = request.error or reason

    def _run_one(self, request: Request, *, alone: bool) -> None:
        tx = SqliteTx(self._connection)
        try:
            if not alone:
                self._connection.execute("SAVEPOINT script")
            request.result = run_to_end(
                tx, request.name, request.script, request.args, request.kwargs
            )
            if not alone:
                self._connection.execute("RELEASE script")
            request.recorded = tx.recorded
        except BaseException as error:  # noqa: BLE001 (it is raised again at the caller's await)
            request.error = error
            self._undo_one(tx, error, alone=alone)

    def _undo_one(self, tx: SqliteTx, error: BaseException, *, alone: bool) -> None:
        if alone or tx.lost or not self._connection.in_transaction:
            raise _TransactionLost(error)
        try:
            self._connection.execute("ROLLBACK TO script")
            self._connection.execute("RELEASE script")
        except sqlite3.Error as failure:
            raise _TransactionLost(translated(failure)) from failure

    def _commit(self, written: Sequence[Request]) -> None:
        self._observe("before", written)
        try:
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise _TransactionLost(translated(error)) from error
        self._observe("committed", written)

    def _observe(self, moment: str, written: Sequence[Request]) -> None:
        if self.on_step is not None:
            for request in written:
                self.on_step(f"{moment}:{request.name}")

    def _roll_back(self) -> None:
        if not self._connection.in_transaction:
            return
        try:
            self._connection.execute("ROLLBACK")
        except sqlite3.Error:
            # SQLite rolled back by itself: there is nothing to undo.
            return
