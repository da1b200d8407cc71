"""Settings become durations, all of them divided by the time factor."""

from __future__ import annotations

from typing import Any

from buildplate.app.composition import durations
from buildplate.app.settings import Settings


def with_settings(**given: Any) -> Settings:
    return Settings(_env_file=None, **given)


def test_printers_without_push_are_polled_every_ten_seconds_unless_said_otherwise() -> None:
    assert durations(with_settings()).fleet.poll == 10.0
    assert durations(with_settings(poll_seconds=2.5)).fleet.poll == 2.5


def test_the_time_factor_divides_every_duration_but_leaves_requests_their_time() -> None:
    plain, fast = durations(with_settings()), durations(with_settings(time_factor=1000))
    assert fast.fleet.settle == plain.fleet.settle / 1000 == fast.prints.settle
    assert fast.fleet.lease == plain.fleet.lease / 1000
    assert fast.fleet.backoff_last == plain.fleet.backoff_last / 1000
    assert fast.fleet.look >= 1.0
    assert fast.fleet.connect >= 1.0
    assert fast.fleet.command >= 0.1
    assert fast.fleet.power >= fast.fleet.command
