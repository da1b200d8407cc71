"""Smoothieware as it speaks on the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildplate_sim.firmware.dialect import Dialect, Line, Refusal, checksum, number_at

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildplate_sim.firmware.pose import Pose
    from buildplate_sim.firmware.thermal import Heater

LETTERS = {"bed": "B", "chamber": "C"}


class Smoothie(Dialect):
    """Line by line over USB with flow control; it resends with `rs` and halts with `!!`."""

    name = "smoothie"
    rx_buffer = 0
    queue = 1
    planner = 32
    line_limit = 132
    boot_s = 1.0
    resets_on_open = False
    busy_s = None
    cold_below = 0.0
    first_number = -1
    kill_halts = True
    in_ok = frozenset({"M105", "M114"})
    acks_early = frozenset({"G1"})
    halted_allows = frozenset(
        {"M2", "M5", "M9", "M30", "M105", "M114", "M119", "M80", "M81", "M911", "M503", "M106"}
        | {"M107"}
    )
    ends = "\r\n"
    absent = frozenset({"M108", "M410", "M876", "M155", "M290", "M73", "M118"})

    def judge(self, raw: bytes, last: int) -> Line | Refusal | None:
        """A wrong sum and a wrong number get the same request; what has no number is believed."""
        line = raw.strip()
        first = line[:1]
        if first in b";(":
            return Refusal(("ok",))
        if first == b"$" or first.islower():
            return None
        if first == b"N":
            return self._numbered(line, last)
        return Line(None, _without_comment(line.partition(b"*")[0]))

    def _numbered(self, line: bytes, last: int) -> Line | Refusal:
        star = line.find(b"*")
        body = line if star < 0 else line[:star]
        text = body.lstrip(b"N0123456789.,- ")
        number = number_at(line[1:])
        if text.startswith(b"M110") and not text[4:5].isdigit():
            return Line(number, text)
        wrong = star >= 0 and number_at(line[star + 1 :]) != checksum(body)
        if wrong or number != last + 1:
            return Refusal((f"rs N{last + 1}",))
        return Line(number, _without_comment(text))

    def banner(self, cause: str) -> Sequence[str]:  # noqa: ARG002 -- it does not tell why
        """Its name and an `ok`."""
        return ["Smoothie", "ok"]

    def ok(self, number: int | None, planner_free: int, queue_free: int) -> str:  # noqa: ARG002 -- others tell
        """A bare `ok`."""
        return "ok"

    def identity(self) -> Sequence[str]:
        """One line with commas."""
        return [
            (
                "FIRMWARE_NAME:Smoothieware, FIRMWARE_URL:http%3A//smoothieware.org, "
                "X-SOURCE_CODE_URL:https://github.com/Smoothieware/Smoothieware, "
                "FIRMWARE_VERSION:edge-94de12c, X-FIRMWARE_BUILD_DATE:Oct 28 2019 12:00:00, "
                "X-SYSTEM_CLOCK:120MHz, X-AXES:4, X-GRBL_MODE:0, X-CNC:0, X-MSD:1"
            )
        ]

    def temperatures(self, heaters: dict[str, Heater], tool: int) -> str:  # noqa: ARG002 -- all are told
        """`T:21.3 /0.0 @0 B:21.4 /0.0 @0`, tools as T, T1, T2."""
        said = []
        for name, heater in heaters.items():
            number = name.removeprefix("tool")
            letter = LETTERS.get(name) or ("T" if number == "0" else f"T{number}")
            duty = round(heater.duty * 255)
            said.append(f"{letter}:{heater.reading:.1f} /{heater.target:.1f} @{duty}")
        return " ".join(said) + " "

    def waiting(self, heaters: dict[str, Heater], tool: int, left: int | None) -> str:  # noqa: ARG002 -- others count down
        """The report of M105 without the `ok`."""
        return self.temperatures(heaters, tool)

    def position(self, pose: Pose) -> Sequence[str]:
        """`C: X:0.0000 Y:0.0000 Z:0.0000 E:0.0000`."""
        x, y, z, e = pose.logical
        return [f"C: X:{x:.4f} Y:{y:.4f} Z:{z:.4f} E:{e:.4f}"]

    def unknown(self, line: str) -> Sequence[str]:  # noqa: ARG002 -- whatever it was
        """Nothing: no module has taken it, and it is `ok`."""
        return []

    def card(self, code: str, rest: str) -> Sequence[str]:
        """The card is there and empty."""
        said = {
            "M20": ["Begin file list", "End file list"],
            "M21": ["SD card ok"],
            "M23": [f"open failed, File: {rest}."],
            "M27": ["Not SD printing"],
        }
        return said.get(code, [])

    def killed(self, why: str) -> Sequence[str]:
        """M112's answer, or the reason of a halt."""
        if why:
            return [why, "HALT asserted - reset or M999 required"]
        return ["ok Emergency Stop Requested - reset or M999 required to exit HALT state"]

    def thermal_error(self, kind: str, heater: str) -> str:
        """Which sensor, and that the board has halted."""
        letter = LETTERS.get(heater, "T")
        if kind in {"maxtemp", "mintemp"}:
            return f"ERROR: MINTEMP or MAXTEMP triggered on {letter}. Check temperature sensors!"
        return f"ERROR: Temperature runaway on {letter} (delta temp 21.00)"


def _without_comment(text: bytes) -> bytes:
    for mark in (b";", b"("):
        text = text.partition(mark)[0]
    return text.strip()
