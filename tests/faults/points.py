"""The directed half of the kill sweep by hand: every kill point, or those named, on either engine.

`python -m tests.faults.points --database postgresql` prints a line for each and the broken ones;
with `--driver moonraker` those of the days that need no fault of OctoPrint's own, with `--driver
marlin` those that a print has which is streamed.
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
from tests.faults.serial_kills import DOUBT, POINTS
from tests.faults.worlds import MARLIN, MOONRAKER, OCTOPRINT, POSTGRESQL, SQLITE, part

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.faults.worlds import World

DRIVERS = (OCTOPRINT, MOONRAKER, MARLIN)
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


SERIAL_DAYS = (*KLIPPER_DAYS, "by_hand", "large", "people", "keys")
"""Days that a printer on a serial line can have: its file is sent to nobody, and its port has no
secret that would be sealed anew. Nor does it need a barrier: nothing happens that is not sent.
"""
NEVER_SERIAL = {
    "moved:starting>needs_attention": "a print's note tells whether it was begun, whoever dies",
}
_BEGUN = KillAt("moved:starting>printing")
_INTENT = KillAt("committed:dispatch.transitions.intend")
_IN_DOUBT = KillAt("after:note.tail")
SERIAL_MOVES = (
    KillPoint("plain", KillAt("moved:starting>not_started"), (_INTENT,)),
    KillPoint("plain", KillAt("moved:printing>failed"), (_BEGUN,)),
    KillPoint("plain", KillAt("moved:printing>needs_attention"), (_IN_DOUBT,)),
    KillPoint("plain", KillAt("before:dispatch.repository.resolve_print"), (_IN_DOUBT,)),
    KillPoint("plain", KillAt("committed:dispatch.repository.resolve_print"), (_IN_DOUBT,)),
)
"""Changes that only a second death brings where the first has ended the print."""


def on_serial() -> list[KillPoint]:
    """The kill points of those days, and those that only a streamed print has."""
    found = [one for one in kill_points() if one.day in SERIAL_DAYS]
    found = [one for one in found if one.kill.step not in NEVER_SERIAL]
    return [*found, *SERIAL_MOVES]


async def alone(world: World) -> None:
    """One printer makes one copy."""
    await world.furnish(world.printers[0]["name"])
    await world.order(part("alone"), 1)
    await world.until_finished()


def _note_trial(step: str, verdict: str) -> Trial:
    """A death at a step of the print's note: a person is asked where it leaves a doubt."""

    async def run(world: World) -> None:
        await alone(world)
        asked = {one.print_id for one in await world.asked_about()}
        assert len(asked) == (verdict == DOUBT), f"{asked} were asked about after {step}"

    return Trial(f"alone-{step}", run, [KillAt(step)])


def note_trials() -> list[Trial]:
    """Every step of the note, by what must be known of the print afterwards."""
    return [_note_trial(step, verdict) for step, verdict in POINTS.items() if ":" in step]


def trial_of(point: KillPoint) -> Trial:
    """The day with a kill in it; only its last life dies at the point."""
    return Trial(point.name, DAYS[point.day], point.kills, SLOW_DAYS.get(point.day))


def _told(trial: Trial) -> Trial:
    async def run(world: World) -> None:
        await trial.run(world)
        print(f"{trial.name:70} {world.marked_deaths} kills", flush=True)

    return replace(trial, run=run)


def trials_of(driver: str) -> list[Trial]:
    """A trial for each kill point that a farm of such printers can come by."""
    if driver == MARLIN:
        return [*map(trial_of, on_serial()), *note_trials()]
    return [trial_of(one) for one in (on_klipper() if driver == MOONRAKER else kill_points())]


async def sweep(
    trials: Sequence[Trial], database: str, folder: Path, driver: str = OCTOPRINT
) -> list[str]:
    """Every trial; in which of them something was broken, or never came by."""
    async with lanes(folder, count=5, subnet=26, database=database, driver=driver) as found:
        outcomes = await found.run([_told(trial) for trial in trials])
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
    parser.add_argument("--driver", choices=DRIVERS, default=OCTOPRINT)
    parser.add_argument("--only", default="", help="a part of the names of kill points")
    options = parser.parse_args()
    trials = [one for one in trials_of(options.driver) if options.only in one.name]
    if options.chosen:
        wanted = {one.name for one in chosen()}
        trials = [one for one in trials if one.name in wanted]
    with tempfile.TemporaryDirectory() as folder:
        try:
            broken = asyncio.run(
                sweep(trials, options.database, Path(folder) / "worlds", options.driver)
            )
        finally:
            postgres.drop_databases()
    print("\n".join([f"{len(trials)} kill points, {len(broken)} broken", *broken]))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
