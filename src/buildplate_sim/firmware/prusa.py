"""Prusa's firmware for the MK3 (3.13, built on Marlin 1) as it speaks on the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildplate_sim.firmware.dialect import Line, Refusal, Setup, after_number, checksum, number_at
from buildplate_sim.firmware.marlin import Marlin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildplate_sim.firmware.thermal import Heater

VERSION = "3.13.3-7094"


class Prusa(Marlin):
    """Resets when its port is opened; switches heaters off by itself; drops lines when stopped."""

    name = "prusa"
    rx_buffer = 128
    queue = 5
    planner = 16
    boot_s = 2.5
    safety_timer_s = 1800.0
    thermal_stops = True
    absent = frozenset({"M108", "M410", "M876"})

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self.autoreport = setup.autoreport is not False
        self.host_actions = setup.host_actions is not False

    def judge(self, raw: bytes, last: int) -> Line | Refusal | None:
        """As Marlin 1, but a sum without a number is refused, and M110 takes the line's number."""
        line = raw.partition(b";")[0][: self.line_limit - 1]
        if not line.strip():
            return None
        if line[:1] == b"N":
            return self._numbered(line, last)
        if b"*" in line:
            return self._refused("No Line Number with checksum, Last Line: ", last)
        return Line(None, line.strip())

    def _numbered(self, line: bytes, last: int) -> Line | Refusal:
        star = line.find(b"*")
        number, text = number_at(line[1:]), after_number(line)
        if number != last + 1 and not text.startswith(b"M110"):
            return self._refused("Line Number is not Last Line Number+1, Last Line: ", last)
        if star < 0:
            return self._refused("No Checksum with line number, Last Line: ", last)
        if number_at(line[star + 1 :]) != checksum(line[:star]):
            return self._refused("checksum mismatch, Last Line: ", last)
        return Line(number, after_number(line[:star]))

    def banner(self, cause: str) -> Sequence[str]:  # noqa: ARG002 -- it does not tell why
        """From `start` to the card."""
        return [
            "start",
            f"echo: {VERSION}",
            "echo: Last Updated: Feb  9 2024 12:00:00 | Author: (none, default config)",
            "Compiled: Feb  9 2024",
            "echo: Free Memory: 2451  PlannerBufferBytes: 1760",
            "echo:Stored settings retrieved",
            "adc_init",
            "CrashDetect ENABLED!",
            "Sending 0xFF",
            "echo:SD init fail",
        ]

    def identity(self) -> Sequence[str]:
        """The name and what it can do."""
        flags = {
            "AUTOREPORT_TEMP": self.autoreport,
            "AUTOREPORT_FANS": True,
            "AUTOREPORT_POSITION": True,
            "EXTENDED_M20": True,
            "PRUSA_MMU2": False,
        }
        return [
            (
                f"FIRMWARE_NAME:Prusa-Firmware {VERSION} based on Marlin "
                "FIRMWARE_URL:https://github.com/prusa3d/Prusa-Firmware PROTOCOL_VERSION:1.0 "
                f"MACHINE_TYPE:Prusa i3 MK3S EXTRUDER_COUNT:{self.setup.tools} "
                "UUID:00000000-0000-0000-0000-000000000000"
            ),
            *(f"Cap:{name}:{int(flag)}" for name, flag in flags.items()),
        ]

    def temperatures(self, heaters: dict[str, Heater], tool: int) -> str:
        """`T:21.3 /0.0 B:21.3 /0.0 T0:21.3 /0.0 @:0 B@:0 P:0.0 A:25.0`."""
        said, duties = [], []
        if f"tool{tool}" in heaters:
            here = heaters[f"tool{tool}"]
            said.append(f"T:{here.reading:.1f} /{here.target:.1f}")
            duties.append(f"@:{round(here.duty * 127)}")
        if "bed" in heaters:
            bed = heaters["bed"]
            said.append(f"B:{bed.reading:.1f} /{bed.target:.1f}")
            duties.append(f"B@:{round(bed.duty * 127)}")
        for index in range(self.setup.tools):
            one = heaters[f"tool{index}"]
            said.append(f"T{index}:{one.reading:.1f} /{one.target:.1f}")
        return " ".join([*said, *duties, "P:0.0", "A:25.0"])

    def waiting(self, heaters: dict[str, Heater], tool: int, left: int | None) -> str:
        """`T:180.2 E:0 B:60.0`, and how long it must still hold."""
        here = heaters[f"tool{tool}"]
        shown = "?" if left is None else str(left)
        bed = f" B:{heaters['bed'].reading:.1f}" if "bed" in heaters else ""
        return f"T:{here.reading:.1f} E:{tool}{bed} W:{shown}"

    def thermal_error(self, kind: str, heater: str) -> str:
        """It stops and pauses the host; lines are dropped from then on."""
        where = "BED" if heater == "bed" else "HOTEND"
        words = {
            "heating failed": f"PREHEAT ERROR ( {where})",
            "runaway": f"THERMAL RUNAWAY ( {where})",
            "maxtemp": f"MAXTEMP {where} triggered!",
            "mintemp": f"MINTEMP {where} triggered!",
        }
        return f"Error:{words[kind]}"

    def after_thermal(self) -> Sequence[str]:
        """What the host is asked to do."""
        return ["// action:cancel"] if self.host_actions else []
