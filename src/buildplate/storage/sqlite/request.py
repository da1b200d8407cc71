"""A script on its way through a thread, and its outcome on the way back to the loop."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any


class Request:
    """One call of `write` or `read`. The thread sets the outcome, the loop delivers it."""

    __slots__ = (
        "args",
        "deadline",
        "error",
        "future",
        "kwargs",
        "name",
        "recorded",
        "result",
        "script",
    )

    def __init__(
        self,
        name: str,
        script: Callable[..., Awaitable[Any]],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        future: "asyncio.Future[Any]",
        deadline: float,
    ) -> None:
        self.name = name
        self.script = script
        self.args = args
        self.kwargs = kwargs
        self.future = future
        self.deadline = deadline
        self.result: Any = None
        self.error: BaseException | None = None
        self.recorded = False

    def resolve(self) -> None:
        """Hand the outcome to the caller, unless it has gone away. On the loop only."""
        if self.future.done():
            return
        if self.error is None:
            self.future.set_result(self.result)
        else:
            self.future.set_exception(self.error)


class Courier:
    """Takes outcomes from a thread to the loop, one wake-up for each batch."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, deliver: Callable[[Sequence[Request]], None]
    ) -> None:
        self._loop = loop
        self._deliver = deliver

    def bring(self, requests: Sequence[Request]) -> None:
        """Deliver on the loop, soon. From any thread."""
        try:
            self._loop.call_soon_threadsafe(self._deliver, requests)
        except RuntimeError:
            # The loop is closed: nobody waits for these any more.
            return
