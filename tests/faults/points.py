"""The directed half of the kill sweep by hand: every kill point, or those named, on either engine.

`python -m tests.faults.points --database postgresql` prints a line for each and the broken ones.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tests import postgres
from tests.faults.kill_points import KillPoint, kill_points
from tests.faults.lanes import Trial, lanes
from tests.faults.scenarios import DAYS, SLOW_DAYS
from tests.faults.worlds import POSTGRESQL, SQLITE

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


def trial_of(point: KillPoint) -> Trial:
    """The day with a kill in it; only its last life dies at the point."""
    return Trial(point.name, DAYS[point.day], point.kills, SLOW_DAYS.get(point.day))


def _told(trial: Trial) -> Trial:
    async def run(world: World) -> None:
        await trial.run(world)
        print(f"{trial.name:70} {world.marked_deaths} kills", flush=True)

    return replace(trial, run=run)


async def sweep(points: Sequence[KillPoint], database: str, folder: Path) -> list[str]:
    """Every point; in which of them something was broken, or never came by."""
    async with lanes(folder, count=5, subnet=26, database=database) as found:
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
    options = parser.parse_args()
    points = chosen() if options.chosen else kill_points()
    with tempfile.TemporaryDirectory() as folder:
        try:
            broken = asyncio.run(sweep(points, options.database, Path(folder) / "worlds"))
        finally:
            postgres.drop_databases()
    print("\n".join([f"{len(points)} kill points, {len(broken)} broken", *broken]))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
