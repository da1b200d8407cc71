"""How a printer spends its time: one word for each moment, and what share of it was work."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from buildplate.core.printers import Activity, Bed, Link, Printer


class Pastime(StrEnum):
    """What a printer is doing with its time.

    `printing`: for this farm, from the claim to the end; `foreign`: for somebody else; `idle`:
    ready for the next print; `waiting`: until a person does something; `offline`: out of reach;
    `disabled`: taken out of work by people; `unwatched`: Buildplate itself did not run.
    """

    PRINTING = "printing"
    FOREIGN = "foreign"
    IDLE = "idle"
    WAITING = "waiting"
    OFFLINE = "offline"
    DISABLED = "disabled"
    UNWATCHED = "unwatched"


WORKING_TIME = frozenset(
    {Pastime.PRINTING, Pastime.FOREIGN, Pastime.IDLE, Pastime.WAITING, Pastime.OFFLINE}
)
"""What utilisation is a share of: all time in which the printer was meant to work."""


def pastime(printer: Printer) -> Pastime:
    """The one word for what a printer is doing now."""
    spec, status = printer.spec, printer.status
    if not spec.enabled or spec.maintenance:
        return Pastime.DISABLED
    seen = status.link in (Link.ONLINE, Link.DEGRADED) and status.powered
    if not seen or status.activity is Activity.UNKNOWN:
        return Pastime.OFFLINE
    if status.needs_attention or status.activity in (Activity.PAUSED, Activity.HALTED):
        return Pastime.WAITING
    if status.activity is Activity.FOREIGN:
        return Pastime.FOREIGN
    if status.active_print_id is not None or status.activity is Activity.OURS:
        return Pastime.PRINTING
    return Pastime.IDLE if status.bed is Bed.CLEAR else Pastime.WAITING


def utilization(seconds: Mapping[Pastime, float]) -> float | None:
    """The share of the working time in which it printed, 0 to 1; None where there was none."""
    working = sum(spent for what, spent in seconds.items() if what in WORKING_TIME)
    return None if working <= 0 else min(seconds.get(Pastime.PRINTING, 0.0) / working, 1.0)
