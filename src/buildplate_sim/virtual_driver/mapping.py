"""From a virtual printer's words to the SDK's: what a status proves, and what it does not."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from buildplate.drivers.sdk import (
    Activity,
    ConsoleLine,
    Ending,
    Evidence,
    Levels,
    Push,
    PushKind,
    Reading,
    Run,
    Speaker,
    Temperature,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from buildplate.drivers.sdk import Watch

LONGEST_S = 365 * 86400.0
"""Seconds: what is said to take longer than a year is no estimate."""

RUNS = {"printing": Run.RUNNING, "paused": Run.PAUSED, "stopping": Run.STOPPING}


def temperatures(status: Mapping[str, Any]) -> dict[str, Temperature]:
    """The heaters of a status."""
    heaters: dict[str, Any] = status.get("temperatures", {})
    return {name: Temperature(pair[0], pair[1]) for name, pair in heaters.items()}


def time_left(value: object) -> float | None:
    """Seconds to go, when they make sense."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return float(value) if 0 <= value <= LONGEST_S else None


def push(message: Mapping[str, Any]) -> Push:
    """A message that the printer sent by itself."""
    kind = PushKind.CHANGED if message["push"] == "changed" else PushKind.TELEMETRY
    return Push(
        kind,
        temperatures(message),
        message.get("progress"),
        time_left(message.get("time_left_s")),
        str(message.get("mode", "")),
        levels(message),
        [console_line(one) for one in message.get("console", ())],
    )


def levels(message: Mapping[str, Any]) -> Levels | None:
    """What changes while the machine works, where the printer tells it."""
    told = message.get("levels")
    return None if told is None else Levels(**told)


def console_line(told: Mapping[str, Any]) -> ConsoleLine:
    """One line of the console."""
    return ConsoleLine(str(told["text"]), Speaker(told["speaker"]), error=bool(told["error"]))


def is_ours(status: Mapping[str, Any], watch: Watch) -> bool:
    """Whether what runs is the run that the intent meant.

    Our file without an intent, or in a run that is older than the intent, was started by somebody
    else. In a printer that has lost its memory the numbers say nothing: there the file decides.
    """
    base = watch.baseline
    if base is None or status["path"] != watch.path:
        return False
    return base["store"] != status["store"] or int(status["run"]) > int(base["last_run"])


def own_runs(status: Mapping[str, Any], watch: Watch | None, since: int) -> int:
    """How many runs after number `since` are ours: of our file, and after the intent."""
    if watch is None or watch.baseline is None:
        return 0
    since = max(since, int(watch.baseline["last_run"]))
    return sum(entry["run"] > since for entry in status["history"])


def activity(status: Mapping[str, Any], watch: Watch | None) -> Activity:
    """What the machine is doing, seen from us."""
    mode = status["mode"]
    if mode in {"idle", "halted"}:
        return Activity(mode)
    ours = watch is not None and is_ours(status, watch)
    if mode == "paused":
        return Activity.PAUSED if ours else Activity.FOREIGN
    if mode in {"printing", "stopping"}:
        return Activity.OURS if ours else Activity.FOREIGN
    return Activity.UNKNOWN


def baseline(status: Mapping[str, Any]) -> dict[str, Any]:
    """What an intent stores: the printer's memory and its last run, whatever ran it."""
    return {"store": status["store"], "last_run": status["last_run"]}


def fingerprint(status: Mapping[str, Any]) -> str:
    """A digest of everything the printer keeps over a restart that a print would change."""
    kept = f"{status['store']} {status['last_run']} {status['last_outcome']}"
    return hashlib.sha256(kept.encode()).hexdigest()


def evidence(status: Mapping[str, Any], watch: Watch) -> Evidence:
    """What the status proves on our file.

    The printer's history is complete and durable, and one status is one consistent answer: a run
    that it does not list has not begun. Only a new memory (`store`) breaks that proof.
    """
    base = watch.baseline
    since = int(base["last_run"]) if base is not None else int(status["last_run"])
    same_memory = base is not None and base["store"] == status["store"]
    run = RUNS.get(status["mode"], Run.NONE) if status["path"] == watch.path else Run.NONE
    entries = [e for e in status["history"] if e["run"] > since or not same_memory]
    ended = entries[-1] if entries and entries[-1]["outcome"] is not None else None
    began = run is Run.NONE or (same_memory and int(status["run"]) > since)
    ending, reason = None, ""
    if ended is not None and run is Run.NONE and same_memory:
        ending = Ending.COMPLETED if ended["outcome"] == "completed" else Ending.FAILED
        reason = ended["reason"] or ("" if ending is Ending.COMPLETED else ended["outcome"])
    silent = same_memory and run is Run.NONE and not entries and int(status["last_run"]) >= since
    return Evidence(
        run=run,
        began_since=began,
        ending=ending,
        reason=reason,
        doubt=None if same_memory or base is None else "the printer has lost its memory",
        silent=silent,
        others_ran=bool(status.get("others_ran", True)) or not same_memory,
        facts={"store": status["store"], "last_run": status["last_run"], "history": entries},
    )


def reading(
    status: Mapping[str, Any],
    watch: Watch | None,
    *,
    begun: float,
    deep: bool,
    foreign_ran: bool,
) -> Reading:
    """The whole status in the SDK's words."""
    return Reading(
        begun=begun,
        activity=activity(status, watch),
        path=status["path"],
        process=status["process"],
        channel=True,
        baseline=baseline(status),
        foreign_ran=foreign_ran,
        fingerprint=fingerprint(status) if deep else None,
        detail=status["mode"],
        progress=status["progress"],
        time_left_s=time_left(status["time_left_s"]),
        evidence=evidence(status, watch) if watch is not None else None,
    )
