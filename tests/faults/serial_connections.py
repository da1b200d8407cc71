"""First connections to boards of every dialect and speed, which reset when opened or do not.

`python -m tests.faults.serial_connections --rounds 4 [--seed N]`: 200 and more with 4 rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import random
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from buildplate.drivers.sdk import Activity, DriverError, DriverTimings
from buildplate_sim.launch import firmware_printers
from tests.integration.serial_printer import made

DIALECTS = ("marlin1", "marlin2", "prusa", "repetier-0.92", "repetier-1.0", "smoothie")
BAUDS = (115200, 250000, 500000, 57600)
RESETS = (True, False)
EXPLAINED = frozenset({"serial_wrong_baud", "serial_no_answer", "serial_port_busy"})


@dataclass(frozen=True, slots=True)
class First:
    """One first connection: what it met, and what came of it."""

    dialect: str
    baud: int
    resets: bool
    told: int
    code: str
    seconds: float

    @property
    def explained(self) -> bool:
        """Whether it worked, or failed with a code that tells why."""
        return not self.code or self.code in EXPLAINED

    def __str__(self) -> str:
        """One line for people."""
        said = self.code or "connected"
        opens = "resets" if self.resets else "goes on"
        board = f"{self.dialect:14} {self.baud:7} {opens:8}"
        return f"{board} told {self.told:7} {said:18} {self.seconds:.1f} s"


async def first(folder: Path, dialect: str, baud: int, *, resets: bool, told: int) -> First:
    """Connect for the first time, with the baud rate unknown (0) or as a person typed it."""
    habit = "--reset-on-open" if resets else "--no-reset-on-open"
    async with firmware_printers(
        folder, dialect=dialect, baud=baud, time_factor=1.0, more=[habit]
    ) as simulator:
        driver = made(simulator, folder / "notes", baud=told)
        driver._timings = DriverTimings(request=10.0, command=10.0, notes=folder / "notes")
        began, code = time.monotonic(), ""
        try:
            await driver.connect()
            if (await driver.look(None)).activity is not Activity.IDLE:
                code = "not idle"
        except DriverError as error:
            code = error.code
        finally:
            await driver.close()
        return First(dialect, baud, resets, told, code, time.monotonic() - began)


async def connections(rounds: int, seed: int, folder: Path, at_once: int = 2) -> list[First]:
    """All combinations so often, in an order by chance; one in twenty is told a wrong speed."""
    dice = random.Random(seed)
    plan = list(itertools.product(DIALECTS, BAUDS, RESETS)) * rounds
    dice.shuffle(plan)
    turns, done = asyncio.Semaphore(at_once), list[First]()

    async def one(number: int, dialect: str, baud: int, *, resets: bool) -> None:
        told = dice.choice([0, 0, 0, baud])
        if dice.random() < 0.05:
            told = dice.choice([other for other in BAUDS if other != baud])
        async with turns:
            found = await first(folder / str(number), dialect, baud, resets=resets, told=told)
            print(found, flush=True)
            done.append(found)

    async with asyncio.TaskGroup() as tasks:
        for number, (dialect, baud, resets) in enumerate(plan):
            tasks.create_task(one(number, dialect, baud, resets=resets))
    return done


def main() -> None:
    """Connect as the command line says; 1 where too few succeed or one fails without a reason."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--at-once", type=int, default=4)
    asked = parser.parse_args()
    print(f"seed {asked.seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(connections(asked.rounds, asked.seed, Path(folder), asked.at_once))
    well = sum(not one.code for one in found)
    dark = [one for one in found if not one.explained]
    share = well / len(found)
    print(f"{well} of {len(found)} connected ({share:.0%}), {len(dark)} without a reason")
    sys.exit(0 if well >= 0.85 * len(found) and not dark else 1)


if __name__ == "__main__":
    main()
