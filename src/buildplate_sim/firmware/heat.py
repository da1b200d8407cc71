"""The heaters of a board, and the firmware's own watch over them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildplate_sim.firmware.thermal import BED, CHAMBER, HOTEND, OPEN_SENSOR, Heater

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildplate_sim.firmware.board import Parts

HEATING_WITHIN_S = {"tool": 20.0, "bed": 60.0, "chamber": 120.0}
RISE = {"tool": 2.0, "bed": 2.0, "chamber": 2.0}
ASTRAY_S = {"tool": 40.0, "bed": 20.0, "chamber": 40.0}
HYSTERESIS = {"tool": 4.0, "bed": 2.0, "chamber": 3.0}
MIN_TEMP = 0.0


class _Guard:
    """Marlin's two watches over a heater: it must warm up, and it must then stay near."""

    def __init__(self, heater: Heater) -> None:
        self.heater = heater
        self.kind = heater.name.rstrip("0123456789")
        self.rise_by = float("inf")
        self.rise_to = 0.0
        self.reached = False
        self.astray_since: float | None = None

    def begin(self, now: float) -> None:
        """A new target."""
        heater = self.heater
        self.reached, self.astray_since = False, None
        self.rise_by = float("inf")
        if heater.target > heater.reading + RISE[self.kind] + HYSTERESIS[self.kind] + 1:
            self.rise_to = heater.reading + RISE[self.kind]
            self.rise_by = now + HEATING_WITHIN_S[self.kind]

    def trouble(self, now: float) -> str | None:
        """What a firmware would stop for."""
        heater = self.heater
        if heater.reading > heater.build.max_temp:
            return "maxtemp"
        if heater.reading < MIN_TEMP:
            return "mintemp"
        return self._astray(now) if heater.target > 0 else None

    def _astray(self, now: float) -> str | None:
        heater = self.heater
        if now > self.rise_by:
            if heater.reading < self.rise_to:
                return "heating failed"
            self.begin(now)
        if not self.reached:
            self.reached = heater.reading >= heater.target
            return None
        if heater.reading >= heater.target - HYSTERESIS[self.kind]:
            self.astray_since = None
            return None
        if self.astray_since is None:
            self.astray_since = now
        return "runaway" if now - self.astray_since > ASTRAY_S[self.kind] else None


class Heat:
    """All heaters. Temperatures in °C, times in simulated seconds."""

    def __init__(self, parts: Parts, tools_off: Callable[[], None]) -> None:
        self._pulse = parts.pulse
        self._cold_below = parts.dialect.cold_below
        self._tools_off = tools_off
        setup, now = parts.dialect.setup, parts.pulse.now
        self.heaters = {f"tool{n}": Heater(f"tool{n}", HOTEND, at=now) for n in range(setup.tools)}
        if setup.bed:
            self.heaters["bed"] = Heater("bed", BED, at=now)
        if setup.chamber:
            self.heaters["chamber"] = Heater("chamber", CHAMBER, at=now)
        self._guards = {name: _Guard(heater) for name, heater in self.heaters.items()}
        self.on_heat: Callable[[], None] | None = None

    def now(self) -> dict[str, Heater]:
        """The heaters as they are now."""
        now = self._pulse.now
        for heater in self.heaters.values():
            heater.advance(now)
        return self.heaters

    def aim(self, name: str, target: float) -> None:
        """A new target."""
        now = self._pulse.now
        self.heaters[name].set(max(0.0, target), now)
        self._guards[name].begin(now)
        self._warmed()
        if target <= 0 and name.startswith("tool") and not self._any_tool_wanted():
            self._tools_off()

    def cool(self) -> bool:
        """All heaters off; whether any was on."""
        on = [name for name, heater in self.heaters.items() if heater.target > 0]
        for name in on:
            self.aim(name, 0.0)
        return bool(on)

    def _any_tool_wanted(self) -> bool:
        return any(h.target > 0 for name, h in self.heaters.items() if name.startswith("tool"))

    def cold(self, tool: int) -> bool:
        """Whether a tool is too cold to push filament."""
        heater = self.heaters.get(f"tool{tool}")
        if heater is None or self._cold_below <= 0:
            return False
        heater.advance(self._pulse.now)
        return heater.reading < self._cold_below

    def trouble(self) -> tuple[str, str] | None:
        """What a firmware's protection stops for, and where."""
        self.now()
        now = self._pulse.now
        for name, guard in self._guards.items():
            kind = guard.trouble(now)
            if kind is not None:
                return kind, name
        return None

    def risky(self) -> bool:
        """Whether a heater is on, or not what it should be: then the firmware has to watch."""
        return any(
            h.target > 0 or h.failed or h.runaway or h.detached or h.stuck is not None
            for h in self.heaters.values()
        )

    def _warmed(self) -> None:
        if self.on_heat is not None and self.risky():
            self.on_heat()

    def spoil(self, name: str, fault: str, value: float | None = None) -> None:
        """A heater's fault; `none` mends it. `stuck` and `open` are the sensor's."""
        heater = self.now()[name]
        heater.failed = fault == "failed"
        heater.runaway = fault == "runaway"
        heater.detached = fault == "detached"
        heater.stuck = None
        if fault == "stuck":
            heater.stuck = heater.reading if value is None else value
        elif fault == "open":
            heater.stuck = OPEN_SENSOR
        self._warmed()

    def forget(self) -> None:
        """The board has lost its power or has stopped: nothing is heated any more."""
        for heater in self.now().values():
            heater.forget()
        for guard in self._guards.values():
            guard.begin(self._pulse.now)
