"""How long a driver waits: one value, scaled by the farm's time factor in tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import CLOCK_BOOTTIME, clock_gettime


def boot_time() -> float:
    """Seconds of the boot-time clock, which also counts while the machine is suspended."""
    return clock_gettime(CLOCK_BOOTTIME)


@dataclass(frozen=True, slots=True)
class DriverTimings:
    """Limits in seconds for one printer's traffic, already scaled.

    `request`: one small request; `command`: a physical command (its host may be slow to answer);
    `transfer_idle`: a transfer without any progress; `poll`: between reads where there is no push;
    `settle`: TRUTH.md's settle time. `clock` is the boot-time clock, injectable for tests.
    `notes`: a folder of this printer's own, for what a driver that streams must find again after a
    crash; None where nothing of it is kept. `may_act` tells, from any thread and without waiting,
    whether this node may still command the printer (TRUTH.md, "Owners"): a driver that streams asks
    before each block.
    """

    request: float = 10.0
    command: float = 30.0
    transfer_idle: float = 60.0
    poll: float = 10.0
    settle: float = 5.0
    clock: Callable[[], float] = boot_time
    notes: Path | None = None
    may_act: Callable[[], bool] = lambda: True
