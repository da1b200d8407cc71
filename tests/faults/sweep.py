"""The random half of the kill sweep: many copies, many printers, bad weather, kills at any instant.

`python -m tests.faults.sweep --kills 300` runs it by hand and prints its figures: one farm after
the other, each killed at most two hundred times. `--calm` leaves the bad weather out; then the
questions to people are compared exactly. `--seed` repeats a run's choices (not its timing, which no
seed can repeat).
"""

from __future__ import annotations

import argparse
import asyncio
import math
import sys
import tempfile
import time
from collections import Counter
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random, SystemRandom
from typing import TYPE_CHECKING, Any

from buildplate_sim.errors import RefusedControlError
from buildplate_sim.launch import Simulator, moonrakers, octoprints
from tests.faults import serial_kills, weather
from tests.faults.farms import KillAt, nursery
from tests.faults.scenarios import suppress_codes
from tests.faults.truth import judge, was_blinded, was_out_of_sight
from tests.faults.worlds import (
    MARLIN,
    MOONRAKER,
    OCTOPRINT,
    POSTGRESQL,
    SIZE,
    SQLITE,
    Setting,
    World,
    empty_database,
    part,
    world,
)
from tests.integration.moonraker_side import gcode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.faults.truth import Asked, Facts

FACTOR = 25.0
PRINTERS = 20
COPIES = 200
COPIES_OF_A_JOB = 20
LONGEST_BIRTH_S = 0.5
LONGEST_LIFE = 500
MOMENT_S = 0.05
MEDDLE_S = 0.4
MEDDLE_WITH = frozenset({"claimed", "transferring", "starting", "printing", "paused"})
ACTIVE = MEDDLE_WITH | {"cancelling", "needs_attention"}
KILLS_OF_A_ROUND = 200
YOUNG = 0.8
UNBORN = 0.15
LOOK_S = 0.15
STORM_WITHIN_S = 900.0
CALM_WITHIN_S = 240.0
MENDING = {OCTOPRINT: ("disconnect", "connect"), MOONRAKER: ("firmware-restart",)}
"""What a person does to a printer that stands halted or hangs."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a sweep shall be."""

    kills: int
    seed: int
    copies: int = COPIES
    calm: bool = False
    printers: int = PRINTERS
    database: str = SQLITE
    driver: str = OCTOPRINT


@dataclass(slots=True)
class Report:
    """What a sweep came to."""

    wish: Wish
    broken: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    killed_in: Counter[str] = field(default_factory=Counter)
    attention: Counter[str] = field(default_factory=Counter)
    meddled: Counter[str] = field(default_factory=Counter)
    faults: dict[str, int] = field(default_factory=dict)

    def add(self, other: Report) -> None:
        """Add another sweep's figures to these."""
        self.broken += [f"seed {other.wish.seed}: {broken}" for broken in other.broken]
        self.killed_in += other.killed_in
        self.attention += other.attention
        self.meddled += other.meddled
        for name, value in other.figures.items():
            kept = 0 if name == "printers" else self.figures.get(name, 0)
            self.figures[name] = round(kept + value, 1)
        self.faults = dict(Counter(self.faults) + Counter(other.faults))

    def __str__(self) -> str:
        rows = [("seed", self.wish.seed), *self.figures.items()]
        rows += [(f"killed with a print {state}", n) for state, n in self.killed_in.most_common()]
        rows += [(f"people: {what}", n) for what, n in self.meddled.most_common()]
        rows += [(f"attention: {why}", n) for why, n in self.attention.most_common()]
        rows += [(f"fault: {kind}", n) for kind, n in sorted(self.faults.items()) if n]
        return "\n".join(f"{name:<72} {value:>10}" for name, value in rows)


