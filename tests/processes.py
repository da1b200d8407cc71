"""Ends processes that tests start, and tells of those that a test left behind."""

from __future__ import annotations

import asyncio
import traceback
import weakref
from asyncio.base_subprocess import BaseSubprocessTransport
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

Result = TypeVar("Result")

KILLED_WITHIN_S = 20.0


# --- ending them ---------------------------------------------------------------------------------


async def gone(process: asyncio.subprocess.Process) -> None:
    """Kill a process that still lives and see its end, also when this is cancelled meanwhile."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.kill()
    await to_the_end(asyncio.wait_for(process.wait(), KILLED_WITHIN_S))


async def to_the_end(work: Coroutine[Any, Any, Result]) -> Result:
    """Await the work to its end; a cancellation that came meanwhile is passed on afterwards."""
    task = asyncio.get_running_loop().create_task(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
    return task.result()


# --- telling of those left behind ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Started:
    """A process whose transport is still there, the loop that watched it, and who started it."""

    transport: weakref.ref[BaseSubprocessTransport]
    loop: weakref.ref[asyncio.AbstractEventLoop]
    where: str

    def left_behind(self) -> BaseSubprocessTransport | None:
        """The transport, if its loop is closed and never saw the end of the process."""
        transport, loop = self.transport(), self.loop()
        if transport is None or (loop is not None and not loop.is_closed()):
            return None
        seen = transport.get_returncode() is not None and transport.is_closing()
        return None if seen else transport


class StartedProcesses:
    """Every process started through asyncio since `watch`, for as long as its transport lives."""

    def __init__(self) -> None:
        self._started: list[Started] = []

    def watch(self) -> None:
        """Note each process from now on."""
        make = BaseSubprocessTransport.__init__

        def made(transport: BaseSubprocessTransport, loop: Any, *rest: Any, **more: Any) -> None:
            note = Started(weakref.ref(transport), weakref.ref(loop), _starter())
            self._started.append(note)
            make(transport, loop, *rest, **more)

        BaseSubprocessTransport.__init__ = made  # type: ignore[assignment, method-assign]

    def left_behind(self) -> list[str]:
        """Where each process was started that nobody will see the end of; killed now, told once."""
        found, kept = [], []
        for note in self._started:
            transport = note.left_behind()
            if transport is not None:
                found.append(f"process {transport.get_pid()}, started at\n{note.where}")
                _bury(transport)
            elif note.transport() is not None:
                kept.append(note)
        self._started = kept
        return found


def _starter() -> str:
    """The lines of ours that led here, the newest last."""
    ours = [
        frame
        for frame in traceback.extract_stack()[:-2]
        if "site-packages" not in frame.filename and "/asyncio/" not in frame.filename
    ]
    return "".join(traceback.format_list(ours[-4:])).rstrip()


def _bury(transport: Any) -> None:
    """Kill the process and close its pipes, whose loop can't any more, so that no test is warned.

    A transport that is collected unclosed warns, in whichever test is running then.
    """
    if transport._proc is not None and transport._proc.poll() is None:
        transport._proc.kill()
        transport._proc.wait()
    for pipe in (protocol.pipe for protocol in transport._pipes.values() if protocol is not None):
        if pipe is not None and pipe._pipe is not None:
            pipe._pipe.close()
            pipe._pipe, pipe._closing = None, True
    transport._closed = True
