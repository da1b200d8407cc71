"""Bad days of the server's own process: stopped, its clock set, its database locked."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
from collections import Counter
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

from buildplate.app.composition import durations
from buildplate.app.settings import Settings
from tests.faults.farms import KillAt
from tests.faults.lanes import FACTOR, Trial
from tests.faults.worlds import part

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.faults.truth import Facts
    from tests.faults.worlds import World

TIMES = durations(Settings(time_factor=FACTOR))
STOPPED_S = 1.2 * max(TIMES.fleet.lease, TIMES.fleet.command, TIMES.fleet.look, TIMES.prints.fresh)
"""Longer than the lease, a command's time-out, the channel's silence, and than a reading is fresh.

These are the farm's own times at this factor: what a request may take has a floor.
"""
LOCKED_S = 30.0 / FACTOR
HOURS_S = 5 * 3600.0


async def stopped_in_the_middle_of_prints(world: World) -> None:
    """SIGSTOP while two prints run, SIGCONT when both have ended."""
    await world.furnish()
    job = await world.order(part("stopped", 75), 2)

    def both_run(state: Facts) -> bool:
        return [one["state"] for one in state["prints"] if one["job"] == job] == ["printing"] * 2

    await world.until(both_run, "two prints that run")
    assert world.life is not None
    world.life.signal(signal.SIGSTOP)
    await asyncio.sleep(STOPPED_S)
    world.life.signal(signal.SIGCONT)
    await world.until_finished()
    assert await ends(world) == Counter(completed=2)
    assert len((await world.count()).paths) == 2


async def stopped_around_the_start(world: World, allowed: Sequence[Counter[str]]) -> None:
    """Stopped between the stored intent and its start's answer, for longer than the lease."""
    await world.furnish()
    await world.order(part("stopped at the start"), 1)
    life = await world.marked()
    await asyncio.sleep(STOPPED_S)
    life.signal(signal.SIGCONT)
    await world.until_finished()
    assert world.deaths == 0
    found = await ends(world)
    assert found in allowed, f"the prints ended as {found}, not as {allowed}"
    started = len((await world.count()).paths)
    assert started == found["completed"], f"{started} starts, and the prints ended as {found}"


async def boot_time_jumps_while_a_print_runs(world: World) -> None:
    """The machine was suspended for hours, as the boot-time clock tells."""
    await world.furnish(world.printers[0]["name"])
    job = await world.order(part("jump", 30), 2)
    await world.until_print(job, "printing")
    await world.ask("jump", seconds=HOURS_S)
    await world.until_print(job, "completed")
    await world.ask("jump", seconds=HOURS_S)
    await world.until_finished()
    assert await ends(world) == Counter(completed=2)


async def boot_time_jumps_again_and_again(world: World) -> None:
    """The clock jumps whatever is under way. A start that is due just then is withheld."""
    await world.furnish()
    job = await world.order(part("jumps", 10), 4)

    async def jump() -> None:
        while True:
            await world.ask("jump", seconds=7.0)
            await asyncio.sleep(0.7)

    async with asyncio.TaskGroup() as tasks:
        jumping = tasks.create_task(jump())
        await world.until_finished(job)
        jumping.cancel()
    found = await ends(world)
    assert found["completed"] == 4
    assert set(found) <= {"completed", "not_started"}, f"the prints ended as {found}"


async def database_locked_while_prints_run(world: World) -> None:
    """Somebody else's tool holds the database for half a minute."""
    await world.furnish()
    job = await world.order(part("locked", 15), 4)
    await world.until_print(job, "printing")
    for _ in range(2):
        await asyncio.to_thread(_lock, world.database, LOCKED_S)
        await asyncio.sleep(0.2)
    await world.until_finished()
    assert await ends(world) == Counter(completed=4)


def _lock(database: Path, seconds: float) -> None:
    with closing(sqlite3.connect(database, isolation_level=None, timeout=20)) as rows:
        rows.execute("BEGIN IMMEDIATE")
        asyncio.run(asyncio.sleep(seconds))
        rows.execute("ROLLBACK")


async def ends(world: World) -> Counter[str]:
    """How the prints have ended."""
    return Counter(print_["state"] for print_ in (await world.state())["prints"])


WITHHELD = Counter(completed=1, not_started=1)
SENT = Counter(completed=1)


def trials() -> list[Trial]:
    """All of them.

    What was stopped before it was sent is not sent on what was read before, and nobody is asked.
    Stopped later, a request may have gone out or not; a person is asked while nobody can tell, as
    the channel broke before its start was seen, and what is then seen ends the question.
    """
    return [
        Trial("stopped in the middle of prints", stopped_in_the_middle_of_prints),
        *(
            Trial(
                f"stopped before the start is sent ({moment})",
                partial(stopped_around_the_start, allowed=allowed),
                kills=[KillAt(step, signal=signal.SIGSTOP)],
                asks=allowed == (WITHHELD,),
            )
            for moment, step, allowed in (
                ("intent stored", "committed:dispatch.transitions.intend", (WITHHELD,)),
                ("about to be sent", "before:start", (WITHHELD, SENT)),
                ("answered", "answered:start", (SENT,)),
            )
        ),
        Trial("boot-time jumps while a print runs", boot_time_jumps_while_a_print_runs),
        Trial("boot-time jumps again and again", boot_time_jumps_again_and_again),
        Trial("database locked while prints run", database_locked_while_prints_run),
    ]
