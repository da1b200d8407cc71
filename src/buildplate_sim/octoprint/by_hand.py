"""What people can do through a simulated OctoPrint at its printer: the physical side of it."""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from buildplate_sim.octoprint.host import Host

AXES = ("x", "y", "z")
KEPT_LINES = 300
_WORD = re.compile(r"([A-Z])(-?\d+(?:\.\d+)?)")


class ByHand:
    """Where the head is, what was pushed by hand, and the lines of the serial log."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self.position = dict.fromkeys(AXES, 0.0)
        self.homed: set[str] = set()
        self.filament_mm = 0.0
        self.fan = 0.0
        self.speed = self.flow = 100.0
        self.log: deque[str] = deque(maxlen=KEPT_LINES)
        self.logged = 0

    def show(self) -> dict[str, Any]:
        """The truth about it."""
        return {
            "position": self.position,
            "homed": sorted(self.homed),
            "filament_mm": self.filament_mm,
            "fan": self.fan,
            "speed": self.speed,
            "flow": self.flow,
        }

    def home(self, axes: Iterable[str]) -> None:
        """Send axes to their end stops."""
        named = [axis for axis in AXES if axis in axes]
        self.homed.update(named)
        self.position.update(dict.fromkeys(named, 0.0))
        self._did("home", axes=named)
        self.send(f"G28 {' '.join(f'{axis.upper()}0' for axis in named)}")

    def jog(self, by: Mapping[str, float]) -> None:
        """Move the head from where it is."""
        for axis, distance in by.items():
            self.position[axis] += distance
        self._did("jog", by=dict(by))
        words = " ".join(f"{axis.upper()}{distance:g}" for axis, distance in by.items())
        for line in ("G91", f"G0 {words}", "G90"):
            self.send(line)

    def extrude(self, length: float) -> None:
        """Push filament: what comes out lies on the bed."""
        self.filament_mm += length
        if length > 0:
            self._host.machine.occupy_bed()
        self._did("extrude", length=length)
        for line in ("G91", "M83", f"G1 E{length:g}", "M82", "G90"):
            self.send(line)

    def pace(self, what: str, percent: float) -> None:
        """Set the speed or the flow of whatever is printed."""
        setattr(self, what, percent)
        self._did("pace", **{what: percent})
        self.send(f"{'M220' if what == 'speed' else 'M221'} S{percent:g}")

    def heat(self, heater: str, target: float) -> None:
        """Set a heater's target."""
        self._host.machine.heat(heater, target)
        self._did("heat", heater=heater, target=target)
        self.send(f"{'M140' if heater == 'bed' else 'M104'} S{target:g}")

    def codes(self, lines: Iterable[str]) -> None:
        """G-code as it comes: fans and heaters are obeyed, all else only noted."""
        for line in lines:
            words = dict(_WORD.findall(line.upper()))
            code = line.split(maxsplit=1)[0].upper() if line.strip() else ""
            kind = "gcode"
            if code in {"M106", "M107"}:
                kind = "fan"
                self.fan = float(words.get("S", 255)) / 255 if code == "M106" else 0.0
            elif code in {"M104", "M109", "M140", "M190"} and "S" in words:
                kind = "heat"
                heater = "bed" if code in {"M140", "M190"} else "tool0"
                self._host.machine.heat(heater, float(words["S"]))
            self._did(kind, line=line)
            self.send(line)

    def send(self, line: str) -> None:
        """Note a line that goes to the printer, and its answer."""
        self._log(f"Send: {line}")
        self._log("Recv: ok")

    def since(self, number: int) -> list[str]:
        """The lines of the log after so many."""
        new = self.logged - number
        return list(self.log)[-new:] if new > 0 else []

    def _log(self, line: str) -> None:
        self.log.append(line)
        self.logged += 1

    def _did(self, order: str, **facts: Any) -> None:
        self._host.journal.write("order", order=order, **facts)
