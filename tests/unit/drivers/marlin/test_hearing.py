"""What a printer says of its heaters is held against the limits that are set for each of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from buildplate.drivers.marlin.config import read_settings
from buildplate.drivers.marlin.hearing import Hearing
from buildplate.drivers.marlin.notes import Notes
from buildplate.drivers.marlin.thermal import Alarm
from buildplate.drivers.marlin.voice import Voice
from buildplate.protocols.marlin.replies import read_reply

SETTINGS = {
    "port": "/dev/ttyUSB0",
    "max_nozzle_c": 260.0,
    "max_bed_c": 110.0,
    "max_chamber_c": 70.0,
    "watch_deviation_c": 15.0,
}


@pytest.fixture
def hearing() -> Iterator[Hearing]:
    loop = asyncio.new_event_loop()
    yield Hearing(read_settings(SETTINGS), Notes(None), Voice(loop))
    loop.close()


def alarms(hearing: Hearing, said: str) -> list[tuple[Alarm, str]]:
    """What is found in two reports in a row that say this."""
    for at in (1.0, 2.0):
        for reply in read_reply(said.encode()):
            hearing.take(reply, at)
    found, hearing.findings = hearing.findings, []
    return [(one.alarm, one.heater) for one in found]


@pytest.mark.parametrize(
    ("heater", "fits", "too_hot"),
    [
        ("tool0", "T:274.9 /0.0 B:20.0 /0.0", "T:275.1 /0.0 B:20.0 /0.0"),
        (
            "tool1",
            "T:20.0 /0.0 T0:20.0 /0.0 T1:274.9 /0.0",
            "T:20.0 /0.0 T0:20.0 /0.0 T1:275.1 /0.0",
        ),
        ("bed", "T:20.0 /0.0 B:124.9 /0.0", "T:20.0 /0.0 B:125.1 /0.0"),
        ("chamber", "T:20.0 /0.0 C:84.9 /0.0", "T:20.0 /0.0 C:85.1 /0.0"),
    ],
)
def test_each_heater_has_its_own_limit_and_what_it_may_overshoot(
    hearing: Hearing, heater: str, fits: str, too_hot: str
) -> None:
    assert alarms(hearing, fits) == []
    assert alarms(hearing, too_hot) == [(Alarm.LIMIT, heater)]


def test_a_sensor_that_heats_nothing_has_no_limit(hearing: Hearing) -> None:
    assert alarms(hearing, "T:20.0 /0.0 P:400.0 A:400.0") == []
