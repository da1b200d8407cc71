"""The printer's own record of what it was told and what it did: the truth that tests count from."""

from __future__ import annotations

import asyncio
import os
import queue
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_GROUP = 256
"""Entries that share one round of fdatasync at most."""


@dataclass(frozen=True, slots=True)
class _Due:
    """One wish: make what was written durable, then tell somebody, or close the file."""

    descriptor: int
    then: Callable[[], None] | None = None
    last: bool = False


class Scribe:
    """One thread that makes the journals of a whole process durable, a group at a time."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[_Due | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="scribe", daemon=True)
        self._thread.start()

    def sync(self, descriptor: int, then: Callable[[], None] | None) -> None:
        """Call `then` in the event loop once everything written to `descriptor` is durable."""
        self._queue.put(_Due(descriptor, then))

    def close(self, descriptor: int) -> None:
        """Close `descriptor` once everything written to it is durable."""
        self._queue.put(_Due(descriptor, last=True))

    def stop(self) -> None:
        """Finish what is due, then end the thread."""
        self._queue.put(None)
        self._thread.join(timeout=10)

    def _work(self) -> None:
        while (first := self._queue.get()) is not None:
            group, ending = self._gathered(first)
            for descriptor in {due.descriptor for due in group}:
                os.fdatasync(descriptor)
            for due in group:
                if due.last:
                    os.close(due.descriptor)
            calls = [due.then for due in group if due.then is not None]
            if calls:
                self._hand_over(calls)
            if ending:
                return

    def _gathered(self, first: _Due) -> tuple[list[_Due], bool]:
        """All that waits by now, so that it shares one sync per file; and whether that is all."""
        group = [first]
        while len(group) < _GROUP and not self._queue.empty():
            due = self._queue.get()
            if due is None:
                return group, True
            group.append(due)
        return group, False

    def _hand_over(self, calls: list[Callable[[], None]]) -> None:
        try:
            self._loop.call_soon_threadsafe(_run, calls)
        except RuntimeError:  # the loop is closed: nobody is left to be told
            return


def _run(calls: list[Callable[[], None]]) -> None:
    for call in calls:
        call()


class Journal:
    """An append-only JSON-lines file. A line is written at once and made durable in groups."""

    def __init__(self, path: Path, scribe: Scribe) -> None:
        self.path = path
        self._scribe = scribe
        self._mend()
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def _mend(self) -> None:
        """A power cut may leave half a line; the next entry must not be glued to it."""
        if not self.path.exists():
            return
        with self.path.open("rb+") as file:
            content = file.read()
            if content and not content.endswith(b"\n"):
                file.truncate(content.rfind(b"\n") + 1)

    def write(self, event: str, then: Callable[[], None] | None = None, **facts: Any) -> None:
        """Append an entry; `then` is called once it is durable."""
        entry = {"t": round(time.time(), 6), "event": event, **facts}
        os.write(self._file, orjson.dumps(entry) + b"\n")
        self._scribe.sync(self._file, then)

    def entries(self) -> Iterator[dict[str, Any]]:
        """Everything written so far, oldest first."""
        with self.path.open("rb") as file:
            for line in file:
                yield orjson.loads(line)

    def close(self) -> None:
        """Close the file once it is durable; nothing may be written after it."""
        self._scribe.close(self._file)
