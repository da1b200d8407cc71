"""Marlin 1.1 and 2.1 as they speak on the wire."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from buildplate_sim.firmware.dialect import (
    Dialect,
    Line,
    Refusal,
    Setup,
    after_number,
    checksum,
    number_at,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildplate_sim.firmware.pose import Pose
    from buildplate_sim.firmware.thermal import Heater

_PLAIN = re.compile(rb"N(\d{1,9}) (G[01] [^;*\\\x08]{1,70})\*(\d{1,3})")
KILLED = "Error:Printer halted. kill() called!"
STEPS = (80.0, 80.0, 400.0)
CAUSES = {
    "power": "PowerUp",
    "external": " External Reset",
    "brown-out": " Brown out Reset",
    "watchdog": " Watchdog Reset",
    "software": " Software Reset",
}
ERRORS = {
    "heating failed": "Heating failed",
    "runaway": "Thermal Runaway",
    "maxtemp": "MAXTEMP triggered",
    "mintemp": "MINTEMP triggered",
}


def heater_words(
    heaters: dict[str, Heater], tool: int, duty_of: float, decimals: int = 2
) -> tuple[str, str]:
    """`T:21.30 /0.00 B:…` and `@:0 B@:0` of all heaters, in Marlin's order."""
    temps, duties = [], []
    tools = [name for name in heaters if name.startswith("tool")]

    def pair(name: str) -> str:
        heater = heaters[name]
        return f"{heater.reading:.2f} /{heater.target:.{decimals}f}"

    if tools:
        temps.append(f"T:{pair(f'tool{tool}')}")
        duties.append(f"@:{round(heaters[f'tool{tool}'].duty * duty_of)}")
    if "bed" in heaters:
        temps.append(f"B:{pair('bed')}")
        duties.append(f"B@:{round(heaters['bed'].duty * duty_of)}")
    if "chamber" in heaters:
        temps.append(f"C:{pair('chamber')}")
        duties.append(f"C@:{round(heaters['chamber'].duty * duty_of)}")
    if len(tools) > 1:
        temps += [f"T{index}:{pair(name)}" for index, name in enumerate(tools)]
        duties += [
            f"@{index}:{round(heaters[name].duty * duty_of)}" for index, name in enumerate(tools)
        ]
    return " ".join(temps), " ".join(duties)


def _at_once(raw: bytes, last: int) -> Line | None:
    """A move with the number that is due, as nearly every line is; None: look closely."""
    plain = _PLAIN.fullmatch(raw)
    if plain is None or int(plain[1]) != last + 1:
        return None
    return Line(last + 1, plain[2]) if int(plain[3]) == checksum(raw[: plain.end(2)]) else None


