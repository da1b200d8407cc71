"""What tells one firmware from another on the wire: checks, answers, reports and their words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildplate_sim.firmware.pose import Pose
    from buildplate_sim.firmware.thermal import Heater


@dataclass(frozen=True, slots=True)
class Line:
    """A line that passed the checks."""

    number: int | None
    text: bytes


@dataclass(frozen=True, slots=True)
class Refusal:
    """A line that did not pass: what is said of it, and what else it costs.

    `flush`: whatever waits in the receive buffer is thrown away with it.
    """

    says: tuple[str, ...]
    flush: bool = False


@dataclass(frozen=True, slots=True)
class Setup:
    """How a firmware was configured when it was built; None leaves it to the dialect."""

    tools: int = 1
    bed: bool = True
    chamber: bool = False
    advanced_ok: bool | None = None
    emergency_parser: bool | None = None
    autoreport: bool | None = None
    host_actions: bool | None = None
    resend_ok: bool | None = None
    thermal_protection: bool = True
    sd_card: bool = False
    machine: str = "Simulated"


def checksum(line: bytes) -> int:
    """All bytes xor-ed, as every firmware here counts them."""
    folded = int.from_bytes(line, "big")
    width = 8
    while width < len(line) * 8:
        width *= 2
    while width > 8:  # noqa: PLR2004 -- bits of a byte
        width //= 2
        folded = (folded >> width) ^ (folded & ((1 << width) - 1))
    return folded


def number_at(text: bytes) -> int:
    """The integer at the beginning, as C's strtol reads it; 0 where there is none."""
    digits = text.strip()
    end = 1 if digits[:1] in {b"-", b"+"} else 0
    while digits[end : end + 1].isdigit():
        end += 1
    try:
        return int(digits[:end])
    except ValueError:
        return 0


def after_number(text: bytes) -> bytes:
    """What follows `N<digits>` at the beginning of a line."""
    end = 1
    while end < len(text) and (text[end : end + 1].isdigit() or text[end : end + 1] in b"- "):
        end += 1
    return text[end:].strip()


class Dialect:
    """One firmware's habits. Sizes are bytes and commands, times are simulated seconds."""

    name = ""
    rx_buffer = 128
    queue = 4
    planner = 16
    line_limit = 96
    boot_s = 1.5
    resets_on_open = True
    acks_on_receipt = False
    """The answer comes when a line has been taken in, not when it has been carried out."""

    acks_early: frozenset[str] = frozenset()
    """Codes that are answered before they are carried out."""

    kill_resets = False
    """M112 makes the board start anew instead of standing still."""

    kill_halts = False
    """After a kill the board still listens, refuses with `!!`, and M999 ends that."""

    halted_allows: frozenset[str] = frozenset()
    thermal_kills = True
    thermal_stops = False
    """After a thermal error lines are dropped without a word, until a reset."""

    safety_timer_s: float | None = None
    nag_s: float | None = None
    """A resend that is not answered is asked for again after so long."""

    first_number = 0
    """What counts as the last line's number after a start."""

    ends = "\n"
    in_ok: frozenset[str] = frozenset({"M105"})
    """Reports that stand behind `ok` on the same line."""

    absent: frozenset[str] = frozenset()
    """Codes that this firmware does not know."""

    wait_s: float | None = None
    busy_s: float | None = 2.0
    cold_below = 170.0

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.emergency_parser = bool(setup.emergency_parser)
        self.autoreport = bool(setup.autoreport)
        self.host_actions = bool(setup.host_actions)

    # --- taking lines in

    def judge(self, raw: bytes, last: int) -> Line | Refusal | None:
        """What becomes of a line after the one numbered `last`; None: it counts as empty."""
        raise NotImplementedError

    # --- saying things

    def banner(self, cause: str) -> Sequence[str]:
        """What is said after a reset by `cause`: `power`, `external`, `brown-out`, `watchdog`."""
        raise NotImplementedError

    def ok(self, number: int | None, planner_free: int, queue_free: int) -> str:
        """The answer to a command that is done."""
        raise NotImplementedError

    def identity(self) -> Sequence[str]:
        """The answer to M115."""
        raise NotImplementedError

    def temperatures(self, heaters: dict[str, Heater], tool: int) -> str:
        """A temperature report."""
        raise NotImplementedError

    def waiting(self, heaters: dict[str, Heater], tool: int, left: int | None) -> str:
        """What M109 and M190 say once a second."""
        raise NotImplementedError

    def position(self, pose: Pose) -> Sequence[str]:
        """The answer to M114."""
        raise NotImplementedError

    def unknown(self, line: str) -> Sequence[str]:
        """The answer to a command that there is not; it is `ok` all the same."""
        raise NotImplementedError

    def card(self, code: str, rest: str) -> Sequence[str]:
        """What M20 to M27 say where there is a slot and no card."""
        raise NotImplementedError

    def busy(self, reason: str) -> str:
        """A sign of life while a command takes its time."""
        return f"echo:busy: {reason}"

    def killed(self, why: str) -> Sequence[str]:
        """The last words."""
        raise NotImplementedError

    def nag(self, last: int) -> Sequence[str]:  # noqa: ARG002 -- most don't
        """A request for the line after `last`, once more."""
        return []

    def runout(self) -> Sequence[str]:
        """What is said when the filament has run out."""
        return []

    def after_thermal(self) -> Sequence[str]:
        """What follows a thermal error where it does not kill."""
        return []

    def thermal_error(self, kind: str, heater: str) -> str:
        """Why the heaters were cut off: `heating failed`, `runaway`, `maxtemp`, `mintemp`."""
        raise NotImplementedError
