"""Runs real farms in processes of their own, to be killed anywhere and started again in no time.

`python -m tests.faults.farm_process` imports the whole program once and then forks a farm for each
order on its standard input. A farm listens on an abstract socket of its own; orders and answers
are JSON lines. The forks die with the process that made them.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import json
import os
import select
import signal
import sqlite3
import sys
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NoReturn

from buildplate.app.clock import SystemClock
from buildplate.app.composition import Outside, open_farm
from buildplate.app.drivers import installed_drivers
from buildplate.app.settings import Settings
from buildplate.core.print_table import PrintState
from buildplate.dispatch import steward
from buildplate.drivers.sdk import Manifest
from buildplate.storage import StorageError
from tests import postgres
from tests.faults.farm_control import Control
from tests.faults.note_steps import tell_of_notes

PR_SET_PDEATHSIG = 1
REFUSED = 3
MARKER = "killed"
STATES = frozenset(PrintState)


class KillPoint:
    """Kills this process with SIGKILL when the named step (`*`: any) is reached for the n-th time.

    `marker` is written before, so that nobody takes another death for this one. `after_s` lets the
    process go on for a moment, so that it dies somewhere between two steps.
    """

    def __init__(self, kill: dict[str, Any], marker: Path) -> None:
        self._step = kill["step"]
        self._left = kill["nth"]
        self._after_s = kill["after_s"]
        self._signal = kill["signal"]
        self._marker = marker

    def __call__(self, step: str) -> None:
        if self._step not in ("*", step):
            return
        self._left -= 1
        if self._left == 0 and self._after_s:
            threading.Timer(self._after_s, self._kill).start()
        elif self._left == 0:
            self._kill()

    def _kill(self) -> None:
        self._marker.touch()
        os.kill(os.getpid(), self._signal)


class Moves:
    """Tells of the changes of prints that a commit has made: `moved:<state>><state>`.

    It asks the database itself, on the thread that has just committed.
    """

    def __init__(self, database: Path | str, tell: Callable[[str], None]) -> None:
        self._database = database
        self._tell = tell
        self._told: set[str] = set()
        self._states: dict[str, str] = {}
        self._look()

    def __call__(self, step: str) -> None:
        if step.startswith("committed:dispatch."):
            for move in self._look():
                self._tell(move)

    def _look(self) -> list[str]:
        moves = []
        for event_id, print_id, kind in self._events():
            if event_id in self._told:
                continue
            self._told.add(event_id)
            state = kind.removeprefix("print.")
            if state in STATES:
                moves.append(f"moved:{self._states.get(print_id, '')}>{state}")
                self._states[print_id] = state
        return moves

    def _events(self) -> list[tuple[str, str, str]]:
        """All of prints, as they were recorded: the outbox has their order until it is emptied."""
        query = (
            "SELECT events.id, print_id, kind FROM events"
            " LEFT JOIN outbox ON outbox.event_id = events.id WHERE kind LIKE 'print.%'"
            " ORDER BY seq IS NULL, seq, outbox.id"
        )
        if isinstance(self._database, str):
            return [tuple(row) for row in postgres.say(self._database, query)]
        with closing(sqlite3.connect(self._database)) as rows:
            return rows.execute(query).fetchall()


class ShiftedClock(SystemClock):
    """The machine's clocks, the boot-time one moved by `ahead` seconds."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def boot(self) -> float:
        return super().boot() + self.ahead


async def run_farm(order: dict[str, Any], drivers: Mapping[str, Manifest]) -> None:
    settings = Settings(**order["settings"])
    clock, reached = ShiftedClock(), Counter[str]()
    kill = order.get("kill")
    killer: Callable[[str], None] | None = None
    if kill is not None:
        killer = KillPoint(kill, settings.data_dir / MARKER)

    moves: Moves | None = None
    if kill is not None and killer is not None and kill["step"].startswith("moved:"):
        moves = Moves(settings.database, killer)

    def on_step(step: str) -> None:
        reached[step] += 1
        if killer is not None:
            killer(step)
        if moves is not None:
            moves(step)

    if kill is not None and (kill["step"].startswith("line:") or ":note." in kill["step"]):
        tell_of_notes(on_step)
    outside = Outside(clock, on_step)
    async with open_farm(settings, drivers, outside) as farm:
        control = Control(farm, clock, reached)
        server = await asyncio.start_unix_server(
            control.serve, path=f"\0{order['socket']}", limit=1 << 24
        )
        async with server:
            await control.stopped.wait()


def trace_decisions() -> None:
    """Write every decision but waiting into the farm's log, with what it was made on."""
    decide = vars(steward)["next_action"]

    def told(print_: Any, wants: Any, seen: Any, deeds: Any, now: float) -> Any:
        decision = decide(print_, wants, seen, deeds, now)
        os.write(2, f"{now:.3f} {print_} {seen}\n   -> {decision}\n".encode())
        return decision

    vars(steward)["next_action"] = told


def farm_main(order: dict[str, Any], drivers: Mapping[str, Manifest]) -> NoReturn:
    """The forked process's whole life."""
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    if os.environ.get("BUILDPLATE_TEST_TRACE"):
        trace_decisions()
    try:
        asyncio.run(run_farm(order, drivers))
    except StorageError as error:
        os.write(2, f"{error.code}: {error}\n{error.hint}\n".encode())
        os._exit(REFUSED)
    except BaseException:  # noqa: BLE001 (the log must hold why this process ended)
        sys.excepthook(*sys.exc_info())
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


def die_with_parent(parent: int) -> None:
    """End with the parent, also when it has ended before this was called."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def say(**facts: Any) -> None:
    os.write(1, json.dumps(facts).encode() + b"\n")


def fork_farm(order: dict[str, Any], drivers: Mapping[str, Manifest]) -> None:
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        die_with_parent(parent)
        farm_main(order, drivers)
    say(started=pid, socket=order["socket"])


def reap() -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        say(ended=pid, status=os.waitstatus_to_exitcode(status))


def main() -> None:
    """Fork farms until the standard input ends."""
    die_with_parent(os.getppid())
    drivers = installed_drivers()
    gc.freeze()
    bell, ring = os.pipe()
    os.set_blocking(bell, False)
    os.set_blocking(ring, False)
    signal.set_wakeup_fd(ring)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    say(ready=True)
    waiting = b""
    while True:
        readable, _, _ = select.select([0, bell], [], [])
        if bell in readable:
            os.read(bell, 4096)
            reap()
        if 0 in readable:
            piece = os.read(0, 1 << 16)
            if not piece:
                return
            *lines, waiting = (waiting + piece).split(b"\n")
            for line in lines:
                fork_farm(json.loads(line), drivers)


if __name__ == "__main__":
    main()
