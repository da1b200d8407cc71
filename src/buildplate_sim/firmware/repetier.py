"""Repetier-Firmware 0.92 and 1.0 as they speak on the wire."""

from __future__ import annotations

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

SKIPPED = 14
"""Lines out of order that are passed over in silence after a resend was asked for."""

CAUSES = {
    "power": "PowerUp",
    "external": "External Reset",
    "brown-out": "Brown out Reset",
    "watchdog": "Watchdog Reset",
    "software": "Software Reset",
}
DECOUPLED = "Error:One heater seems decoupled from thermistor - disabling all for safety!"


class Repetier(Dialect):
    """What 0.92 and 1.0 have in common: answers at once, with the line's number."""

    rx_buffer = 128
    queue = 2
    planner = 16
    acks_on_receipt = True
    wait_s = 1.0
    nag_s = 0.2
    in_ok = frozenset()
    ends = "\r\n"
    version = ""
    kill_resets = True
    thermal_kills = False
    absent = frozenset({"M108", "M410", "M600", "M876", "M290", "M73"})

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self._skipping = -1

    def judge(self, raw: bytes, last: int) -> Line | Refusal | None:
        """The checksum first; then the number, of which only the low 16 bits count."""
        line = raw.partition(b";")[0].strip()
        if not line:
            return None
        star = line.rfind(b"*")
        body = line if star < 0 else line[:star]
        if star >= 0 and number_at(line[star + 1 :]) != checksum(body):
            return self._resend(last, "Error:Wrong checksum")
        if body[:1] != b"N":
            self._skipping = -1
            return Line(None, body)
        if star < 0:
            return self._resend(last, "Error:Missing checksum")
        return self._numbered(body, last)

    def _numbered(self, body: bytes, last: int) -> Line | Refusal:
        text, number = after_number(body), number_at(body[1:])
        if text.startswith(b"M110"):
            self._skipping = -1
            again = text.find(b"N")
            return Line(number if again < 0 else number_at(text[again + 1 :]), text)
        if (last + 1) & 0xFFFF != number & 0xFFFF:
            if self._skipping >= 0:
                self._skipping -= 1
                return Refusal((f"skip {number}", "ok"))
            return self._resend(last, f"Error:expected line {last + 1} got {number}")
        self._skipping = -1
        return Line(number, text)

    def _resend(self, last: int, why: str) -> Refusal:
        self._skipping = SKIPPED
        return Refusal((why, *self.nag(last)), flush=True)

    def nag(self, last: int) -> Sequence[str]:
        """The request for a line, again and again until it comes."""
        return ["", f"Resend:{last + 1}", "ok"]

    def banner(self, cause: str) -> Sequence[str]:
        """`start`, why, and the memory."""
        self._skipping = -1
        shown = [f"Info:{CAUSES[cause]}"] if cause in CAUSES else []
        return ["start", *shown, "Free RAM:92960", "SelectExtruder:0", "FlowMultiply:100"]

    def ok(self, number: int | None, planner_free: int, queue_free: int) -> str:  # noqa: ARG002 -- others tell
        """`ok 12`; a bare one where the line had no number."""
        return "ok" if number is None else f"ok {number}"

    def identity(self) -> Sequence[str]:
        """One line."""
        return [self._name()]

    def _name(self) -> str:
        return (
            f"FIRMWARE_NAME:Repetier_{self.version} "
            "FIRMWARE_URL:https://github.com/repetier/Repetier-Firmware/ PROTOCOL_VERSION:1.0 "
            f"MACHINE_TYPE:{self.setup.machine} EXTRUDER_COUNT:{self.setup.tools} "
            "REPETIER_PROTOCOL:3"
        )

    def temperatures(self, heaters: dict[str, Heater], tool: int) -> str:
        """`T:21.30 /0 B:21.30 /0 B@:0 @:0`."""
        tools = [name for name in heaters if name.startswith("tool")]
        said = []
        if tools:
            here = heaters[f"tool{tool}"]
            said.append(f"T:{here.reading:.2f} /{here.target:.0f}")
        if "bed" in heaters:
            bed = heaters["bed"]
            said += [f"B:{bed.reading:.2f} /{bed.target:.0f}", f"B@:{round(bed.duty * 255)}"]
        if tools:
            said.append(f"@:{round(heaters[f'tool{tool}'].duty * 255)}")
        if len(tools) > 1:
            for index, name in enumerate(tools):
                one = heaters[name]
                said.append(f"T{index}:{one.reading:.2f} /{one.target:.0f}")
                said.append(f"@{index}:{round(one.duty * 255)}")
        return " ".join(said)

    def waiting(self, heaters: dict[str, Heater], tool: int, left: int | None) -> str:  # noqa: ARG002 -- others count down
        """The report that M105 gives, too."""
        return self.temperatures(heaters, tool)

    def position(self, pose: Pose) -> Sequence[str]:
        """`X:0.00 Y:0.00 Z:0.000 E:0.0000`."""
        x, y, z, e = pose.logical
        return [f"X:{x:.2f} Y:{y:.2f} Z:{z:.3f} E:{e:.4f}"]

    def unknown(self, line: str) -> Sequence[str]:
        """`Unknown command:G999`."""
        return [f"Unknown command:{line}"]

    def busy(self, reason: str) -> str:  # noqa: ARG002 -- it knows one reason
        """`busy:processing`."""
        return "busy:processing"

    def card(self, code: str, rest: str) -> Sequence[str]:
        """An empty list, or that nothing is printed from it."""
        said = {
            "M20": ["Begin file list", "End file list"],
            "M21": ["SD init fail"],
            "M23": [f"file.open failed{rest}"],
            "M27": ["Not SD printing"],
        }
        return said.get(code, ["SD init fail"])

    def killed(self, why: str) -> Sequence[str]:
        """Nothing: it starts anew at once."""
        return [why] if why else []

    def thermal_error(self, kind: str, heater: str) -> str:
        """The heaters are off, and the board goes on in dry-run mode."""
        if kind in {"maxtemp", "mintemp"}:
            named = "heated bed" if heater == "bed" else f"extruder {heater.removeprefix('tool')}"
            return f"Error:{named}: temp sensor defect"
        return DECOUPLED

    def after_thermal(self) -> Sequence[str]:
        """What follows the error."""
        return ["Error:Printer set into dry run mode until restart!"]


