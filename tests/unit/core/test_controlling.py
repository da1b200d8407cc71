"""Which orders of people are sent when, over the whole table, and how hot a printer may get."""

from __future__ import annotations

from itertools import product

import pytest

from buildplate.core.controlling import TABLE, Denial, Moment, Need, denial, limit_of
from buildplate.core.printers import Activity, Link, PrinterModel

RUNS = (Activity.OURS, Activity.FOREIGN, Activity.PAUSED)


def test_the_table_knows_every_activity_and_every_need() -> None:
    assert set(TABLE) == set(product(Activity, Need))


@pytest.mark.parametrize("activity", RUNS)
@pytest.mark.parametrize("need", [Need.STILL, Need.NO_PRINT, Need.AT_REST])
def test_nothing_moves_restarts_or_cuts_off_a_machine_that_prints(
    activity: Activity, need: Need
) -> None:
    assert denial(need, Moment(Link.ONLINE, activity), capable=True) is Denial.PRINTS


def test_an_emergency_stop_is_sent_whatever_the_machine_does() -> None:
    for activity, link, flag in product(Activity, (Link.ONLINE, Link.SYNCING), (True, False)):
        moment = Moment(link, activity, reserved=flag, pending=flag)
        assert denial(Need.NOTHING, moment, capable=True) is None
    for link in set(Link) - {Link.ONLINE, Link.SYNCING}:
        moment = Moment(link, Activity.UNKNOWN)
        assert denial(Need.NOTHING, moment, capable=True) is Denial.NOT_ONLINE


def test_what_nobody_knows_lets_nothing_through_that_depends_on_it() -> None:
    for need in set(Need) - {Need.NOTHING}:
        moment = Moment(Link.ONLINE, Activity.UNKNOWN)
        expected = None if need is Need.REACHED else Denial.NOT_KNOWN
        assert denial(need, moment, capable=True) is expected
        for link in set(Link) - {Link.ONLINE}:
            moment = Moment(link, Activity.IDLE)
            assert denial(need, moment, capable=True) is Denial.NOT_ONLINE


def test_a_halted_machine_takes_only_what_begins_it_anew_and_its_power() -> None:
    moment = Moment(Link.ONLINE, Activity.HALTED)
    let_through = {need for need in Need if denial(need, moment, capable=True) is None}
    assert let_through == {Need.NOTHING, Need.NO_PRINT, Need.AT_REST, Need.REACHED}


def test_power_is_cut_only_from_a_machine_that_is_known_to_be_at_rest() -> None:
    may = {
        activity
        for activity in Activity
        if denial(Need.AT_REST, Moment(Link.ONLINE, activity), capable=True) is None
    }
    assert may == {Activity.IDLE, Activity.HALTED}
    busy = Moment(Link.ONLINE, Activity.BUSY)
    assert denial(Need.AT_REST, busy, capable=True) is Denial.BUSY


def test_power_is_given_whatever_the_machine_does() -> None:
    for activity in Activity:
        moment = Moment(Link.ONLINE, activity, reserved=True)
        assert denial(Need.REACHED, moment, capable=True) is None


def test_a_print_on_its_way_keeps_the_machine_still_but_may_be_helped() -> None:
    moment = Moment(Link.ONLINE, Activity.IDLE, reserved=True)
    assert denial(Need.STILL, moment, capable=True) is Denial.RESERVED
    assert denial(Need.NO_PRINT, moment, capable=True) is Denial.RESERVED
    assert denial(Need.AT_REST, moment, capable=True) is Denial.RESERVED
    assert denial(Need.ALIVE, moment, capable=True) is None


def test_one_command_is_in_flight_at_a_time() -> None:
    for activity in (Activity.IDLE, Activity.OURS):
        moment = Moment(Link.ONLINE, activity, pending=True)
        assert denial(Need.ALIVE, moment, capable=True) is Denial.PENDING


def test_what_a_driver_cannot_do_is_never_sent() -> None:
    for need, activity in product(Need, Activity):
        moment = Moment(Link.ONLINE, activity)
        assert denial(need, moment, capable=False) is Denial.NOT_CAPABLE


def test_a_heater_gets_no_hotter_than_its_model_bears_or_than_usual() -> None:
    model = PrinterModel("hot", max_nozzle_c=350.0, max_bed_c=90.0)
    assert [limit_of(one, model) for one in ("tool0", "tool3", "bed")] == [350.0, 350.0, 90.0]
    unknown = PrinterModel("who knows")
    limits = [limit_of(one, unknown) for one in ("tool0", "bed", "chamber")]
    assert limits == [300.0, 120.0, 80.0]
