"""Heaters with thermal mass: power in, loss to the room, a sensor that lags, faults on demand."""

from __future__ import annotations

import math
from dataclasses import dataclass

AMBIENT = 21.3
STEP_S = 0.25
STEPS_AT_ONCE = 4000
"""A long silence is stepped more coarsely: nobody has looked meanwhile."""

HOLD_BAND = 10.0
"""°C below the target in which the controller no longer gives full power."""

OPEN_SENSOR = -14.0
"""What a thermistor that is torn off reads as, in °C."""


@dataclass(frozen=True, slots=True)
class Build:
    """What a heater is made of: watts, joules per kelvin, watts per kelvin lost, seconds of lag."""

    power: float
    capacity: float
    loss: float
    lag: float = 1.0
    max_temp: float = 275.0


HOTEND = Build(power=40.0, capacity=10.0, loss=0.11, lag=1.0)
BED = Build(power=220.0, capacity=350.0, loss=1.6, lag=2.0, max_temp=125.0)
CHAMBER = Build(power=150.0, capacity=600.0, loss=2.2, lag=4.0, max_temp=80.0)


@dataclass(slots=True)
class Heater:
    """One heater with its sensor and controller; °C and simulated seconds.

    `failed`: the cartridge gives no heat. `runaway`: the switch is stuck closed. `stuck`: what the
    sensor reads for ever. `detached`: the sensor has come off and reads the room.
    """

    name: str
    build: Build
    target: float = 0.0
    actual: float = AMBIENT
    felt: float = AMBIENT
    duty: float = 0.0
    at: float = 0.0
    failed: bool = False
    runaway: bool = False
    detached: bool = False
    stuck: float | None = None

    def set(self, target: float, now: float) -> None:
        """Change the target at `now`."""
        self.advance(now)
        self.target = target

    def advance(self, now: float) -> None:
        """Live through the time until `now`."""
        left = now - self.at
        if left <= 0:
            return
        step = max(STEP_S, left / STEPS_AT_ONCE)
        while left > 0:
            self._step(min(step, left))
            left -= step
        self.at = now

    @property
    def reading(self) -> float:
        """What the firmware believes."""
        return self.felt if self.stuck is None else self.stuck

    def _step(self, seconds: float) -> None:
        build = self.build
        self.duty = self._wanted_duty()
        watts = build.power * (1.0 if self.runaway else 0.0 if self.failed else self.duty)
        level = AMBIENT + watts / build.loss
        self.actual = level + (self.actual - level) * math.exp(
            -seconds * build.loss / build.capacity
        )
        sensed = AMBIENT if self.detached else self.actual
        self.felt = sensed + (self.felt - sensed) * math.exp(-seconds / build.lag)

    def _wanted_duty(self) -> float:
        if self.target <= 0:
            return 0.0
        build = self.build
        holding = build.loss * (self.target - AMBIENT) / build.power
        missing = (self.target - self.reading) / HOLD_BAND
        return min(1.0, max(0.0, holding + missing))

    def forget(self) -> None:
        """The board has lost its power: no target, the heat stays."""
        self.target = self.duty = 0.0
