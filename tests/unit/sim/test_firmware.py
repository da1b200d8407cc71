"""The physics and the wire of simulated boards: moves, heat, and bits read at another speed."""

from __future__ import annotations

import math
from functools import reduce
from operator import xor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildplate_sim.firmware.dialect import Line, Refusal, Setup, checksum
from buildplate_sim.firmware.dialects import DIALECTS
from buildplate_sim.firmware.planner import Limits, Planner, seconds_of
from buildplate_sim.firmware.thermal import AMBIENT, BED, HOTEND, Build, Heater
from buildplate_sim.firmware.uart import misread

LIMITS = Limits(speed=(500, 500, 500, 500), accel=1000, jerk=(10, 10, 10, 10))


def until_empty(planner: Planner, now: float) -> float:
    while not planner.empty(now):
        now += planner.next_free(now)
    return now


# --- moves


def test_a_move_from_rest_to_rest_takes_the_time_of_its_trapezoid() -> None:
    planner = Planner(16, LIMITS)
    assert planner.add((100, 0, 0, 0), 100, 0.0)
    # 100 mm/s after 0.1 s and 5 mm, the same at the end, 90 mm between
    assert until_empty(planner, 0.0) == pytest.approx(0.1 + 0.9 + 0.1)


def test_a_short_move_never_reaches_its_speed() -> None:
    assert seconds_of(1, 0, 100, 0, 1000) == pytest.approx(2 * math.sqrt(1 / 1000))


def test_moves_in_a_line_are_one_move_when_they_are_planned_in_time() -> None:
    planner = Planner(16, LIMITS)
    for step in range(1, 11):
        planner.add((10.0 * step, 0, 0, 0), 100, 0.0)
    # the first one has begun before any other was known: it brakes
    first = seconds_of(10, 0, 100, 0, 1000)
    rest = seconds_of(90, 0, 100, 0, 1000)
    assert until_empty(planner, 0.0) == pytest.approx(first + rest)
    assert planner.starved == 1


def test_a_starved_planner_brakes_before_every_move() -> None:
    planner, now = Planner(16, LIMITS), 0.0
    for step in range(1, 11):
        planner.add((10.0 * step, 0, 0, 0), 100, now)
        now = until_empty(planner, now)
    assert planner.starved == planner.moves == 10
    assert now == pytest.approx(10 * seconds_of(10, 0, 100, 0, 1000))


def test_a_corner_is_taken_no_faster_than_jerk_allows() -> None:
    straight, corner = Planner(16, LIMITS), Planner(16, LIMITS)
    for planner, second in ((straight, (200, 0, 0, 0)), (corner, (100, 100, 0, 0))):
        planner.add((1, 0, 0, 0), 100, 0.0)
        planner.add((100, 0, 0, 0), 100, 0.0)
        planner.add(second, 100, 0.0)
    first = seconds_of(1, 0, 100, 0, 1000)
    leg = seconds_of(99, 0, 100, 10, 1000) + seconds_of(100, 10, 100, 0, 1000)
    assert until_empty(corner, 0.0) == pytest.approx(first + leg)
    assert until_empty(straight, 0.0) < first + leg - 0.05


def test_the_planner_is_full_until_its_first_move_ends() -> None:
    planner = Planner(2, LIMITS)
    planner.add((10, 0, 0, 0), 100, 0.0)
    planner.add((20, 0, 0, 0), 100, 0.0)
    assert planner.free(0.0) == 0
    ends = planner.next_free(0.0)
    assert planner.free(ends) == 1
    assert planner.where(ends) == (10, 0, 0, 0)
    assert planner.last == (20, 0, 0, 0)


def test_an_axis_is_moved_no_faster_than_it_can() -> None:
    planner = Planner(16, Limits(speed=(500, 500, 5, 500), accel=1000, jerk=LIMITS.jerk))
    planner.add((0, 0, 10, 0), 100, 0.0)
    assert until_empty(planner, 0.0) == pytest.approx(seconds_of(10, 0, 5, 0, 1000))


def test_a_stop_leaves_the_head_on_its_way() -> None:
    planner = Planner(16, LIMITS)
    planner.add((100, 0, 0, 10), 100, 0.0)
    x, _, _, e = planner.stop(0.55)
    assert 0 < x < 100
    assert e == pytest.approx(x / 10)
    assert planner.empty(0.55)


# --- heat


