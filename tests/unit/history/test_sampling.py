"""A printer's readings come back by the second from few rows, and the same is not kept twice."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from buildplate.drivers.sdk import Temperature
from buildplate.history.readings import Gathered, Readings, tenth_of, unpacked
from buildplate.history.sampling import Sampler
from buildplate.storage import from_micros, to_micros

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def sampler() -> Sampler:
    return Sampler(row=10.0, reading=0.8, most=1000)


def read(of: Sampler) -> list[tuple[float, Readings]]:
    """What its rows hold, with the seconds since the start."""
    return [
        ((from_micros(at) - START).total_seconds(), readings)
        for row in of.closed
        for at, readings in unpacked(to_micros(row.at), row.readings)
    ]


def test_each_reading_of_a_second_comes_back_from_six_rows_a_minute() -> None:
    of = sampler()
    for n in range(600):
        of.take("a", {"tool0": Temperature(20 + n / 3, 210.0)}, START + n * SECOND)
    of.close()
    assert [at for at, _ in read(of)] == list(range(600))
    assert [one["tool0"] for _, one in read(of)] == [
        (round(20 + n / 3, 1), 210.0) for n in range(600)
    ]
    assert len(of.closed) <= 60
    assert max(len(row.readings) for row in of.closed) < 120


def test_noise_comes_back_by_the_second_from_one_row_a_minute() -> None:
    of = sampler()
    for n in range(600):
        of.take("a", {"tool0": Temperature(210 + n % 3 / 10, 210.0)}, START + n * SECOND)
    of.close()
    assert len(read(of)) == 600
    assert len(of.closed) <= 11


def test_what_does_not_change_is_a_reading_a_minute_that_says_so() -> None:
    of = sampler()
    for n in range(600):
        of.take("a", {"tool0": Temperature(21.04, None)}, START + n * SECOND)
    assert len(read(of)) <= 11
    assert all(row.readings == '{"tool0":[21.0,null]}' for row in list(of.closed)[1:])


def test_a_level_that_stood_is_told_until_the_moment_it_changed() -> None:
    of = sampler()
    for n in range(9):
        of.take("a", {"bed": Temperature(60.0 if n < 8 else 59.0, 60.0)}, START + n * SECOND)
    of.close()
    assert [(at, one["bed"][0]) for at, one in read(of)] == [(0, 60.0), (7, 60.0), (8, 59.0)]


def test_a_source_that_tells_often_is_read_at_a_bounded_rate_without_a_gap() -> None:
    of = sampler()
    for n in range(4 * 600):
        of.take("a", {"bed": Temperature(20 + n / 9)}, START + n * SECOND / 4)
    of.close()
    told = [at for at, _ in read(of)]
    assert 600 <= len(told) <= 780
    assert max(later - former for former, later in pairwise(told)) <= 1.0


def test_a_trembling_source_of_a_second_loses_nothing() -> None:
    of = sampler()
    for n in range(100):
        of.take("a", {"bed": Temperature(20.0 + n)}, START + n * SECOND + n % 2 * SECOND * 0.3)
    of.close()
    assert len(read(of)) == 100


def test_a_silent_printer_s_readings_and_a_gone_one_s_are_closed() -> None:
    of = sampler()
    of.take("a", {"bed": Temperature(20.0)}, START)
    of.take("b", {"bed": Temperature(20.0)}, START)
    of.forget("b")
    assert [row.printer_id for row in of.closed] == ["b"]
    of.close_silent(START + 60 * SECOND)
    assert len(of.closed) == 1
    of.close_silent(START + 80 * SECOND)
    assert [row.printer_id for row in of.closed] == ["b", "a"]
    assert of.closed[-1].at == START


def test_a_clock_that_is_put_back_begins_a_row() -> None:
    of = sampler()
    for at in (0, 1, 2, -50, -49):
        of.take("a", {"bed": Temperature(20.0 + at)}, START + at * SECOND)
    of.close()
    assert [at for at, _ in read(of)] == [0, 1, 2, -50, -49]
    assert len(of.closed) == 2


def test_a_name_that_cannot_be_written_costs_its_own_row_alone() -> None:
    of = sampler()
    for n in range(40):
        name = "\ud800" if n < 5 else "tool0"
        of.take("a", {name: Temperature(20 + 9 * n, 210.0)}, START + n * SECOND)
    of.close()
    kept = [one["tool0"][0] for _, one in read(of)]
    assert kept == [20 + 9 * n for n in range(11, 40)], "only the row with the name is lost"


def test_what_can_be_no_temperature_is_left_out() -> None:
    of = sampler()
    of.take(
        "a", {"x": Temperature(math.nan), "y": Temperature(1e300), "z": Temperature(-5.0)}, START
    )
    of.close()
    assert read(of) == [(0, {"z": (-5.0, None)})]


HEAT = st.tuples(st.integers(-2000, 9000), st.sampled_from([None, 0.0, 60.0, 215.5]))


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(st.integers(1, 700), st.dictionaries(st.sampled_from("abc"), HEAT, min_size=1)),
        min_size=1,
        max_size=40,
    )
)
def test_a_row_gives_back_what_was_gathered_without_repetitions(
    told: list[tuple[int, dict[str, tuple[int, float | None]]]],
) -> None:
    gathered, at = Gathered(), tenth_of(START)
    expected: list[tuple[int, Readings]] = []
    for gap, reading in told:
        at += gap
        gathered.take(at, reading)
        celsius = {name: (tenths / 10, target) for name, (tenths, target) in reading.items()}
        if len(expected) > 1 and expected[-1][1] == expected[-2][1] == celsius:
            expected.pop()
        expected.append((at, celsius))
    assert gathered.each() == expected
    micros = [(each * 100_000, readings) for each, readings in expected]
    assert unpacked(gathered.newest * 100_000, gathered.packed()) == micros
