"""Heaters that take their time: linear up under power, slowly down towards the room without."""

from __future__ import annotations

from dataclasses import dataclass

AMBIENT = 21.3
HEATING = {"bed": 2.0}
HEATING_TOOL = 10.0
COOLING = {"bed": 0.3}
COOLING_TOOL = 1.5


@dataclass(slots=True)
class Heater:
    """One heater; temperatures in °C, times in simulated seconds."""

    name: str
    actual: float = AMBIENT
    target: float = 0.0
    at: float = 0.0

    @property
    def up(self) -> float:
        """°C per second under power."""
        return HEATING.get(self.name, HEATING_TOOL)

    @property
    def down(self) -> float:
        """°C per second without power."""
        return COOLING.get(self.name, COOLING_TOOL)

    def advance(self, now: float) -> float:
        """The temperature at `now`, which must not lie before the last one asked for."""
        goal = max(self.target, AMBIENT)
        passed = max(0.0, now - self.at)
        if self.actual < goal:
            self.actual = min(goal, self.actual + self.up * passed)
        else:
            self.actual = max(goal, self.actual - self.down * passed)
        self.at = max(self.at, now)
        return self.actual

    def set(self, target: float, now: float) -> None:
        """Change the target at `now`."""
        self.advance(now)
        self.target = target

    def wait_for(self, target: float, start: float) -> float:
        """Seconds until `target` is reached from `start` °C; cooling is not waited for."""
        return max(0.0, (target - start) / self.up)

    def force(self, actual: float, now: float) -> None:
        """Be this hot at `now`."""
        self.actual, self.at = actual, now
