"""`make explore`: every world to exhaustion, then every rule taken out, each with its figures.

`python -m tests.exploration [worlds|rules] [NAME ...]` does one half, or only what contains a name.
"""

from __future__ import annotations

import sys

from tests.exploration.explorer import explore
from tests.exploration.report import numbered, told
from tests.exploration.rules import REMOVALS, Removal, try_without
from tests.exploration.world import Scene
from tests.exploration.worlds import LARGE, LIMITS, SMALL


def explore_worlds(scenes: list[Scene]) -> bool:
    """Print a line for each world; whether every promise held in all of them."""
    print(f"{'world':36} {'states':>9} {'seconds':>8}  result", flush=True)
    well = True
    for scene in scenes:
        outcome = explore(scene)
        result = "holds, an end can be reached" if outcome.holds else told(outcome)
        print(f"{scene.name:36} {outcome.states:9} {outcome.seconds:8.1f}  {result}", flush=True)
        for note in sorted(outcome.notes):
            print(f"{'':56}(seen, and no rule removes it: {note})", flush=True)
        well = well and outcome.holds
    return well


def take_rules_out(removals: list[Removal]) -> bool:
    """Print what happens without each rule; whether each that should be caught was."""
    print(f"\n{'rule taken out':58} {'states':>9} {'steps':>5}  caught as", flush=True)
    well = True
    for removal in removals:
        if removal.scene is None:
            print(f"{removal.rule:58} {'':15}  not caught: {removal.why_not}", flush=True)
            print(f"    held by {removal.held_by}\n", flush=True)
            continue
        caught = try_without(removal)
        states = f"{caught.states:9} {len(caught.trace):5}"
        print(f"{removal.rule:58} {states}  {caught.promise}", flush=True)
        if caught.trace:
            print(f"    in the world: {removal.scene}\n{numbered(caught.trace)}\n", flush=True)
        well = well and bool(caught.trace)
    return well


def main(arguments: list[str]) -> int:
    """Run what was asked for; 1 when a promise was broken or a removed rule was not missed."""
    half = arguments.pop(0) if arguments[:1] in (["worlds"], ["rules"]) else None
    well = True
    if half != "rules":
        scenes = [
            s for s in (*SMALL, *LARGE) if not arguments or any(a in s.name for a in arguments)
        ]
        well = explore_worlds(scenes)
        limits = [s for s in LIMITS if not arguments or any(a in s.name for a in arguments)]
        if limits:
            print("\nWorlds whose harm no rule is known to keep off:")
            explore_worlds(limits)
    if half != "worlds":
        removals = [r for r in REMOVALS if not arguments or any(a in r.rule for a in arguments)]
        well = take_rules_out(removals) and well
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
