"""Prints of slicers' files on simulated boards with faults at random: what each must come to.

`python -m tests.faults.serial_prints --prints 100 [--seed N] [--printers 6]`
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from buildplate.drivers.sdk import Answer, DriverError, DriverTimings, Ending, Refused, Watch
from buildplate_sim.launch import Simulator, firmware_printers
from tests.integration.serial_printer import Held, codes, held
from tests.integration.slicing import cuboid, slice_model

T = TypeVar("T")
DIALECTS = ("marlin1", "marlin2", "prusa", "repetier-0.92", "repetier-1.0", "smoothie")
POWER_LOSS = 0.05
FACTOR = 100.0
STARTS = 3
"""A refused start sent nothing; a farm starts such a print again."""
SIDE_BY_SIDE = 4
"""They wait most of the time: each answer that is lost costs a print some seconds."""
LONGEST_S = 240.0
DARK_S = 5.0
"""Simulated seconds without power."""
RATES = {
    "line.corrupt": 0.004,
    "line.drop": 0.002,
    "line.drop-byte": 0.002,
    "reply.corrupt": 0.002,
    "reply.drop": 0.002,
    "reply.drop-byte": 0.002,
    "line.storm": 0.0004,
}
"""Some four lines and answers of each of these small prints are spoilt, now and then ten more."""
HOSTS_OWN = ("M110", "M105", "M114", "M155", "M115", "M27", "M400", "G4 P1")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one print, and what is wrong with that; `wrong` is empty where nothing is."""

    number: int
    dialect: str
    kind: str
    ending: str
    lines: int
    wrong: str = ""

    def __str__(self) -> str:
        """One line for people."""
        said = f"{self.number:3} {self.dialect:14} {self.kind:10} {self.ending:10} {self.lines:6}"
        return f"{said} WRONG: {self.wrong}" if self.wrong else said


async def files(folder: Path) -> list[bytes]:
    """Small real prints; their heat is taken out, for heat is not what is tried here."""
    found = []
    for name, sizes in (("flat", (12, 12, 0.5)), ("tall", (6, 6, 1.5)), ("wide", (20, 8, 0.5))):
        sliced = await slice_model(folder, name, cuboid(*sizes))
        text = (await asyncio.to_thread(sliced.read_text)).splitlines()
        cool = [line for line in text if line.split(" ")[0] not in {"M109", "M190"}]
        found.append(("\n".join(cool) + "\n").encode())
    return found


async def one_print(
    simulator: Simulator, folder: Path, content: bytes, number: int, kind: str
) -> Outcome:
    """Print once on the simulator's board with faults; what came of it."""
    dialect = str(simulator.printers[0]["dialect"])
    name = f"bp-{number}-1.gcode"
    limits = DriverTimings(notes=folder / f"notes-{dialect}")
    async with held(simulator, folder, limits=limits, silence_s=30.0) as one:
        before = len(await patiently(one.record))
        if kind == "power loss":
            await patiently(lambda: lose_power(simulator, one.name, content, number))
        if kind != "clean":
            await patiently(lambda: simulator.admin.rates(one.name, RATES))
        try:
            async with asyncio.timeout(LONGEST_S):
                watch = await _begun(one, content, name)
                ending, reason = await _ending(one, watch)
        except (TimeoutError, AssertionError) as error:
            truth = await patiently(one.truth)
            return Outcome(number, dialect, kind, "HANGS", 0, f"{error!r} {truth}"[:400])
        finally:
            await patiently(lambda: simulator.admin.clear_rules(one.name))
        sent = [str(e["text"]) for e in await patiently(lambda: one.record(before)) if "text" in e]
    wrong = _wrong(kind, ending, reason, codes(content), sent)
    return Outcome(number, dialect, kind, ending, len(sent), wrong)


async def tried(
    simulator: Simulator, folder: Path, content: bytes, number: int, kind: str
) -> Outcome:
    """A print, or what kept it from being made."""
    try:
        return await one_print(simulator, folder, content, number, kind)
    except* (DriverError, AssertionError, TimeoutError) as errors:
        wrong = "; ".join(repr(error) for error in errors.exceptions)
    dialect = str(simulator.printers[0]["dialect"])
    return Outcome(number, dialect, kind, "NOT MADE", 0, wrong[:400])


async def patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """What the simulator answers; on a machine that is busy it may need several times."""
    for _ in range(5):
        with suppress(TimeoutError):
            return await ask()
    return await ask()


