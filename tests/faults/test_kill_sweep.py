"""Killed at every durable and every physical step, the farm loses nothing and doubles nothing."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from buildplate.fleet.hands import PhysicalStep
from buildplate.storage import SCRIPTS
from buildplate_sim.launch import Simulator, octoprints
from tests.faults.farms import Nursery, nursery
from tests.faults.kill_points import DAY_OF, NOT_REACHED, PHYSICAL_DAY_OF, KillPoint, kill_points
from tests.faults.scenarios import DAYS, SLOW_DAYS
from tests.faults.truth import judge
from tests.faults.worlds import Setting, World, empty_database, world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.faults.truth import Facts

FACTOR = 25.0
LANES = 5
PRINTERS = 2
TRIES = 3
"""A loaded machine may let a day miss a step that needs the printer to be in time."""

POINTS = kill_points()


def test_every_durable_and_every_physical_step_of_the_program_has_a_kill_point() -> None:
    steps = {point.kill.step for point in POINTS}
    for name in SCRIPTS:
        assert {f"before:{name}", f"committed:{name}"} <= steps, f"{name} is never killed"
    assert set(DAY_OF) == set(SCRIPTS), "a day is named for a script that is gone"
    for step in PhysicalStep:
        assert step in NOT_REACHED or {f"before:{step}", f"answered:{step}"} <= steps
    assert not set(NOT_REACHED) & set(PHYSICAL_DAY_OF)


@dataclass(slots=True)
class Outcome:
    """What became of one kill."""

    problems: list[str] = field(default_factory=list)
    tries: int = 0
    reached: bool = False


class Sweep:
    """Lanes of printers on which the kills are tried side by side."""

    def __init__(self, farms: Nursery, simulator: Simulator, folder: Path, template: Path) -> None:
        self.template = template
        self.outcomes: dict[str, Outcome] = {}
        self._farms = farms
        self._simulator = simulator
        self._folder = folder
        self._waiting = list(POINTS)

    async def run(self) -> None:
        """Try every kill."""
        async with asyncio.TaskGroup() as tasks:
            for lane in range(LANES):
                tasks.create_task(self._lane(lane))

    async def _lane(self, lane: int) -> None:
        printers = self._simulator.printers[lane * PRINTERS : (lane + 1) * PRINTERS]
        while self._waiting:
            point = self._waiting.pop(0)
            outcome = self.outcomes[point.name] = Outcome()
            try:
                while not outcome.reached and outcome.tries < TRIES:
                    outcome.tries += 1
                    outcome.reached = await self._try(point, outcome.tries, printers)
            except* AssertionError as failed:
                outcome.problems += [str(error) for error in _leaves(failed)]

    async def _try(self, point: KillPoint, nth: int, printers: list[Facts]) -> bool:
        """Have the day once more; whether it came by the kill point."""
        for printer in printers:
            await self._simulator.admin.clear_rules(printer["name"])
            await self._simulator.admin.clear_proxy_rules(printer["name"])
            await self._simulator.admin.do(printer["name"], "clear-bed")
        setting = Setting(
            self._farms,
            self._simulator.admin,
            printers,
            self._folder / f"{point.name.replace(':', '-')}-{nth}",
            FACTOR,
            SLOW_DAYS.get(point.day),
            template=self.template,
        )
        lives = [None] * (point.lives - 1)
        async with world(setting, *lives, point.kill) as here:
            await DAYS[point.day](here)
            await self._check(point, here)
            return here.marked_deaths == 1

    async def _check(self, point: KillPoint, here: World) -> None:
        state = await here.state()
        problems = judge(here.orders, await here.count(), state["prints"])
        if here.deaths > point.lives or here.marked_deaths > 1:
            problems.append(f"it died {here.deaths} times, {here.marked_deaths} at the kill point")
        expected = await here.needing_people()
        asked = await here.asked_about()
        if {one.print_id for one in asked} != expected:
            problems.append(f"{expected} need a person, not {asked}")
        assert not problems, "\n".join([*problems, await here.story()])


def _leaves(group: BaseExceptionGroup[AssertionError]) -> list[BaseException]:
    found: list[BaseException] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sweep(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sweep]:
    folder = tmp_path_factory.mktemp("sweep")
    more = ["--push-interval=0.1", "--proxy-base-address=127.0.21.10"]
    async with (
        nursery() as farms,
        octoprints(
            folder / "printers",
            count=LANES * PRINTERS,
            time_factor=FACTOR,
            base_address="127.0.20.10",
            proxy=True,
            more=more,
        ) as simulator,
    ):
        template = await empty_database(farms, folder / "empty")
        found = Sweep(farms, simulator, folder, template)
        await found.run()
        yield found


@pytest.mark.timeout(400)
@pytest.mark.parametrize("point", POINTS, ids=lambda point: point.name)
@pytest.mark.asyncio(loop_scope="module")
async def test_a_kill_there_neither_loses_nor_doubles_a_print(
    sweep: Sweep, point: KillPoint
) -> None:
    outcome = sweep.outcomes[point.name]
    assert not outcome.problems, "\n".join(outcome.problems)
    assert outcome.reached, f"{outcome.tries} such days did not come by this step"