class RandomSweep:
    """One run of it on one world."""

    def __init__(self, wish: Wish, here: World) -> None:
        self._random = Random(wish.seed)
        self._wish = wish
        self._here = here
        self.report = Report(wish)
        self._started_in_weather = 0
        self._blinded: dict[str, list[float]] = {}

    def deaths(self) -> list[KillAt | None]:
        """When each life ends: after some number of steps of any kind, and a moment later.

        Most of them die young, while they still find out what the former life has left.
        """
        return [
            KillAt("*", self._steps(), self._random.uniform(0, MOMENT_S))
            for _ in range(self._wish.kills)
        ]

    def _steps(self) -> int:
        if self._random.random() < YOUNG:
            return round(math.exp(self._random.uniform(0, math.log(LONGEST_LIFE))))
        return self._random.randint(1, LONGEST_LIFE)

    async def run(self) -> Report:
        """Order, kill, let the weather end, wait for the last copy, and judge."""
        here, began = self._here, time.monotonic()
        await here.furnish()
        here.kill_points += self.deaths()
        await here.kill()
        if not self._wish.calm:
            await (
                weather.begin_moonraker(here.admin)
                if self._wish.driver == MOONRAKER
                else weather.begin(here.admin)
            )
        async with asyncio.TaskGroup() as tasks:
            mending = tasks.create_task(self._mend_hosts())
            ordering = tasks.create_task(self._order())
            meddling = tasks.create_task(self._meddle())
            async with asyncio.timeout(STORM_WITHIN_S):
                await self._kill()
                await ordering
            meddling.cancel()
            self.report.faults, self._blinded = await weather.end(here.admin)
            stormy = time.monotonic() - began
            self._started_in_weather = sum((await here.count()).started.values())
            wanting = tasks.create_task(self._want_all_copies())
            await here.until_finished(within_s=CALM_WITHIN_S)
            wanting.cancel()
            mending.cancel()
        await self._judge(stormy, time.monotonic() - began)
        return self.report

    async def _order(self) -> None:
        """Order the copies, and more whenever the work runs out before the kills do."""
        here, number = self._here, 0
        while number * COPIES_OF_A_JOB < self._wish.copies or here.deaths < self._wish.kills:
            waiting = 0
            if number * COPIES_OF_A_JOB >= self._wish.copies:
                state = await here.state()
                waiting = sum(print_["state"] == "queued" for print_ in state["prints"])
            if waiting < self._wish.printers:
                seconds = self._random.uniform(8, 40)
                name = f"job-{number}"
                await self._order_part(name, seconds)
                number += 1
            else:
                await asyncio.sleep(0.5)

    async def _order_part(self, name: str, seconds: float) -> None:
        wish: Facts = {"name": name, "retries": 100}
        content = part(name, seconds)
        if self._wish.driver == MOONRAKER:
            content, wish["size"] = gcode(seconds, name).decode(), SIZE
        await self._here.order(content, COPIES_OF_A_JOB, **wish)

    async def _meddle(self) -> None:
        """Pause, resume and cancel prints at random, as people do who change their minds."""
        here = self._here
        while True:
            await asyncio.sleep(self._random.uniform(0, 2 * MEDDLE_S))
            state = await here.state()
            prints = [one for one in state["prints"] if one["state"] in MEDDLE_WITH]
            if not prints:
                continue
            print_ = self._random.choice(prints)
            do = self._random.choice(("pause", "resume", "resume", "cancel"))
            with suppress_codes("print_state", "command_refused"):
                if do == "cancel":
                    await here.ask("cancel_print", print_id=print_["id"])
                else:
                    await here.ask("ask", print_id=print_["id"], kind=do)
                self.report.meddled[do] += 1

    async def _want_all_copies(self) -> None:
        """Resume what is paused, and order again what was cancelled, for as long as this runs."""
        here = self._here
        while True:
            state = await here.state()
            for print_ in state["prints"]:
                if print_["state"] == "paused":
                    with suppress_codes("print_state", "command_refused"):
                        await here.ask("ask", print_id=print_["id"], kind="resume")
            leaving = any(one["wants_cancel"] and one["state"] in ACTIVE for one in state["prints"])
            if not leaving and any(one["state"] == "cancelled" for one in state["prints"]):
                for job in here.orders:
                    with suppress_codes("job_ended"):
                        await here.ask("retry_job", job=job)
            await asyncio.sleep(2 * LOOK_S)

    async def _kill(self) -> None:
        """Wait until the farm has been killed often enough; some of it we do from outside."""
        here, before = self._here, -1
        while here.deaths < self._wish.kills:
            if here.deaths == before:
                await asyncio.sleep(0.01)
                continue
            before = here.deaths
            if self._random.random() < UNBORN:
                await asyncio.sleep(self._random.uniform(0, LONGEST_BIRTH_S))
                await here.kill()

    async def _mend_hosts(self) -> None:
        """Reconnect printers that stand halted or hang, as a person would."""
        here, bad = self._here, Counter[str]()
        while True:
            for printer in await here.admin.printers():
                name, state = printer["name"], printer["state"] or ""
                stuck = state.startswith("Offline") or (state == "Printing" and not printer["run"])
                stuck = stuck or state == "shutdown"
                bad[name] = bad[name] + 1 if stuck and printer["running"] else 0
                if bad[name] > 2:
                    with suppress(RefusedControlError):
                        for action in MENDING[self._wish.driver]:
                            await here.admin.do(name, action)
            await asyncio.sleep(0.3)

    async def _judge(self, stormy: float, whole: float) -> None:
        here, report = self._here, self.report
        state, tally = await here.state(), await here.count()
        report.broken = judge(here.orders, tally, state["prints"])
        asked = await here.asked_about()
        report.broken += await self._wrongly_asked(asked, state["prints"])
        report.killed_in = here.killed_in
        report.attention = Counter(one.reason for one in asked)
        ends = Counter(print_["state"] for print_ in state["prints"])
        copies = sum(order["copies"] for order in here.orders.values())
        report.figures = {
            "kills": here.deaths,
            "printers": len(here.printers),
            "copies ordered": copies,
            "physical starts": sum(tally.started.values()),
            "physical starts in bad weather": self._started_in_weather,
            "physical completions": sum(tally.completed.values()),
            "completions beyond what was ordered": sum(
                max(0, tally.completed[order["sha256"]] - order["copies"])
                for order in here.orders.values()
            ),
            "copies lost": copies - ends["completed"],
            "parts printed into another one": len(tally.collisions),
            **{f"prints {end}": n for end, n in sorted(ends.items())},
            "prints that needed a person": len({one.print_id for one in asked}),
            "seconds of weather": round(stormy, 1),
            "seconds in all": round(whole, 1),
        }

    async def _wrongly_asked(self, asked: Sequence[Asked], prints: Sequence[Facts]) -> list[str]:
        """Questions to people although the evidence was there; if calm, missing ones, too."""
        here = self._here
        logs = {printer["name"]: await here.log(printer["name"]) for printer in here.printers}
        wrong = [
            f"a person was asked without need: {one}"
            for one in asked
            if not was_blinded(one, logs[one.printer], here.blinded_at)
            and not was_out_of_sight(one, self._blinded.get(one.printer, ()))
        ]
        if self._wish.calm:
            expected, found = await here.needing_people(), {one.print_id for one in asked}
            unwanted = {print_["id"] for print_ in prints if print_["wants_cancel"]}
            wrong += [f"a person was asked about {one}" for one in found - expected]
            wrong += [f"nobody was asked about {one}" for one in expected - found - unwanted]
        return wrong


