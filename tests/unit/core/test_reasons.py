"""What the reference page says of each reason is what the plan really offers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings

from buildplate.core.explaining import reasons
from buildplate.core.reasons import ACTIONS, Reason
from buildplate.core.survey import Survey
from tests.unit.core.farms import NOW, worlds

if TYPE_CHECKING:
    from buildplate.core.jobs import Queue
    from buildplate.core.printers import Printer


@given(worlds())
@settings(max_examples=120, deadline=None)
def test_a_reason_offers_only_the_actions_that_are_documented_for_it(
    world: tuple[Queue, list[Printer]],
) -> None:
    queue, fleet = world
    survey = Survey(queue, fleet, NOW)
    for print_ in survey.plan.waiting:
        for found in reasons(survey, print_).values():
            for reason in found:
                assert reason.unblock.action in ACTIONS[reason.code], reason


def test_every_reason_has_something_that_helps() -> None:
    assert set(ACTIONS) == set(Reason)
    assert all(ACTIONS.values())
