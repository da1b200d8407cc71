"""Many short worlds side by side, on the printers of one simulator process.

Most of a world's time is waiting for settle times, so several of them fit on one processor.
"""

from __future__ import annotations

import asyncio
import signal
import traceback
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from buildplate_sim.errors import RefusedControlError
from buildplate_sim.launch import firmware_printers, moonrakers, octoprints
from tests.faults.farms import Refused, nursery
from tests.faults.serial_world import SerialWorld
from tests.faults.truth import judge
from tests.faults.worlds import (
    MARLIN,
    MOONRAKER,
    OCTOPRINT,
    SQLITE,
    Setting,
    World,
    empty_database,
    world,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from buildplate_sim.launch import AdminClient, Simulator
    from tests.faults.farms import KillAt, Nursery
    from tests.faults.truth import Facts

FACTOR = 25.0
PRINTERS_OF_A_LANE = 2
PUSH_S = 0.1
TRIES = 3
"""A loaded machine may let a day miss a step that needs the printer to be in time."""
AGAIN_S = 20.0
"""How long a printer may take until it is as it was."""
ITS_OWN = (AssertionError, TimeoutError, Refused, RefusedControlError)
"""What a trial may end with without ending the others: each of them is a problem of its own."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A world to be tried: what happens in it, and where its farm is killed.

    `kills` are the deaths of its lives, one after the other; the last one has to be reached.
    `farm_factor` is a time factor of the farm's own. `source` is a folder with another version of
    the program for it. `helpful` is whether people clear beds and answer for prints by themselves.
    `asks` is whether the prints that people are asked about are compared with those of which the
    kills took the evidence. `database` is the engine it needs, if not that of its lanes.
    """

    name: str
    run: Callable[[World], Awaitable[None]]
    kills: Sequence[KillAt | None] = ()
    farm_factor: float | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    source: Path | None = None
    helpful: bool = True
    asks: bool = True
    database: str | None = None

    @property
    def deaths(self) -> int:
        """How many of its kill points end a life."""
        return len([kill for kill in self.kills if kill and kill.signal == signal.SIGKILL])


@dataclass(slots=True)
class Outcome:
    """What became of a trial."""

    problems: list[str] = field(default_factory=list)
    tries: int = 0
    reached: bool = False

    @property
    def kept(self) -> bool:
        """Whether the promise was kept, and tried at all."""
        return self.reached and not self.problems


class Lanes:
    """A simulator's printers, shared out to lanes."""

    def __init__(
        self,
        farms: Nursery,
        simulator: Simulator,
        folder: Path,
        template: Path,
        database: str = SQLITE,
        driver: str = OCTOPRINT,
    ) -> None:
        self._farms = farms
        self._database = database
        self._driver = driver
        self._simulator = simulator
        self._folder = folder
        self._template = template

    async def run(self, trials: Sequence[Trial]) -> dict[str, Outcome]:
        """Every trial, and what became of it, by name."""
        waiting, outcomes = list(trials), {trial.name: Outcome() for trial in trials}

        async def lane(printers: Sequence[Facts]) -> None:
            while waiting:
                trial = waiting.pop(0)
                await self._give_it_tries(trial, outcomes[trial.name], printers)

        printers = self._simulator.printers
        async with asyncio.TaskGroup() as tasks:
            for first in range(0, len(printers), PRINTERS_OF_A_LANE):
                tasks.create_task(lane(printers[first : first + PRINTERS_OF_A_LANE]))
        return outcomes

    async def _give_it_tries(
        self, trial: Trial, outcome: Outcome, printers: Sequence[Facts]
    ) -> None:
        try:
            while not outcome.reached and outcome.tries < TRIES:
                outcome.tries += 1
                await TIDY[self._driver](self._simulator.admin, printers)
                outcome.reached = await self._once(trial, outcome.tries, printers)
        except* ITS_OWN as failed:
            outcome.reached = True
            outcome.problems += [_words(error) for error in _leaves(failed)]

    async def _once(self, trial: Trial, nth: int, printers: Sequence[Facts]) -> bool:
        """Live through it once; whether it came by its kill points."""
        async with nursery_of(trial, self._farms) as farms:
            setting = Setting(
                farms,
                self._simulator.admin,
                printers,
                self._folder / f"{trial.name.replace(':', '-')}-{nth}",
                FACTOR,
                trial.farm_factor,
                settings=dict(trial.settings),
                template=self._template,
                helpful=trial.helpful,
                database=trial.database or self._database,
                driver=self._driver,
            )
            async with world(setting, *trial.kills, kind=KINDS[self._driver]) as here:
                await trial.run(here)
                await self._check(trial, here)
                return here.marked_deaths == trial.deaths

    async def _check(self, trial: Trial, here: World) -> None:
        state = await here.state()
        problems = judge(here.orders, await here.count(), state["prints"])
        expected = await here.needing_people()
        asked = await here.asked_about()
        if trial.asks and {one.print_id for one in asked} != expected:
            problems.append(f"{expected} need a person, not {asked}")
        problems += await here.further_problems()
        assert not problems, "\n".join([*problems, await here.story()])


async def tidy(admin: AdminClient, printers: Sequence[Facts]) -> None:
    """Give printers back as they were: no faults, no files, nothing running, nothing on the bed."""
    for printer in printers:
        name = printer["name"]
        await admin.clear_rules(name)
        await admin.clear_proxy_rules(name)
        for action in ("thaw", "boot", "listen", "restore-key", "stop-drip", "unhush"):
            await admin.do(name, action)
        truth = await admin.printer(name)
        if truth["run"] is not None or truth["state"] != "Operational":
            await admin.do(name, "kill", down_s=0.1)
            async with asyncio.timeout(AGAIN_S):
                while (await admin.printer(name))["state"] != "Operational":
                    await asyncio.sleep(0.02)
        await admin.do(name, "deselect")
        for path in (await admin.printer(name))["files"]:
            await admin.do(name, "delete", path=path)
        await admin.do(name, "skew-clock", seconds=0)
        await admin.do(name, "clear-bed", by="janitor")


async def tidy_klippers(admin: AdminClient, printers: Sequence[Facts]) -> None:
    """The same for Klipper machines behind Moonraker."""
    for printer in printers:
        name = printer["name"]
        await admin.clear_rules(name)
        await admin.clear_proxy_rules(name)
        for action in ("thaw", "boot", "listen", "restore-key", "unhush"):
            await admin.do(name, action)
        truth = await admin.printer(name)
        if truth["run"] is not None or truth["state"] != "ready":
            await admin.do(name, "firmware-restart")
        async with asyncio.timeout(AGAIN_S):
            while (truth := await admin.printer(name))["state"] != "ready" or truth["run"]:
                await asyncio.sleep(0.02)
        for path in truth["files"]:
            await admin.do(name, "delete", path=path)
        await admin.do(name, "clear-bed", by="janitor")


async def tidy_boards(admin: AdminClient, printers: Sequence[Facts]) -> None:
    """The same for boards on serial lines."""
    for printer in printers:
        name = printer["name"]
        await admin.clear_rules(name)
        truth = await admin.printer(name)
        if truth["run"] is not None or truth["state"] != "running" or not truth["still"]:
            await admin.do(name, "reset")
        async with asyncio.timeout(AGAIN_S):
            while (await admin.printer(name))["state"] != "running":
                await asyncio.sleep(0.02)
        await admin.do(name, "clear-bed", by="janitor")


TIDY = {OCTOPRINT: tidy, MOONRAKER: tidy_klippers, MARLIN: tidy_boards}
KINDS = {OCTOPRINT: World, MOONRAKER: World, MARLIN: SerialWorld}
BOARDS = ("--cold", "--no-reset-on-open", "--no-thermal-protection")
"""They go on with what they have when a port is opened: the harder case, if the farm dies."""


@asynccontextmanager
async def nursery_of(trial: Trial, usual: Nursery) -> AsyncIterator[Nursery]:
    """Where the trial's farm is forked: a process of its own for another version of the program."""
    if trial.source is None:
        yield usual
        return
    async with nursery(trial.source) as farms:
        yield farms


def _words(error: BaseException) -> str:
    """What failed; for everything but a broken promise also where."""
    if isinstance(error, AssertionError):
        return str(error)
    return "".join(traceback.format_exception(error))


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    found: list[BaseException] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found


def simulated(
    driver: str, folder: Path, count: int, subnet: int
) -> AbstractAsyncContextManager[Simulator]:
    """So many printers of a kind in one process; those in a network behind the fault proxy."""
    if driver == MARLIN:
        return firmware_printers(folder, count=count, time_factor=FACTOR, more=BOARDS)
    make = octoprints if driver == OCTOPRINT else moonrakers
    pace = f"--push-interval={PUSH_S}" if driver == OCTOPRINT else f"--tick={PUSH_S}"
    return make(
        folder,
        count=count,
        time_factor=FACTOR,
        base_address=f"127.0.{subnet}.10",
        proxy=True,
        more=[pace, f"--proxy-base-address=127.0.{subnet + 1}.10"],
    )


@asynccontextmanager
async def lanes(
    folder: Path, *, count: int, subnet: int, database: str = SQLITE, driver: str = OCTOPRINT
) -> AsyncIterator[Lanes]:
    """So many lanes, whose farms keep their rows in `database`.

    The addresses of their printers are 127.0.`subnet`.x, proxies one further.
    """
    async with (
        nursery() as farms,
        simulated(driver, folder / "printers", count * PRINTERS_OF_A_LANE, subnet) as simulator,
    ):
        template = await empty_database(farms, folder / "empty")
        yield Lanes(farms, simulator, folder, template, database, driver)
