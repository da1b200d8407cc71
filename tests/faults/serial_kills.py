"""The process that streams a serial print is killed at each step of it, and at random.

`python -m tests.faults.sweep --driver marlin [--kills 10] [--seed N]`. What must come of it is
TRUTH.md's row for serial printers and ADR 22: failed while the last moves had not left this
machine, in doubt once they had, completed once that was noted, and nothing without a note.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from buildplate.drivers.marlin import DRIVER
from buildplate.drivers.sdk import Ending, Evidence, Watch
from buildplate_sim.launch import Simulator, firmware_printers
from tests.faults.note_steps import tell_of_notes
from tests.faults.serial_record import (
    HEATERS_OFF,
    first_words,
    in_order,
    moves_of,
    streamed,
    texts,
)
from tests.integration.serial_printer import Held, body, held, moves, timings

FACTOR = 60.0
MOVES = 60
NAME = "bp-1-1.gcode"
WITHIN_S = 30.0
NOTHING, FAILED, DOUBT, COMPLETED = "nothing", "failed", "doubt", "completed"
POINTS = {
    "before:note.begin": NOTHING,
    "after:note.begin": FAILED,
    "line:1": FAILED,
    "before:note.finishing": FAILED,
    "after:note.finishing": FAILED,
    "line:30": FAILED,
    "paused": FAILED,
    "cancelled": FAILED,
    "before:note.tail": FAILED,
    "after:note.tail": DOUBT,
    "before:note.ended": DOUBT,
    "after:note.ended": COMPLETED,
}
"""Where the process dies, and what is known of the print afterwards."""


@dataclass(frozen=True, slots=True)
class Killed:
    """One death: what was read afterwards, and what is wrong with that."""

    point: str
    verdict: str
    taken: int
    wrong: str = ""

    def __str__(self) -> str:
        """One line for people."""
        said = f"{self.point:18} {self.verdict:10} {self.taken:4} lines taken"
        return f"{said} WRONG: {self.wrong}" if self.wrong else said


# --- the process that dies ------------------------------------------------------------------------


def die() -> None:
    """As `kill -9` and a crash do."""
    os.kill(os.getpid(), signal.SIGKILL)


def arm(point: str) -> None:
    """Have this process die at a step of a print's note."""

    def tell(step: str) -> None:
        if step == point:
            die()

    tell_of_notes(tell)


async def stream(port: str, notes: Path, content: bytes, point: str) -> None:
    """Print until the point comes."""
    driver = DRIVER.make({"port": port, "cancel_script": "M84 | G4 S30"}, timings(notes))
    await driver.connect()
    path = await driver.upload(NAME, body(content))
    await driver.look(Watch(path))
    arm(point)
    await driver.start(path)
    await asyncio.sleep(10 / FACTOR)
    if point == "paused":
        await driver.pause()
        while (await driver.look(None)).detail[:6] != "paused":
            await asyncio.sleep(0.01)
        die()
    if point == "cancelled":
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(driver.cancel())
            await asyncio.sleep(0.1)
            die()
    await asyncio.sleep(WITHIN_S)


# --- whoever looks afterwards ---------------------------------------------------------------------


async def death(simulator: Simulator, folder: Path, point: str, *, after_s: float = 0.0) -> Killed:
    """Let a process print and die, connect anew, and hold what is read against the board."""
    content = moves(MOVES, first=[f"M117 {point} {after_s}", "M104 S60"])
    await asyncio.to_thread(folder.mkdir)
    file, notes = folder / "file", folder / "notes"
    await asyncio.to_thread(file.write_bytes, content)
    port, name = str(simulator.printers[0]["port"]), str(simulator.printers[0]["name"])
    before = len(await simulator.admin.accepted(name))
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __name__, port, str(notes), str(file), point
    )
    try:
        async with asyncio.timeout(after_s or WITHIN_S):
            await child.wait()
    except TimeoutError:
        if not after_s:
            return Killed(point, "not reached", 0, "the process came by no such step")
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    dead = len(await simulator.admin.accepted(name))
    async with held(simulator, notes) as one:
        return await _judged(one, point, content, (before, dead))


async def _judged(one: Held, point: str, content: bytes, when: tuple[int, int]) -> Killed:
    notes = one.driver._notes
    assert notes is not None
    reading = await one.driver.look(Watch(NAME, {"store": notes.store, "last_run": 0}))
    seen = reading.evidence
    assert seen is not None
    verdict = verdict_of(seen)
    wanted = moves_of(content)
    seen_by_board = streamed(texts(await one.record(when[0])))
    taken = [move for one_go in seen_by_board.stretches for move in one_go.moves]
    wrong = _wrong(verdict, POINTS.get(point, verdict), wanted, [*taken, *seen_by_board.strays])
    if not wrong and verdict in {FAILED, DOUBT}:
        said = first_words(await one.record(when[1]))
        wrong = "" if said == HEATERS_OFF else f"the first words on the new link are {said}"
    await one.simulator.admin.do(one.name, "quick-stop")
    return Killed(point, verdict, len(taken), wrong)


def verdict_of(seen: Evidence) -> str:
    """What the evidence says in one word."""
    if seen.silent:
        return NOTHING
    if seen.doubt:
        return DOUBT
    return COMPLETED if seen.ending is Ending.COMPLETED else FAILED


def _wrong(verdict: str, expected: str, wanted: Sequence[str], taken: Sequence[str]) -> str:
    """What does not fit the board's own record: the promise, whatever was expected."""
    if not in_order(taken, wanted):
        return "the board took other lines, or some twice"
    if verdict != expected:
        return f"{expected} was to be known"
    whole = len(taken) == len(wanted)
    if verdict == COMPLETED and not whole:
        return "it was not whole"
    if verdict == FAILED and whole:
        return "a whole print is called a failure: its copy would be made twice"
    if verdict == NOTHING and taken:
        return "something of it was printed"
    return ""


async def sweep(kills: int, seed: int, folder: Path) -> list[Killed]:
    """Each point, and so many deaths at random times."""
    dice, found = random.Random(seed), list[Killed]()
    more = ["--cold", "--no-reset-on-open", "--no-thermal-protection"]
    async with firmware_printers(
        folder / "board", time_factor=FACTOR, seed=seed, more=more
    ) as simulator:
        for at, point in enumerate(POINTS):
            found.append(await death(simulator, folder / f"point-{at}", point))
            print(found[-1], flush=True)
        for at in range(kills):
            after_s = dice.uniform(0.8, 3.0)
            killed = await death(simulator, folder / f"kill-{at}", "never", after_s=after_s)
            print(f"{after_s:.2f} s: {killed}", flush=True)
            found.append(killed)
    return found


def run(kills: int, seed: int) -> int:
    """The sweep by hand; 1 where something is wrong."""
    print(f"seed {seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(sweep(kills, seed, Path(folder)))
    wrong = [one for one in found if one.wrong]
    print(f"{len(found)} deaths, {len(wrong)} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    asyncio.run(stream(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]).read_bytes(), sys.argv[4]))
