"""The reader threads: each runs one reading script at a time on a snapshot of its own."""

import sqlite3
import threading
from collections.abc import Sequence
from queue import SimpleQueue

from buildplate.storage.sqlite.connection import translated
from buildplate.storage.sqlite.request import Courier, Request
from buildplate.storage.sqlite.transaction import SqliteTx, run_to_end


class Readers:
    """Owns the reading connections, one thread each."""

    def __init__(self, connections: Sequence[sqlite3.Connection], courier: Courier) -> None:
        self._courier = courier
        self._queue: SimpleQueue[Request | None] = SimpleQueue()
        self._threads = [
            threading.Thread(
                target=self._run, args=(connection,), name=f"storage-reader-{index}", daemon=True
            )
            for index, connection in enumerate(connections)
        ]

    def start(self) -> None:
        """Begin to take scripts."""
        for thread in self._threads:
            thread.start()

    def submit(self, request: Request) -> None:
        """Queue a script. Never blocks."""
        self._queue.put(request)

    def stop(self) -> None:
        """Run what is queued and end. Blocks."""
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()

    def _run(self, connection: sqlite3.Connection) -> None:
        while (request := self._queue.get()) is not None:
            if not request.future.cancelled():
                self._read(connection, request)
            self._courier.bring((request,))
        connection.close()

    def _read(self, connection: sqlite3.Connection, request: Request) -> None:
        try:
            connection.execute("BEGIN")
            request.result = run_to_end(
                SqliteTx(connection), request.name, request.script, request.args, request.kwargs
            )
        except sqlite3.Error as error:
            request.error = translated(error)
        except BaseException as error:  # noqa: BLE001 (it is raised again at the caller's await)
            request.error = error
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            request.error = request.error or translated(error)