class Marlin(Dialect):
    """What Marlin 1.1 and 2.1 have in common."""

    def judge(self, raw: bytes, last: int) -> Line | Refusal | None:
        """Line number first, then checksum, as Marlin does; M110 may carry any number."""
        return _at_once(raw, last) or self._judge_slowly(raw, last)

    def _judge_slowly(self, raw: bytes, last: int) -> Line | Refusal | None:
        line = raw.partition(b";")[0][: self.line_limit - 1].lstrip(b" ")
        if not line.strip():
            return None
        if line[:1] != b"N":
            return self.judge_plain(line, last)
        is_m110 = b"M110" in line
        at = line.find(b"N", 5) if is_m110 else 0
        number = number_at(line[at + 1 :] if at > 0 else line[1:])
        if number != last + 1 and not is_m110:
            return self._refused("Line Number is not Last Line Number+1, Last Line: ", last)
        star = line.rfind(b"*")
        if star < 0:
            return self._refused("No Checksum with line number, Last Line: ", last)
        if number_at(line[star + 1 :]) != checksum(line[:star]):
            return self._refused("checksum mismatch, Last Line: ", last)
        return Line(number, after_number(line[:star]))

    def judge_plain(self, line: bytes, last: int) -> Line | Refusal:  # noqa: ARG002 -- 1.x refuses some
        """A line without a number."""
        return Line(None, line.partition(b"*")[0].strip())

    def _refused(self, why: str, last: int) -> Refusal:
        says = [f"Error:{why}{last}", f"Resend: {last + 1}"]
        with_ok = self.setup.resend_ok is not False
        return Refusal((*says, "ok") if with_ok else tuple(says), flush=True)

    def ok(self, number: int | None, planner_free: int, queue_free: int) -> str:
        """`ok`, or `ok N12 P15 B3` with ADVANCED_OK."""
        if not self.setup.advanced_ok:
            return "ok"
        shown = "" if number is None else f" N{number}"
        return f"ok{shown} P{planner_free} B{queue_free}"

    def temperatures(self, heaters: dict[str, Heater], tool: int) -> str:
        """`T:21.30 /0.00 B:21.30 /0.00 @:0 B@:0`."""
        return " ".join(heater_words(heaters, tool, 127))

    def waiting(self, heaters: dict[str, Heater], tool: int, left: int | None) -> str:
        """A report, and the seconds that the temperature must still hold."""
        shown = "?" if left is None else str(left)
        return f"{self.temperatures(heaters, tool)} W:{shown}"

    def position(self, pose: Pose) -> Sequence[str]:
        """`X:0.00 Y:0.00 Z:0.00 E:0.00 Count X:0 Y:0 Z:0`."""
        x, y, z, e = pose.logical
        counts = (round(mm * steps) for mm, steps in zip(pose.machine[:3], STEPS, strict=True))
        a, b, c = counts
        return [f"X:{x:.2f} Y:{y:.2f} Z:{z:.2f} E:{e:.2f} Count X:{a} Y:{b} Z:{c}"]

    def unknown(self, line: str) -> Sequence[str]:
        """`echo:Unknown command: "G999"`."""
        return [f'echo:Unknown command: "{line}"']

    def card(self, code: str, rest: str) -> Sequence[str]:
        """An empty list, or that there is no card."""
        said = {
            "M20": ["Begin file list", "End file list"],
            "M21": ["echo:No SD card"],
            "M23": [f"open failed, File: {rest}."],
            "M27": ["Not SD printing"],
        }
        return said.get(code, ["echo:No SD card"])

    def killed(self, why: str) -> Sequence[str]:
        """What kill() says."""
        return [*([why] if why else []), KILLED]

    def thermal_error(self, kind: str, heater: str) -> str:
        """`Error:Thermal Runaway, system stopped! Heater_ID: 0`."""
        shown = heater.removeprefix("tool")
        return f"Error:{ERRORS[kind]}, system stopped! Heater_ID: {self.heater_id(shown)}"

    def heater_id(self, shown: str) -> str:
        """How an error names a heater."""
        return shown


class Marlin1(Marlin):
    """Marlin 1.1.9: no emergency parser, no host prompts."""

    name = "marlin1"
    absent = frozenset({"M876", "M73"})

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self.autoreport = setup.autoreport is not False

    def banner(self, cause: str) -> Sequence[str]:
        """From `start` to the settings."""
        return [
            "start",
            *([CAUSES[cause]] if cause in CAUSES else []),
            "echo:Marlin 1.1.9",
            "",
            "echo: Last Updated: 2018-07-31 12:00 | Author: (none, default config)",
            "echo:Compiled: Aug  1 2018",
            "echo: Free Memory: 4561  PlannerBufferBytes: 1232",
            "echo:Hardcoded Default Settings Loaded",
            *([] if self.setup.sd_card else ["echo:SD init fail"]),
        ]

    def identity(self) -> Sequence[str]:
        """The name and what it can do."""
        flags = {
            "SERIAL_XON_XOFF": False,
            "EEPROM": False,
            "VOLUMETRIC": True,
            "AUTOREPORT_TEMP": self.autoreport,
            "PROGRESS": False,
            "PRINT_JOB": True,
            "AUTOLEVEL": False,
            "Z_PROBE": False,
            "LEVELING_DATA": False,
            "BUILD_PERCENT": False,
            "SOFTWARE_POWER": False,
            "TOGGLE_LIGHTS": False,
            "CASE_LIGHT_BRIGHTNESS": False,
            "EMERGENCY_PARSER": self.emergency_parser,
        }
        return [
            (
                "FIRMWARE_NAME:Marlin 1.1.9 (Github) "
                "SOURCE_CODE_URL:https://github.com/MarlinFirmware/Marlin PROTOCOL_VERSION:1.0 "
                f"MACHINE_TYPE:{self.setup.machine} EXTRUDER_COUNT:{self.setup.tools} "
                "UUID:cede2a2f-41a2-4748-9b12-c55c62f367ff"
            ),
            *(f"Cap:{name}:{int(flag)}" for name, flag in flags.items()),
        ]