def test_full_power_heats_along_an_exponential() -> None:
    heater = Heater("tool0", HOTEND, runaway=True)
    level, tau = HOTEND.power / HOTEND.loss, HOTEND.capacity / HOTEND.loss
    for now in (10.0, 60.0, 600.0):
        heater.advance(now)
        assert heater.actual == pytest.approx(AMBIENT + level * (1 - math.exp(-now / tau)), abs=0.1)


@pytest.mark.parametrize(("build", "target", "within"), [(HOTEND, 210, 120), (BED, 60, 180)])
def test_a_heater_reaches_its_target_holds_it_and_does_not_overshoot(
    build: Build, target: float, within: float
) -> None:
    heater = Heater("tool0", build)
    heater.set(target, 0.0)
    heater.advance(5.0)
    assert heater.reading < target - 20
    hottest = 0.0
    for now in range(6, 600):
        heater.advance(float(now))
        hottest = max(hottest, heater.reading)
        if now > within:
            assert heater.reading == pytest.approx(target, abs=1.5)
    assert hottest < target + 4


def test_a_heater_without_power_cools_to_the_room_and_no_further() -> None:
    heater = Heater("tool0", HOTEND, actual=200, felt=200)
    heater.advance(60.0)
    assert 100 < heater.actual < 150
    heater.advance(3600.0)
    assert heater.actual == pytest.approx(AMBIENT, abs=0.01)


def test_a_stuck_sensor_hides_what_the_heater_does() -> None:
    heater = Heater("tool0", HOTEND, stuck=180.0)
    heater.set(200, 0.0)
    heater.advance(300.0)
    assert heater.reading == 180
    assert heater.actual > 280


def test_a_failed_heater_stays_cold_under_full_duty() -> None:
    heater = Heater("tool0", HOTEND, failed=True)
    heater.set(200, 0.0)
    heater.advance(60.0)
    assert heater.duty == 1.0
    assert heater.actual == pytest.approx(AMBIENT)


# --- bits


def test_equal_speeds_and_those_that_nearly_are_read_every_byte() -> None:
    assert misread(bytes(range(256)), 115200, 117600) == bytes(range(256))


def test_another_speed_reads_what_the_bits_look_like_at_it() -> None:
    # sent at half the speed, every bit is seen twice
    assert misread(b"\x00", 57600, 115200) == b"\x00"
    assert misread(b"\xff", 57600, 115200) == b"\xfe"
    wrong = misread(b"start\nMarlin\n", 115200, 250000)
    assert b"start" not in wrong
    assert len(wrong) > 13


@given(st.binary(max_size=200))
def test_the_sum_is_every_byte_xored(line: bytes) -> None:
    assert checksum(line) == reduce(xor, line, 0)


# --- lines

MOVES = st.tuples(st.integers(-999, 999), st.integers(0, 99)).map(lambda at: b"G1 X%d E.%d" % at)


def numbered(number: int, text: bytes) -> bytes:
    body = b"N%d %b" % (number, text)
    return body + b"*%d" % checksum(body)


@pytest.mark.parametrize("name", sorted(DIALECTS))
@given(number=st.integers(1, 60_000), text=MOVES)
def test_every_dialect_takes_the_line_that_is_due_and_no_changed_one(
    name: str, number: int, text: bytes
) -> None:
    dialect = DIALECTS[name](Setup())
    line = numbered(number, text)
    assert dialect.judge(line, number - 1) == Line(number, text)
    for wrong in (numbered(number + 1, text), line[:-1] + bytes([line[-1] ^ 1])):
        assert not isinstance(dialect.judge(wrong, number - 1), Line)


@pytest.mark.parametrize("name", sorted(DIALECTS))
@given(junk=st.binary(max_size=150))
def test_no_junk_breaks_a_dialect(name: str, junk: bytes) -> None:
    dialect = DIALECTS[name](Setup())
    dialect.judge(junk, 3)
    dialect.judge(b"N4 " + junk, 3)


def test_a_marlin_may_be_built_without_an_ok_behind_its_resend() -> None:
    for resend_ok, says in ((None, ("Resend: 4", "ok")), (False, ("Resend: 4",))):
        judged = DIALECTS["marlin2"](Setup(resend_ok=resend_ok)).judge(b"N9 G1 X1*1", 3)
        assert isinstance(judged, Refusal)
        assert judged.says[1:] == says
