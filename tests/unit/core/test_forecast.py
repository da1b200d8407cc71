"""The forecast agrees with the plan, books no printer twice, and says so when it does not know."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from hypothesis import given, settings

from buildplate.core.forecast import forecast
from buildplate.core.printers import Activity, Bed, BedClearing, BedPolicy, Link
from buildplate.core.scheduling import expect
from buildplate.core.survey import Survey
from tests.unit.core.farms import HOUR, NOW, job, printer, prints, queue, worlds

if TYPE_CHECKING:
    from buildplate.core.jobs import Queue
    from buildplate.core.printers import Printer

QUICK = BedPolicy(BedClearing.AUTOMATIC)
MINUTE = timedelta(minutes=1)


@given(worlds())
@settings(max_examples=100, deadline=None)
def test_what_starts_now_is_expected_now_and_no_printer_is_booked_twice(
    world: tuple[Queue, list[Printer]],
) -> None:
    queue_, fleet = world
    survey = Survey(queue_, fleet, NOW)
    items = forecast(survey)
    assert [item.position for item in items] == list(range(1, len(queue_.prints) + 1))
    by_print = {item.print.id: item for item in items}
    for given_ in survey.plan.assignments:
        item = by_print[given_.print_id]
        assert (item.printer_id, item.expected_start) == (given_.printer_id, NOW)
    booked = defaultdict(list)
    for item in items:
        assert (item.printer_id is None) == (item.expected_start is None)
        if item.expected_start is not None and item.expected_end is not None:
            booked[item.printer_id].append((item.expected_start, item.expected_end))
    for spans in booked.values():
        spans.sort()
        assert all(end <= start for (_, end), (start, _) in pairwise(spans))


@given(worlds())
@settings(max_examples=100, deadline=None)
def test_a_print_is_expected_only_where_it_fits_and_when_it_may(
    world: tuple[Queue, list[Printer]],
) -> None:
    queue_, fleet = world
    survey = Survey(queue_, fleet, NOW)
    ids = [printer_.id for printer_ in survey.printers]
    for item in forecast(survey):
        if item.printer_id is None or item.expected_start is None:
            continue
        fits = survey.eligibility.of(item.print.job) & survey.in_service
        assert fits >> ids.index(item.printer_id) & 1
        assert not item.print.job.hold
        assert item.expected_start >= (item.print.not_before or NOW)


def test_copies_follow_each_other_with_time_to_clear_the_bed() -> None:
    items = expect(queue(prints(job(duration_s=3600.0), 3)), [printer()], NOW)
    assert [item.expected_start for item in items] == [
        NOW,
        NOW + HOUR + 10 * MINUTE,
        NOW + 2 * HOUR + 20 * MINUTE,
    ]
    quick = expect(queue(prints(job(duration_s=3600.0), 2)), [printer(bed_policy=QUICK)], NOW)
    assert [item.expected_end for item in quick] == [NOW + HOUR, NOW + 2 * HOUR]


def test_a_print_waits_for_the_printer_that_is_free_first() -> None:
    def busy(number: int, hours: int) -> Printer:
        end = NOW + hours * HOUR
        return printer(
            number,
            activity=Activity.OURS,
            active_print_id="p",
            expected_free=end,
            bed_policy=QUICK,
        )

    waiting = queue(prints(job(duration_s=5400.0), 3))
    items = expect(waiting, [busy(1, 5), busy(2, 3)], NOW)
    assert [(item.printer_id, item.expected_start) for item in items] == [
        ("printer-2", NOW + 3 * HOUR),
        ("printer-2", NOW + 4.5 * HOUR),
        ("printer-1", NOW + 5 * HOUR),
    ]


def test_an_occupied_bed_is_expected_to_be_cleared() -> None:
    items = expect(queue(prints(job())), [printer(bed=Bed.OCCUPIED)], NOW)
    assert items[0].expected_start == NOW + 10 * MINUTE


def test_without_a_printer_in_service_nothing_is_expected() -> None:
    out = [printer(1, link=Link.OFFLINE), printer(2, maintenance=True), printer(3, name="x")]
    waiting = queue(prints(job(printers=frozenset({"printer-1", "printer-2"}))))
    assert [item.expected_start for item in expect(waiting, out, NOW)] == [None]


def test_a_print_of_unknown_length_is_expected_to_start_but_not_to_end() -> None:
    items = expect(queue(prints(job(duration_s=None), 2)), [printer()], NOW)
    assert [item.expected_start is not None for item in items] == [True, True]
    assert [item.expected_end for item in items] == [None, None]


def test_slack_counts_down_to_too_late_and_lateness_is_foreseen() -> None:
    due = NOW + 90 * MINUTE
    items = expect(queue(prints(job(due=due, duration_s=3600.0), 2)), [printer()], NOW)
    assert [item.slack_s for item in items] == [1800.0, 1800.0]
    assert [item.late for item in items] == [False, True]
    late = expect(queue(prints(job(due=NOW, duration_s=60.0))), [], NOW)
    assert late[0].slack_s == -60.0
