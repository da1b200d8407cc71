"""Each alarm of the thermal watch fires on its own cause, in its own time, and once."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import pytest

from buildplate.drivers.marlin.thermal import Alarm, ThermalWatch, Thresholds
from buildplate_sim.firmware.thermal import Build, Heater

SLOW_BED = Build(power=300.0, capacity=4000.0, loss=3.7, lag=4.0, max_temp=125.0)
"""400 mm of thick aluminium, whose mat can hold 102 °C and no more."""
SLOW_CHAMBER = Build(power=150.0, capacity=9000.0, loss=3.3, lag=8.0)
LIMITS = {"tool0": 260.0}


def fed(
    watch: ThermalWatch, readings: Sequence[tuple[float, float, float | None]]
) -> list[tuple[float, Alarm]]:
    """Report (time, actual, target) of one nozzle each; when which alarm fired."""
    return [
        (at, one.alarm)
        for at, actual, target in readings
        for one in watch.report({"tool0": (actual, target)}, at)
    ]


def watch() -> ThermalWatch:
    return ThermalWatch(Thresholds(20.0, 30.0, 20.0, 4.0, 60.0), LIMITS)


def test_heating_up_and_holding_raises_nothing() -> None:
    warming = [(t, min(20.0 + 3 * t, 200.0), 200.0) for t in range(200)]
    wobbling = [(200.0 + t, 200.0 + (-1) ** t * 3, 200.0) for t in range(200)]
    assert fed(watch(), [*warming, *wobbling]) == []


def test_a_heater_that_leaves_its_target_fires_after_its_time() -> None:
    held = [(float(t), 200.0, 200.0) for t in range(10)]
    falling = [(10.0 + t, max(200.0 - t, 100.0), 200.0) for t in range(60)]
    assert fed(watch(), [*held, *falling]) == [(61.0, Alarm.DEVIATION)]


def test_a_new_target_has_to_be_reached_before_it_can_be_left() -> None:
    held = [(float(t), 200.0, 200.0) for t in range(10)]
    cooling = [(10.0 + t, max(200.0 - t, 60.0), 60.0) for t in range(200)]
    assert fed(watch(), [*held, *cooling]) == []


def test_a_heater_that_never_becomes_warm_fires_once_after_its_time() -> None:
    cold = [(float(t), 21.0 + (t % 2) * 0.5, 200.0) for t in range(400)]
    assert fed(watch(), cold) == [(120.0, Alarm.HEATING)]


def test_a_heater_that_stops_half_way_up_fires() -> None:
    rising = [(float(t), 20.0 + t, 200.0) for t in range(100)]
    stuck = [(100.0 + t, 119.0 - t / 50, 200.0) for t in range(300)]
    (only,) = fed(watch(), [*rising, *stuck])
    assert only == (218.0, Alarm.HEATING), "118 °C at 98 s was the last to be 2 °C warmer"


def test_a_slow_bed_and_a_heater_that_cools_to_its_target_are_not_cold() -> None:
    slow = [(float(t), min(20.0 + t / 40, 80.0), 80.0) for t in range(2400)]
    cooling = [(2400.0 + t, 80.0, 60.0) for t in range(400)]
    assert fed(watch(), [*slow, *cooling]) == []


def heated(
    name: str, build: Build, target: float, *, fails_at: float = inf, comes_off_at: float = inf
) -> list[tuple[float, Alarm]]:
    """A simulated heater of this mass on its way up for three hours, as its board reports it."""
    one, heater, found = watch(), Heater(name, build), []
    heater.set(target, 0.0)
    for at in range(3 * 3600):
        heater.failed, heater.detached = at >= fails_at, at >= comes_off_at
        heater.advance(float(at))
        found += [
            (float(at), finding.alarm)
            for finding in one.report({name: (round(heater.reading, 2), target)}, float(at))
        ]
    return found


@pytest.mark.parametrize(
    ("name", "build", "target"), [("bed", SLOW_BED, 100.0), ("chamber", SLOW_CHAMBER, 60.0)]
)
def test_a_large_bed_and_a_chamber_may_take_minutes_for_a_degree(
    name: str, build: Build, target: float
) -> None:
    assert heated(name, build, target) == []
    assert heated("tool0", build, target), "a nozzle that is so slow has failed"


@pytest.mark.parametrize("at", [0.0, 300.0, 1800.0])
def test_a_bed_that_dies_on_its_way_up_fires_as_soon_as_any_heater(at: float) -> None:
    (only,) = heated("bed", SLOW_BED, 100.0, fails_at=at)
    assert only[1] is Alarm.HEATING
    assert at + 100 < only[0] < at + 150
    (only,) = heated("bed", SLOW_BED, 100.0, comes_off_at=max(at, 60.0))
    assert only[1] is Alarm.HEATING
    assert max(at, 60.0) + 100 < only[0] < max(at, 60.0) + 150


def test_a_bed_that_creeps_is_told_of_in_the_end() -> None:
    creeping = [(float(t), 25.0 + t / 500) for t in range(1500)]
    one = watch()
    found = [
        (at, finding) for at, now in creeping for finding in one.report({"bed": (now, 60.0)}, at)
    ]
    assert [(at, finding.alarm) for at, finding in found] == [(900.0, Alarm.HEATING)]


def test_a_new_target_gives_a_heater_its_time_anew() -> None:
    first = [(float(t), 21.0, 200.0) for t in range(100)]
    second = [(100.0 + t, 21.0, 210.0) for t in range(119)]
    assert fed(watch(), [*first, *second]) == []
    assert (220.0, Alarm.HEATING) in fed(watch(), [*first, *second, (220.0, 21.0, 210.0)])


def test_a_sensor_that_jumps_fires() -> None:
    steady = [(float(t), 200.0, 200.0) for t in range(5)]
    jumping = [(5.0 + t, 200.0 - 25.0 * (t + 1), 200.0) for t in range(7)]
    assert (8.0, Alarm.RATE) in fed(watch(), [*steady, *jumping])


def test_one_spoilt_reading_does_not_fire() -> None:
    readings = [(float(t), 200.0, 200.0) for t in range(20)]
    readings[10] = (10.0, 20.0, 200.0)
    assert fed(watch(), readings) == []


def test_silence_of_a_heater_that_is_on_fires_once_until_it_speaks() -> None:
    one = watch()
    one.report({"tool0": (200.0, 200.0), "bed": (25.0, 0.0)}, 0.0)
    assert one.silent(59.0) == []
    assert [finding.alarm for finding in one.silent(60.0)] == [Alarm.SILENCE]
    assert one.silent(90.0) == []
    one.report({"tool0": (200.0, 200.0)}, 100.0)
    assert one.silent(110.0) == []
    assert [finding.heater for finding in one.silent(170.0)] == ["tool0"]


def test_more_than_the_printer_may_ever_show_fires_at_the_second_reading_in_a_row() -> None:
    hot = [(0.0, 255.0, 0.0), (1.0, 261.0, 0.0), (2.0, 262.0, 0.0), (3.0, 263.0, 0.0)]
    assert fed(watch(), hot) == [(2.0, Alarm.LIMIT)]


def test_a_point_that_was_lost_on_its_way_fires_nothing() -> None:
    readings = [(float(t), 213.0 * 10 if t % 2 else 213.0, 213.0) for t in range(100)]
    assert Alarm.LIMIT not in {alarm for _, alarm in fed(watch(), readings)}


def test_after_a_restart_nothing_old_is_held_against_a_heater() -> None:
    one = watch()
    one.report({"tool0": (200.0, 200.0)}, 0.0)
    one.forget()
    assert one.silent(1000.0) == []
    assert one.report({"tool0": (25.0, 0.0)}, 1000.0) == []


def test_a_tool_that_may_have_been_the_one_reported_is_not_silent() -> None:
    one = watch()
    one.report({"tool0": (200.0, 200.0), "bed": (60.0, 60.0)}, 0.0)
    one.spare(["tool0", "tool1"], 59.0)
    assert [finding.heater for finding in one.silent(60.0)] == ["bed"]
    assert [finding.heater for finding in one.silent(119.0)] == ["tool0"]
