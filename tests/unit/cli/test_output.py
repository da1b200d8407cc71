"""What people read on the terminal."""

from __future__ import annotations

from typing import Any

import pytest

from buildplate.cli.output import lasts, megabytes, percent, when, words


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, "–"),
        (0.4, "0 s"),
        (59.4, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h 00 min"),
        (86399, "23 h 59 min"),
        (90000, "1 d 1 h"),
    ],
)
def test_durations_are_said_in_the_two_largest_words(seconds: float | None, shown: str) -> None:
    assert lasts(seconds) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"),
        ("", "–"),
        (True, "yes"),
        (False, "no"),
        (0, "0"),
        (0.4, "0.4"),
        ([], "–"),
        (["a", 1], "a, 1"),
        ({"x": 1, "y": None, "z": [2]}, "x 1, z 2"),
        ("bell\a and \x1b[31mred", "bell� and �[31mred"),
        ("two\nlines", "two�lines"),
    ],
)
def test_values_are_said_without_anything_a_terminal_would_obey(value: Any, shown: str) -> None:
    assert words(value) == shown


def test_progress_and_sizes_are_said_in_round_numbers() -> None:
    assert (percent(None), percent(0.0), percent(0.256), percent(1.0)) == (
        "–",
        "0 %",
        "26 %",
        "100 %",
    )
    assert (megabytes(53), megabytes(99_999), megabytes(1_250_000)) == ("53 B", "99999 B", "1.2 MB")


def test_a_time_with_a_zone_is_that_moment() -> None:
    assert when("2027-01-31T12:00:00+02:00") == "2027-01-31T10:00:00Z"
    with pytest.raises(ValueError, match="whenever"):
        when("whenever")
