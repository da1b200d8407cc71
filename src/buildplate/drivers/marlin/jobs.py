"""What others ask a line's thread to do, and how they hear of it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

from buildplate.drivers.marlin.errors import PortLost
from buildplate.drivers.sdk import DriverError

T = TypeVar("T")


class Job(Generic[T]):
    """Something that the line's thread is to do, and who waits for it."""

    def __init__(self, deed: Callable[[], T]) -> None:
        self._deed = deed
        self.future: Future[T] = Future()

    def run(self) -> None:
        """Do it; OSError, told to who waits as well, where the notes of prints cannot be kept."""
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            self.future.set_result(self._deed())
        except DriverError as error:
            self.future.set_exception(error)
        except OSError as error:
            self.future.set_exception(PortLost("the line failed over this", cause=str(error)))
            raise

    def refuse(self, error: DriverError) -> None:
        """Leave it undone."""
        if self.future.set_running_or_notify_cancel():
            self.future.set_exception(error)


def pass_on(queued: Future[None], done: Future[None]) -> None:
    """An order that could not even be queued has failed."""
    error = queued.exception()
    if error is not None and not done.done():
        done.set_exception(error)
