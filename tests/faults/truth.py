"""What the printers' own records say happened, and whether the farm kept its promise."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Facts = dict[str, Any]


@dataclass(slots=True)
class Tally:
    """Physical starts and completions by content, and parts that were printed into others."""

    started: Counter[str] = field(default_factory=Counter)
    completed: Counter[str] = field(default_factory=Counter)
    collisions: list[Facts] = field(default_factory=list)
    paths: Counter[str] = field(default_factory=Counter)

    def take(self, printer: str, entry: Facts) -> None:
        """Count one entry of a printer's record."""
        if entry.get("foreign"):
            return
        if entry["event"] == "start":
            self.started[entry["sha256"]] += 1
            self.paths[f"{printer}/{PurePosixPath(entry['path']).name}"] += 1
        elif entry["event"] == "end" and entry["outcome"] == "completed":
            self.completed[entry["sha256"]] += 1
        elif entry["event"] == "collision":
            self.collisions.append({"printer": printer, **entry})


@dataclass(frozen=True, slots=True)
class Asked:
    """The farm asked a person about a print: why, when its intent was made, and when it asked.

    Times are unix seconds.
    """

    print_id: str
    printer: str
    reason: str
    intent: float
    at: float


TROUBLE = frozenset({"killed", "shut-down", "frozen", "phantom", "two-starts"})
HARMLESS = frozenset({"clear-bed", "thaw"})
RPC, CUTS = "RPC", frozenset({"reset", "cut"})
AFTERWARDS_S = 3.0
LONGEST_HOLD_S = 4.0
"""A read is held for up to 100 simulated seconds, at the sweep's factor of 25."""


def was_blinded(asked: Asked, log: Sequence[Facts], deaths: Mapping[str, Sequence[float]]) -> bool:
    """Whether anything since the intent took evidence away: in its absence nobody may be asked.

    A death of the farm does for those prints whose start it alone could have told from none; when
    they died so is in `deaths`. A new login does (the channel broke; it is seen only when the farm
    logs in again), and so does what happened to the host and to its printer. A start that the host
    forgot, with the channel held all along, does not. A call over a Moonraker's websocket that is
    cut takes the channel along.
    """
    if any(asked.intent <= death <= asked.at for death in deaths.get(asked.print_id, ())):
        return True
    for entry in log:
        if not asked.intent <= entry["t"] <= asked.at + AFTERWARDS_S:
            continue
        if entry["event"] in TROUBLE or entry.get("path") == "/api/login":
            return True
        if entry["event"] == "play" and entry["action"] not in HARMLESS:
            return True
        if entry["event"] == "start-fault" and entry["play"] != "lost":
            return True
        if entry.get("method") == RPC and entry.get("fault") in CUTS:
            return True
    return False


def was_out_of_sight(asked: Asked, faults: Sequence[float]) -> bool:
    """Whether a fault on the way to its printer broke the channel between intent and question.

    The farm tells so by its next login, unless it is killed first. A read that was held since
    before the intent may be given up after it.
    """
    return any(asked.intent - LONGEST_HOLD_S <= at <= asked.at for at in faults)


def judge(orders: Mapping[str, Facts], tally: Tally, prints: Sequence[Facts]) -> list[str]:
    """Every way in which the promise was broken; empty when it was kept."""
    broken = []
    recorded = Counter(one["job"] for one in prints if one["state"] == "completed")
    for job, order in orders.items():
        made, said = tally.completed[order["sha256"]], recorded[job]
        if made > order["copies"]:
            broken.append(f"{made} parts of job {job} were printed, {order['copies']} were ordered")
        if said > made:
            broken.append(f"{said} prints of job {job} are called completed, {made} were")
        if said < order["copies"] and not order.get("cancelled"):
            broken.append(f"job {job} lost copies: {said} of {order['copies']}")
    broken += [f"a part was printed into another one: {one}" for one in tally.collisions]
    broken += [f"{path} was started {n} times" for path, n in tally.paths.items() if n > 1]
    return broken
