"""The directed half of the kill sweep by hand: every kill point, or those named, on either engine.

`python -m tests.faults.points --database postgresql` prints a line for each and the broken ones;
with `--driver moonraker` those of the days that need no fault of OctoPrint's own.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from buildplate.fleet.hands import PhysicalStep
from tests import postgres
from tests.faults.farms import KillAt
from tests.faults.kill_points import KillPoint, kill_points
from tests.faults.lanes import Trial, lanes
from tests.faults.scenarios import DAYS, SLOW_DAYS
from tests.faults.worlds import MOONRAKER, OCTOPRINT, POSTGRESQL, SQLITE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.faults.worlds import World

STEPS = (
    "dispatch.transitions.claim",
    "dispatch.transitions.name_upload",
    "dispatch.transitions.intend",
    "dispatch.transitions.begin_exit",
    "dispatch.transitions.end_print",
    "dispatch.repository.create_job",
    "dispatch.repository.cancel_print",
    "fleet.repository.take_over",
    "fleet.ledger.store_order",
    "fleet.repository.clear_bed",
)
"""What runs on PostgreSQL in `make test`, too: each before and after its commit."""


def chosen() -> list[KillPoint]:
    """The kill points of STEPS, the first of each."""
    wanted = [f"{moment}:{step}" for step in STEPS for moment in ("before", "committed")]
    found: dict[str, KillPoint] = {}
    for point in kill_points():
        found.setdefault(point.kill.step, point)
    return [found[step] for step in wanted]


KLIPPER_DAYS = ("plain", "cancelled", "paused", "taken_over", "places", "paperwork")
"""Days that any host can have: nothing in them is a fault of OctoPrint's own."""


def barriers() -> list[KillPoint]:
    """Those around the barrier, which only Klipper has."""
    return [
        KillPoint("plain", KillAt(f"{moment}:{PhysicalStep.BARRIER}"))
        for moment in ("before", "answered")
    ]


def on_klipper() -> list[KillPoint]:
    """The kill points of those days, and around the barrier."""
    return [one for one in kill_points() if one.day in KLIPPER_DAYS] + barriers()


def trial_of(point: KillPoint) -> Trial:
    """The day with a kill in it; only its last life dies at the point."""
    return Trial(point.name, DAYS[point.day], point.kills, SLOW_DAYS.get(point.day))


def _told(trial: Trial) -> Trial:
    async def run(world: World) -> None:
        await trial.run(world)
        print(f"{trial.name:70} {world.marked_deaths} kills", flush=True)

    return replace(trial, run=run)


async def sweep(
    points: Sequence[KillPoint], database: str, folder: Path, driver: str = OCTOPRINT
) -> list[str]:
    """Every point; in which of them something was broken, or never came by."""
    async with lanes(folder, count=5, subnet=26, database=database, driver=driver) as found:
        outcomes = await found.run([_told(trial_of(point)) for point in points])
    return [
        f"{name}: {outcome.problems or 'not reached'}"
        for name, outcome in outcomes.items()
        if not outcome.kept
    ]


def main() -> int:
    """Run it by hand."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", choices=(SQLITE, POSTGRESQL), default=POSTGRESQL)
    parser.add_argument("--chosen", action="store_true", help="only those of `make test`")
    parser.add_argument("--driver", choices=(OCTOPRINT, MOONRAKER), default=OCTOPRINT)
    options = parser.parse_args()
    points = on_klipper() if options.driver == MOONRAKER else kill_points()
    if options.chosen:
        wanted = {one.name for one in chosen()}
        points = [one for one in points if one.name in wanted]
    with tempfile.TemporaryDirectory() as folder:
        try:
            broken = asyncio.run(
                sweep(points, options.database, Path(folder) / "worlds", options.driver)
            )
        finally:
            postgres.drop_databases()
    print("\n".join([f"{len(points)} kill points, {len(broken)} broken", *broken]))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
