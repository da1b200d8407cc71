"""The thermal watch: from readings and their times to alarms, as pure decisions.

The firmware has its own protection; this one also sees what a firmware without it, or a sensor that
has slipped out, would let pass. Temperatures are °C, times seconds of any clock that only grows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

SLOW = frozenset({"bed", "chamber"})
"""Heaters with a large mass: they warm ever more slowly as they come near what they can reach."""
RISES_C = 0.2
"""A heater that warms by less in `heating_s` does not rise at all: a noisy sensor reads as much."""
REACHED_WITHIN_C = 5.0
"""So near to its target a heater has reached it; from then on it must stay near."""


class Remedy(StrEnum):
    """What an alarm leads to."""

    WARN = "warn"
    PAUSE = "pause"
    STOP = "stop"


class Alarm(StrEnum):
    """What is wrong with a heater."""

    DEVIATION = "deviation"
    HEATING = "heating"
    RATE = "rate"
    SILENCE = "silence"
    LIMIT = "limit"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From when on something is wrong: each with how long it must last.

    `deviation_c`: off a target that had been reached; `rate_c_s`: change per second, faster than
    any heater or its cooling; `heating_c`: so much warmer it must become in `heating_s` while it is
    below its target, a bed or a chamber in `slow_heating_s` as long as it rises at all;
    `silence_s`: no reading of a heater that is on.
    """

    deviation_c: float = 20.0
    deviation_s: float = 30.0
    rate_c_s: float = 20.0
    rate_s: float = 4.0
    silence_s: float = 60.0
    heating_c: float = 2.0
    heating_s: float = 120.0
    slow_heating_s: float = 900.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One alarm, in words for people."""

    alarm: Alarm
    heater: str
    text: str


@dataclass(slots=True)
class _Heater:
    actual: float
    at: float
    heard: float
    target: float = 0.0
    reached: bool = False
    astray_since: float | None = None
    racing_since: float | None = None
    warmest: float | None = None
    warmed_at: float = 0.0
    highest: float = 0.0
    risen_at: float = 0.0
    exceeded: bool = False
    told: set[Alarm] = field(default_factory=set)


class ThermalWatch:
    """Fed with every report; each alarm is found once until what caused it is over.

    `limits`: the most that each heater may ever show, by name; a heater without one has none.
    """

    def __init__(self, thresholds: Thresholds, limits: Mapping[str, float] | None = None) -> None:
        self._thresholds = thresholds
        self._limits = dict(limits or {})
        self._heaters: dict[str, _Heater] = {}

    def forget(self) -> None:
        """Begin anew: the firmware has restarted, or the link is another."""
        self._heaters.clear()

    def report(
        self, readings: Mapping[str, tuple[float, float | None]], now: float
    ) -> list[Finding]:
        """Take a report: actual and target (None: not told) by heater."""
        found: list[Finding] = []
        for name, (actual, target) in readings.items():
            heater = self._heaters.get(name)
            if heater is None:
                heater = self._heaters[name] = _Heater(actual, now, now)
            if target is not None and target != heater.target:
                heater.target, heater.reached, heater.astray_since = target, False, None
                heater.warmest = None
                heater.told -= {Alarm.DEVIATION, Alarm.HEATING}
            found += self._judge(name, heater, actual, now)
            heater.actual, heater.at, heater.heard = actual, now, now
            heater.told.discard(Alarm.SILENCE)
        return found

    def spare(self, names: Iterable[str], now: float) -> None:
        """One of these was reported, which is not known: none of them is silent."""
        for name in names:
            if heater := self._heaters.get(name):
                heater.heard = now
                heater.told.discard(Alarm.SILENCE)

    def silent(self, now: float) -> list[Finding]:
        """What has not been told of for too long though it is on; call it now and then."""
        limit = self._thresholds.silence_s
        return [
            finding
            for name, heater in self._heaters.items()
            if heater.target > 0 and now - heater.heard >= limit
            for finding in self._once(
                heater,
                Alarm.SILENCE,
                name,
                f"{name} was not reported for {now - heater.heard:.0f} s",
            )
        ]

    def _judge(self, name: str, heater: _Heater, actual: float, now: float) -> list[Finding]:
        return [
            *self._deviates(name, heater, actual, now),
            *self._stays_cold(name, heater, actual, now),
            *self._races(name, heater, actual, now),
            *self._exceeds(name, heater, actual),
        ]

    def _deviates(self, name: str, heater: _Heater, actual: float, now: float) -> list[Finding]:
        if heater.target <= 0:
            heater.reached, heater.astray_since = False, None
            return []
        off = actual - heater.target
        if abs(off) <= REACHED_WITHIN_C:
            heater.reached = True
        if not heater.reached or abs(off) <= self._thresholds.deviation_c:
            heater.astray_since = None
            heater.told.discard(Alarm.DEVIATION)
            return []
        if heater.astray_since is None:
            heater.astray_since = now
        lasted = now - heater.astray_since
        if lasted < self._thresholds.deviation_s:
            return []
        text = f"{name} is {actual:.0f} °C instead of {heater.target:.0f} °C for {lasted:.0f} s"
        return self._once(heater, Alarm.DEVIATION, name, text)

    def _stays_cold(self, name: str, heater: _Heater, actual: float, now: float) -> list[Finding]:
        """A target that was never reached; one that was is the deviation's."""
        if heater.reached or actual >= heater.target:
            heater.warmest = None
            heater.told.discard(Alarm.HEATING)
            return []
        limits = self._thresholds
        if heater.warmest is None or actual >= heater.warmest + limits.heating_c:
            heater.warmest, heater.warmed_at = actual, now
            heater.highest, heater.risen_at = actual, now
            heater.told.discard(Alarm.HEATING)
        elif actual >= heater.highest + RISES_C:
            heater.highest, heater.risen_at = actual, now
        lasted = now - heater.warmed_at
        rises = name in SLOW and now - heater.risen_at < limits.heating_s
        if lasted < (max(limits.slow_heating_s, limits.heating_s) if rises else limits.heating_s):
            return []
        text = (
            f"{name} does not become warm: {actual:.0f} °C of {heater.target:.0f} °C, "
            f"{actual - heater.warmest:+.1f} °C in {lasted:.0f} s"
        )
        return self._once(heater, Alarm.HEATING, name, text)

    def _races(self, name: str, heater: _Heater, actual: float, now: float) -> list[Finding]:
        passed = now - heater.at
        if passed <= 0:
            return []
        rate = (actual - heater.actual) / passed
        if abs(rate) <= self._thresholds.rate_c_s:
            heater.racing_since = None
            heater.told.discard(Alarm.RATE)
            return []
        if heater.racing_since is None:
            heater.racing_since = heater.at
        lasted = now - heater.racing_since
        if lasted < self._thresholds.rate_s:
            return []
        text = f"{name} changes by {rate:+.0f} °C a second for {lasted:.0f} s"
        return self._once(heater, Alarm.RATE, name, text)

    def _exceeds(self, name: str, heater: _Heater, actual: float) -> list[Finding]:
        limit = self._limits.get(name)
        before, heater.exceeded = heater.exceeded, limit is not None and actual > limit
        if limit is None or not heater.exceeded:
            heater.told.discard(Alarm.LIMIT)
            return []
        if not before:
            return []  # a point lost on its way makes 213 °C of 21.3
        text = f"{name} is {actual:.0f} °C, more than this printer's {limit:.0f} °C"
        return self._once(heater, Alarm.LIMIT, name, text)

    def _once(self, heater: _Heater, alarm: Alarm, name: str, text: str) -> list[Finding]:
        if alarm in heater.told:
            return []
        heater.told.add(alarm)
        return [Finding(alarm, name, text)]
