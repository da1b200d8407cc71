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
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from buildplate.drivers.marlin import DRIVER
from buildplate.drivers.marlin.notes import Notes
from buildplate.drivers.sdk import Ending, Evidence, Watch
from buildplate_sim.launch import Simulator, firmware_printers
from tests.integration.serial_printer import Held, body, codes, held, moves, timings

FACTOR = 60.0
MOVES = 60
NAME = "bp-1-1.gcode"
WITHIN_S = 30.0
NOTHING, FAILED, DOUBT, COMPLETED = "nothing", "failed", "doubt", "completed"
POINTS = {
    "before:begin": NOTHING,
    "after:begin": FAILED,
    "line:1": FAILED,
    "before:finishing": FAILED,
    "after:finishing": FAILED,
    "line:30": FAILED,
    "paused": FAILED,
    "cancelled": FAILED,
    "before:tail": FAILED,
    "after:tail": DOUBT,
    "before:ended": DOUBT,
    "after:ended": COMPLETED,
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
    moment, _, step = point.partition(":")
    if moment == "line":
        plain = Notes.accepted

        def counted(self: Notes, run: int, line: int) -> None:
            plain(self, run, line)
            if line >= int(step):
                die()

        Notes.accepted = counted  # type: ignore[method-assign]
    elif step:
        _wrap(step, before=moment == "before")


def _wrap(step: str, *, before: bool) -> None:
    plain: Callable[..., Any] = getattr(Notes, step)

    def deadly(*args: Any, **named: Any) -> Any:
        if before:
            die()
        plain(*args, **named)
        die()

    setattr(Notes, step, deadly)


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
    record = [str(e["text"]) for e in await one.record(when[0]) if "text" in e]
    later = [str(e["text"]) for e in await one.record(when[1]) if "text" in e]
    known = [code for code in codes(content) if code.startswith("G1 X")]
    taken = [text for text in record if text in set(known)]
    wrong = _wrong(verdict, POINTS.get(point, verdict), known, taken)
    if not wrong and verdict in {FAILED, DOUBT}:
        ours = [text for text in later if text not in set(known)]
        off = ours[:2] == ["M104 S0", "M140 S0"]
        wrong = "" if off else f"the first words on the new link are {ours[:3]}"
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
    if list(taken) != list(wanted[: len(taken)]):
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