class Marlin2(Marlin):
    """Marlin 2.1: capability report, auto-report, emergency parser, host prompts."""

    name = "marlin2"

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self.emergency_parser = setup.emergency_parser is not False
        self.autoreport = setup.autoreport is not False
        self.host_actions = setup.host_actions is not False

    def banner(self, cause: str) -> Sequence[str]:
        """From `start` to the settings."""
        return [
            "start",
            *([CAUSES[cause]] if cause in CAUSES else []),
            "Marlin 2.1.2.1",
            "echo: Last Updated: 2023-06-12 | Author: (none, default config)",
            "echo: Compiled: Jun 12 2023",
            "echo: Free Memory: 3653  PlannerBufferBytes: 1200",
            "echo:Hardcoded Default Settings Loaded",
            "echo:; Linear Units:",
            "echo:  G21 ; (mm)",
            "echo:; Temperature Units:",
            "echo:  M149 C ; Units in Celsius",
            "echo:; Steps per unit:",
            "echo:  M92 X80.00 Y80.00 Z400.00 E500.00",
            *([] if self.setup.sd_card else ["echo:No SD card"]),
        ]

    def identity(self) -> Sequence[str]:
        """The name and what it can do."""
        setup = self.setup
        flags = {
            "SERIAL_XON_XOFF": False,
            "BINARY_FILE_TRANSFER": False,
            "EEPROM": False,
            "VOLUMETRIC": True,
            "AUTOREPORT_POS": False,
            "AUTOREPORT_TEMP": self.autoreport,
            "PROGRESS": False,
            "PRINT_JOB": True,
            "AUTOLEVEL": False,
            "RUNOUT": False,
            "Z_PROBE": False,
            "LEVELING_DATA": False,
            "BUILD_PERCENT": False,
            "SOFTWARE_POWER": False,
            "TOGGLE_LIGHTS": False,
            "CASE_LIGHT_BRIGHTNESS": False,
            "EMERGENCY_PARSER": self.emergency_parser,
            "HOST_ACTION_COMMANDS": self.host_actions,
            "PROMPT_SUPPORT": self.host_actions,
            "SDCARD": setup.sd_card,
            "REPEAT": False,
            "SD_WRITE": setup.sd_card,
            "AUTOREPORT_SD_STATUS": False,
            "LONG_FILENAME": False,
            "THERMAL_PROTECTION": setup.thermal_protection,
            "MOTION_MODES": False,
            "ARCS": True,
            "BABYSTEPPING": True,
            "CHAMBER_TEMPERATURE": setup.chamber,
            "COOLER_TEMPERATURE": False,
            "MEATPACK": False,
        }
        return [
            (
                "FIRMWARE_NAME:Marlin 2.1.2.1 (Jun 12 2023 12:00:00) "
                "SOURCE_CODE_URL:github.com/MarlinFirmware/Marlin PROTOCOL_VERSION:1.0 "
                f"MACHINE_TYPE:{setup.machine} EXTRUDER_COUNT:{setup.tools} "
                "UUID:cede2a2f-41a2-4748-9b12-c55c62f367ff"
            ),
            *(f"Cap:{name}:{int(flag)}" for name, flag in flags.items()),
        ]

    def runout(self) -> Sequence[str]:
        """The prompt, and what the host is asked to do."""
        if not self.host_actions:
            return []
        return [
            "//action:prompt_end",
            "//action:prompt_begin FilamentRunout T0",
            "//action:prompt_show",
            "//action:pause",
            "//action:out_of_filament T0",
        ]

    def heater_id(self, shown: str) -> str:
        """`E0`, `bed`, `chamber`."""
        return f"E{shown}" if shown.isdigit() else shown
