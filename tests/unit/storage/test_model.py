from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildplate.storage import from_json, from_micros, to_json, to_micros

ZONES = st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m)))


@given(st.datetimes(datetime(1900, 1, 2), datetime(9999, 12, 30), timezones=ZONES))  # noqa: DTZ001 (hypothesis adds the zone)
def test_a_time_survives_to_the_microsecond_as_the_same_moment_in_utc(moment: datetime) -> None:
    back = from_micros(to_micros(moment))
    assert back == moment
    assert back.tzinfo is UTC


@given(st.integers(-(10**15), 10**17))
def test_microseconds_survive(micros: int) -> None:
    assert to_micros(from_micros(micros)) == micros


def test_a_naive_time_is_refused() -> None:
    with pytest.raises(TypeError):
        to_micros(datetime(2030, 1, 1))  # noqa: DTZ001 (the point)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON)
def test_json_survives(value: object) -> None:
    assert from_json(to_json(value)) == value


def test_what_is_not_json_is_refused() -> None:
    with pytest.raises(TypeError):
        to_json({"a": object()})
