"""Numbers after a restore: none that somebody may have been given already, and none too long."""

from __future__ import annotations

import pytest

from buildplate.storage.restored import STEPS, number_after

LONGEST = 10**15


@pytest.mark.parametrize("step", sorted(set(STEPS.values())))
@pytest.mark.parametrize("known", [0, 1, 100, 499_999, 500_001, 999_999, 1_000_000, 7_654_321])
def test_many_numbers_are_passed_over_whatever_the_last_one_was(known: int, step: int) -> None:
    last = number_after(known, step)
    assert last % step == 0
    assert step // 2 <= last - known < step + step // 2


def test_a_busy_hour_after_the_backup_has_given_none_of_them() -> None:
    assert number_after(100, STEPS["print"]) >= 100 + 5_000


def test_restored_again_and_again_numbers_stay_within_fifteen_digits() -> None:
    number = 1
    for _ in range(10_000):
        number = number_after(number + 1, STEPS["print"])
    assert number < LONGEST < 2**53
