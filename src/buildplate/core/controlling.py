"""Which orders of people a printer takes when: one table of what it does × what they need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from buildplate.core.printers import Activity, Link

if TYPE_CHECKING:
    from buildplate.core.printers import PrinterModel


class Need(StrEnum):
    """What an order asks of the moment it comes in.

    `still`: nothing prints, as it moves the machine. `no_print`: the same, but the machine may have
    stopped with an error. `at_rest`: the machine is known to do nothing at all, as its power is
    cut; it may have stopped with an error. `alive`: it has not stopped with an error. `a_print`:
    something prints. `reached`: its host answers, whatever the machine does. `nothing`: an
    emergency stop.
    """

    STILL = "still"
    NO_PRINT = "no_print"
    AT_REST = "at_rest"
    ALIVE = "alive"
    A_PRINT = "a_print"
    REACHED = "reached"
    NOTHING = "nothing"


class Denial(StrEnum):
    """Why an order is not sent."""

    PRINTS = "prints"
    BUSY = "busy"
    HALTED = "halted"
    NOT_KNOWN = "not_known"
    PRINTS_NOTHING = "prints_nothing"
    RESERVED = "reserved"
    NOT_ONLINE = "not_online"
    PENDING = "pending"
    NOT_CAPABLE = "not_capable"


_RUNS = {
    Need.STILL: Denial.PRINTS,
    Need.NO_PRINT: Denial.PRINTS,
    Need.AT_REST: Denial.PRINTS,
    Need.ALIVE: None,
    Need.A_PRINT: None,
    Need.REACHED: None,
    Need.NOTHING: None,
}
_STANDS = {
    Need.STILL: None,
    Need.NO_PRINT: None,
    Need.AT_REST: None,
    Need.ALIVE: None,
    Need.A_PRINT: Denial.PRINTS_NOTHING,
    Need.REACHED: None,
    Need.NOTHING: None,
}
_WORKS = _STANDS | {Need.AT_REST: Denial.BUSY}
_HALTED = {
    Need.STILL: Denial.HALTED,
    Need.NO_PRINT: None,
    Need.AT_REST: None,
    Need.ALIVE: Denial.HALTED,
    Need.A_PRINT: Denial.HALTED,
    Need.REACHED: None,
    Need.NOTHING: None,
}
_UNKNOWN = dict.fromkeys(Need, Denial.NOT_KNOWN) | {Need.REACHED: None, Need.NOTHING: None}

TABLE: Mapping[tuple[Activity, Need], Denial | None] = MappingProxyType(
    {
        (activity, need): verdict
        for activity, row in {
            Activity.IDLE: _STANDS,
            Activity.BUSY: _WORKS,  # it moves or heats by hand: that is what these orders do
            Activity.OURS: _RUNS,
            Activity.FOREIGN: _RUNS,
            Activity.PAUSED: _RUNS,
            Activity.HALTED: _HALTED,
            Activity.UNKNOWN: _UNKNOWN,
        }.items()
        for need, verdict in row.items()
    }
)
"""None: the order may be sent."""


FREE: frozenset[Need] = frozenset({Need.STILL, Need.NO_PRINT, Need.AT_REST})
"""Needs that are not met while a print of ours holds the printer, begun or not."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A printer when an order comes in.

    `reserved`: a print of ours is claimed for it, on its way to it or starting. `pending`: another
    command is neither answered nor settled.
    """

    link: Link
    activity: Activity
    reserved: bool = False
    pending: bool = False


def denial(need: Need, moment: Moment, *, capable: bool) -> Denial | None:
    """Why an order with this need is not sent now; None: it may be.

    An emergency stop is never denied to a printer that can be stopped and reached.
    """
    if not capable:
        return Denial.NOT_CAPABLE
    if need is Need.NOTHING:
        return None if moment.link in {Link.ONLINE, Link.SYNCING} else Denial.NOT_ONLINE
    if moment.link is not Link.ONLINE:
        return Denial.NOT_ONLINE
    verdict = TABLE[moment.activity, need]
    if verdict is None and moment.reserved and need in FREE:
        verdict = Denial.RESERVED
    if verdict is None and moment.pending:
        verdict = Denial.PENDING
    return verdict


USUAL_NOZZLE_C, USUAL_BED_C, USUAL_CHAMBER_C = 300.0, 120.0, 80.0
"""°C that are not passed where the printer's model does not say what it bears."""


def limit_of(heater: str, model: PrinterModel) -> float:
    """The highest target (°C) that a heater of this model may be given."""
    if heater == "bed":
        return USUAL_BED_C if model.max_bed_c is None else model.max_bed_c
    if heater == "chamber":
        return USUAL_CHAMBER_C
    return USUAL_NOZZLE_C if model.max_nozzle_c is None else model.max_nozzle_c
