"""The planner's questions: what starts where, why does the rest wait, and what is to be expected.

Each function looks at the queue and the fleet afresh. To ask several of one moment, make one
`Survey` and hand it to `explaining.reasons`, `explaining.Summaries` and `forecast.forecast`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildplate.core.explaining import reasons
from buildplate.core.forecast import forecast
from buildplate.core.survey import Survey

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from buildplate.core.forecast import QueueItem
    from buildplate.core.jobs import Queue, QueuedPrint
    from buildplate.core.order import PlanPolicy
    from buildplate.core.printers import Printer
    from buildplate.core.reasons import WaitReason
    from buildplate.core.survey import Plan


def plan(
    queue: Queue, fleet: Sequence[Printer], now: datetime, policy: PlanPolicy | None = None
) -> Plan:
    """Decide which queued prints start now and on which printers: at most one print on each.

    No assignment breaks a hard constraint. No print is left waiting that could start unless prints
    ahead of it need every printer it could have (see core/order.py for who is ahead).
    """
    return Survey(queue, fleet, now, policy).plan


def explain(
    print_: QueuedPrint,
    fleet: Sequence[Printer],
    queue: Queue,
    now: datetime,
    policy: PlanPolicy | None = None,
) -> list[WaitReason]:
    """Every reason, printer by printer, why a print of the queue does not start now.

    Raises KeyError for a print that is not in the queue.
    """
    found = reasons(Survey(queue, fleet, now, policy), print_)
    return [reason for of_printer in found.values() for reason in of_printer]


def expect(
    queue: Queue, fleet: Sequence[Printer], now: datetime, policy: PlanPolicy | None = None
) -> list[QueueItem]:
    """The queue in its order, each print with its slack and when it should start and end."""
    return forecast(Survey(queue, fleet, now, policy))