async def _begun(one: Held, content: bytes, name: str) -> Watch:
    from tests.integration.serial_printer import body  # noqa: PLC0415 (beside its one use)

    path = await one.driver.upload(name, body(content))
    answer: Answer | None = None
    for _ in range(STARTS):
        watch = Watch(path, dict((await one.driver.look(Watch(path))).baseline))
        answer = await one.driver.start(path)
        if not isinstance(answer, Refused):
            return watch  # unknown: what is read afterwards tells
    raise AssertionError(answer)


async def lose_power(simulator: Simulator, name: str, content: bytes, number: int) -> None:
    """Have the power go as a line of the first half comes in."""
    lines = codes(content)
    line = random.Random(number).choice(lines[len(lines) // 20 : len(lines) // 2])
    await simulator.admin.rule(
        name, "line", "brown-out", path=f"N* {line}*", params={"seconds": DARK_S}
    )


async def _ending(one: Held, watch: Watch) -> tuple[str, str]:
    """How it ended by the driver's word, on this link or, where that is lost, on the next."""
    while True:
        try:
            reading = await one.driver.look(watch)
        except DriverError:
            await one.driver.close()
            await asyncio.sleep(0.2)
            try:
                await one.driver.connect()
            except DriverError:
                continue
            reading = await one.driver.look(watch)
        seen = reading.evidence
        assert seen is not None
        if seen.ending is not None:
            said = "doubt" if seen.doubt else str(seen.ending)
            return said, seen.reason
        await asyncio.sleep(0.05)


def _wrong(kind: str, ending: str, reason: str, wanted: Sequence[str], sent: Sequence[str]) -> str:
    """What is not as it must be."""
    known = set(wanted)
    first = next((at for at, text in enumerate(sent) if text == wanted[0]), len(sent))
    theirs = [t for t in sent[first:] if t in known and not t.startswith(HOSTS_OWN)]
    ours = [t for t in wanted if not t.startswith(HOSTS_OWN)]
    pairs = enumerate(zip(theirs, ours, strict=False))
    differs = next((at for at, (a, b) in pairs if a != b), min(len(theirs), len(ours)))
    if kind == "power loss":
        if ending != Ending.FAILED or "line" not in reason:
            return f"ended as {ending}: {reason}"
        return "" if differs > 0 else "its first line differs"
    if ending != Ending.COMPLETED:
        return f"ended as {ending}: {reason}"
    if theirs != ours:
        said = f"{len(theirs)} lines instead of {len(ours)}; number {differs} is another one"
        return f"{said}; taken, and not of the file: {_strange(sent[first:], known)}"
    return ""


def _strange(sent: Sequence[str], known: set[str]) -> list[str]:
    """Lines that are neither the file's nor our own questions."""
    return [text for text in sent if text not in known and not text.startswith(HOSTS_OWN)][:20]


async def prints(count: int, seed: int, folder: Path, at_once: int) -> list[Outcome]:
    """So many prints over all dialects, `at_once` of them side by side."""
    dice = random.Random(seed)
    content = await files(folder)
    plan = []
    for number in range(count):
        kind = "power loss" if dice.random() < POWER_LOSS else "faults"
        plan.append((number, kind, dice.choice(content)))
    lanes: list[list[tuple[int, str, bytes]]] = [plan[lane::at_once] for lane in range(at_once)]
    outcomes: list[Outcome] = []
    turns = asyncio.Semaphore(SIDE_BY_SIDE)

    async def lane(number: int, work: list[tuple[int, str, bytes]]) -> None:
        more = ["--cold", "--no-thermal-protection"]
        place = folder / f"board-{number}"
        dialect = DIALECTS[number % len(DIALECTS)]
        async with firmware_printers(
            place, dialect=dialect, time_factor=FACTOR, seed=seed + number, more=more
        ) as simulator:
            for each, kind, text in work:
                async with turns:
                    outcome = await tried(simulator, place, text, each, kind)
                print(outcome, flush=True)
                outcomes.append(outcome)

    async with asyncio.TaskGroup() as tasks:
        for number, work in enumerate(lanes):
            tasks.create_task(lane(number, work))
    return outcomes


def main() -> None:
    """Print as the command line says; 1 where something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prints", type=int, default=100)
    parser.add_argument("--printers", type=int, default=len(DIALECTS))
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    asked = parser.parse_args()
    print(f"seed {asked.seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        done = asyncio.run(prints(asked.prints, asked.seed, Path(folder), asked.printers))
    wrong = [one for one in done if one.wrong]
    whole = sum(one.ending == Ending.COMPLETED for one in done)
    print(f"{len(done)} prints, {whole} completed, {len(wrong)} wrong")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