def _printers(wish: Wish, folder: Path) -> AbstractAsyncContextManager[Simulator]:
    if wish.driver == MOONRAKER:
        return moonrakers(
            folder,
            count=wish.printers,
            time_factor=FACTOR,
            seed=wish.seed,
            base_address="127.0.24.10",
            proxy=True,
            more=["--tick=0.1", "--proxy-base-address=127.0.25.10"],
        )
    return octoprints(
        folder,
        count=wish.printers,
        time_factor=FACTOR,
        seed=wish.seed,
        base_address="127.0.22.10",
        proxy=True,
        more=["--push-interval=0.1", "--proxy-base-address=127.0.23.10"],
    )


async def sweep(wish: Wish, folder: Path) -> Report:
    """One sweep in a folder of its own."""
    async with nursery() as farms, _printers(wish, folder / "printers") as simulator:
        template = await empty_database(farms, folder / "empty")
        setting = Setting(
            farms,
            simulator.admin,
            simulator.printers,
            folder / "farm",
            FACTOR,
            template=template,
            look_s=LOOK_S,
            database=wish.database,
        )
        async with world(setting) as here:
            return await RandomSweep(wish, here).run()


def main() -> int:
    """Run it by hand."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--seed", type=int, default=SystemRandom().randrange(2**32))
    parser.add_argument("--copies", type=int, default=COPIES)
    parser.add_argument("--printers", type=int, default=PRINTERS)
    parser.add_argument("--calm", action="store_true", help="kills only, no bad weather")
    parser.add_argument("--database", choices=(SQLITE, POSTGRESQL), default=SQLITE)
    parser.add_argument("--driver", choices=(OCTOPRINT, MOONRAKER, MARLIN), default=OCTOPRINT)
    parser.add_argument("--keep", type=Path, help="a folder for logs and data")
    options = parser.parse_args()
    if options.driver == MARLIN:  # its print dies with the process: it is that which is killed
        return serial_kills.run(options.kills, options.seed)
    wish = Wish(
        options.kills,
        options.seed,
        options.copies,
        calm=options.calm,
        printers=options.printers,
        database=options.database,
        driver=options.driver,
    )
    report = rounds(wish, options.keep)
    print(report)
    print("\n".join(["BROKEN", *report.broken]) if report.broken else "the promise was kept")
    return 1 if report.broken else 0


def rounds(wish: Wish, keep: Path | None) -> Report:
    """As many sweeps as the kills take, each of at most KILLS_OF_A_ROUND, and their sum."""
    whole, left, seed = Report(wish), wish.kills, wish.seed
    while left > 0 and not whole.broken:
        one = replace(wish, kills=min(left, KILLS_OF_A_ROUND), seed=seed)
        with tempfile.TemporaryDirectory() as made:
            report = asyncio.run(sweep(one, (keep or Path(made)) / f"seed-{seed}"))
        whole.add(report)
        left, seed = left - one.kills, seed + 1
        print(
            f"seed {one.seed}: {whole.figures['kills']} kills, broken: {report.broken}", flush=True
        )
    return whole


if __name__ == "__main__":
    sys.exit(main())