class Repetier092(Repetier):
    """Repetier-Firmware 0.92.9."""

    name = "repetier-0.92"
    version = "0.92.9"
    absent = Repetier.absent | {"M155"}


class Repetier1(Repetier):
    """Repetier-Firmware 1.0.4: auto-report and a capability report."""

    name = "repetier-1.0"
    version = "1.0.4"

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self.autoreport = setup.autoreport is not False
        self.host_actions = bool(setup.host_actions)

    def identity(self) -> Sequence[str]:
        """The name and what it can do."""
        flags = {
            "PROGRESS": True,
            "AUTOREPORT_TEMP": self.autoreport,
            "EEPROM": True,
            "TOGGLE_LIGHTS": False,
            "Z_PROBE": False,
            "AUTOLEVEL": False,
            "SOFTWARE_POWER": False,
            "PAUSESTOP": True,
            "PREHEAT": True,
        }
        return [self._name(), *(f"Cap:{name}:{int(flag)}" for name, flag in flags.items())]

    def thermal_error(self, kind: str, heater: str) -> str:
        """1.0 calls it fatal, and wants M999."""
        why = super().thermal_error(kind, heater).removeprefix("Error:")
        return f"fatal:{why} Use M999 to restart!"

    def after_thermal(self) -> Sequence[str]:
        """Asks the host to end its print."""
        return ["RequestStop:"]
