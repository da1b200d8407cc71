"""A host that slept and a print that is stopping already are met with care."""

from __future__ import annotations

from dataclasses import replace

import pytest

from buildplate.core.actions import DropOrder, Wait
from buildplate.core.deeds import Deeds, ExitStep, Order
from buildplate.core.print_table import PrintState
from buildplate.core.prints import ExitWish
from tests.unit.core.moments import NOW, SILENT, STOPPING, Moment

DONE = ExitWish(PrintState.COMPLETED, "observation")


@pytest.mark.parametrize("step", [ExitStep.STORED, ExitStep.REVOKED])
def test_a_settle_time_counts_from_the_answer_of_a_host_that_slept_through_the_read(
    step: ExitStep,
) -> None:
    look = replace(SILENT, begun=NOW - 9, answered=NOW)
    deeds = Deeds().leaving(step, NOW - 10)
    decision = Moment(PrintState.PRINTING, look=look, exit=DONE, deeds=deeds).decide()
    assert (decision.action, decision.deeds.exit_at) == (Wait(NOW + 5), NOW)


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        (PrintState.CANCELLING, "cancel"),
        (PrintState.PRINTING, "pause"),
    ],
)
def test_no_command_goes_to_a_print_that_is_being_cancelled_at_the_printer(
    state: PrintState, kind: str
) -> None:
    deeds = Deeds().ordering(Order.STORED, kind, NOW - 1)
    action = Moment(state, look=STOPPING, deeds=deeds, unsettled=True).action
    assert isinstance(action, DropOrder)
