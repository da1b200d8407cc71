"""Counters and rests over a clock that tests set: growing pauses, bounded memory."""

from __future__ import annotations

import pytest
from limits import RateLimitItemPerMinute
from limits.strategies import FixedWindowRateLimiter

from buildplate.access.errors import TooManyRequests
from buildplate.access.limiting import (
    FORGOTTEN_AFTER_S,
    FREE_TRIES,
    LONGEST_PAUSE_S,
    Counters,
    Lockout,
    network,
    pause_after,
)


class Watch:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_pauses_grow_to_a_bound() -> None:
    pauses = [pause_after(n) for n in range(200)]
    assert pauses[:FREE_TRIES] == [0.0] * FREE_TRIES
    assert pauses[FREE_TRIES : FREE_TRIES + 4] == [1.0, 2.0, 4.0, 8.0]
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE_S


def test_an_account_rests_longer_after_each_failed_try() -> None:
    watch = Watch()
    lockout = Lockout(watch)
    for _ in range(FREE_TRIES):
        lockout.begin("ann")
    rests = []
    for _ in range(4):
        with pytest.raises(TooManyRequests) as refusal:
            lockout.begin("ann")
        rests.append(refusal.value.retry_after)
        watch.now += refusal.value.retry_after
        lockout.begin("ann")
    assert rests == [1.0, 2.0, 4.0, 8.0]
    lockout.begin("bob")


def test_success_and_time_wipe_the_slate() -> None:
    watch = Watch()
    lockout = Lockout(watch)
    for _ in range(FREE_TRIES - 1):
        lockout.begin("ann")
    lockout.succeeded("ann")
    for _ in range(FREE_TRIES):
        lockout.begin("ann")
    watch.now += FORGOTTEN_AFTER_S + 1
    for _ in range(FREE_TRIES):
        lockout.begin("ann")
    with pytest.raises(TooManyRequests):
        lockout.begin("ann")


def test_what_is_remembered_of_accounts_is_bounded() -> None:
    lockout = Lockout(Watch(), most=10)
    for n in range(100):
        lockout.begin(f"user {n}")
    assert len(lockout) == 10


def test_what_is_counted_is_bounded() -> None:
    counters = Counters(10, Watch())
    limiter = FixedWindowRateLimiter(counters)
    for n in range(100):
        limiter.hit(RateLimitItemPerMinute(5), f"address {n}")
    assert len(counters) == 10


def test_a_window_ends() -> None:
    watch = Watch()
    limiter = FixedWindowRateLimiter(Counters(10, watch))
    item = RateLimitItemPerMinute(2)
    assert [limiter.hit(item, "a") for _ in range(3)] == [True, True, False]
    watch.now += 59
    assert not limiter.test(item, "a")
    watch.now += 1
    assert [limiter.hit(item, "a") for _ in range(3)] == [True, True, False]


@pytest.mark.parametrize(
    ("address", "stands_for"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        (None, "?"),
        ("a unix socket", "a unix socket"),
    ],
)
def test_an_ipv6_household_is_one(address: str | None, stands_for: str) -> None:
    assert network(address) == stands_for
