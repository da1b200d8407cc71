"""The cable between a host and a board: its speed, its delays, and what it does to the bytes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from buildplate_sim.firmware.uart import BITS, misread, same_speed

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from buildplate_sim.firmware.board import Board
    from buildplate_sim.firmware.links import Link
    from buildplate_sim.pulse import Pulse
    from buildplate_sim.rules import Rule, RuleBook

LINE_FAULTS = frozenset(
    {"corrupt", "drop", "drop-byte", "duplicate", "delay", "garbage", "storm", "stall"}
    | {"reset", "brown-out", "kill", "unplug"}
)
REPLY_FAULTS = frozenset({"corrupt", "drop", "drop-byte", "duplicate", "delay", "garbage"})
FAULTS = {"line": LINE_FAULTS, "reply": REPLY_FAULTS}
AHEAD_BYTES = 4096
"""Bytes that a paced cable takes from the host ahead of the board, as a driver's buffer does."""

GARBAGE_BYTES = 24
_CODE = re.compile(rb"\s*(?:N\s*-?\d+\s*)?([GMT]\d+)")


class Wire:
    """Carries bytes both ways. `paced`: each byte takes its time at `baud`; `latency` in s.

    All durations are simulated seconds. `baud` is the board's; a host with another one reads and
    writes garbage.
    """

    def __init__(
        self, pulse: Pulse, rules: RuleBook, random: Random, baud: int, latency: float = 0.0,
    ) -> None:  # fmt: skip
        self.baud = baud
        self.latency = latency
        self.paced = False
        self.board: Board | None = None
        self.link: Link | None = None
        self.on_fault: Callable[[str, Rule], None] | None = None
        self.on_open: Callable[[], None] | None = None
        self.on_dtr: Callable[[], None] | None = None
        self.connected = False
        self.opens = 0
        self._pulse = pulse
        self._rules = rules
        self._random = random
        self._part_in = b""
        self._part_out = b""
        self._due_in = self._due_out = 0.0
        self._ahead = 0
        self._epoch = 0
        self._held = False

    # --- ears of the link

    def opened(self) -> None:
        """A host has opened the port."""
        self.connected = True
        self.opens += 1
        self._part_in = self._part_out = b""
        if self.on_open is not None:
            self.on_open()

    def closed(self) -> None:
        """The host is gone; what is on its way to it is lost."""
        self.connected = False

    def dtr(self, *, on: bool) -> None:
        """The host pulls the line that resets many boards."""
        if on and self.on_dtr is not None:
            self.on_dtr()

    def heard(self, data: bytes) -> None:
        """Bytes from the host."""
        data = self._clear(data, inbound=True)
        if not self._rules.rules:
            whole, self._part_in = self._part_in + data, b""
            self._forward(whole)
            return
        *lines, self._part_in = (self._part_in + data).split(b"\n")
        for line in lines:
            self._line(line + b"\n")

    # --- from the host to the board

    def _line(self, line: bytes) -> None:
        rule = self._rules.take("line", path=line.strip().decode("latin-1"), command=_code(line))
        if rule is None:
            self._forward(line)
            return
        play = rule.play
        if play == "corrupt":
            self._forward(self._corrupted(line))
        elif play == "drop-byte":
            self._forward(self._shortened(line))
        elif play == "duplicate":
            self._forward(line + line)
        elif play == "delay":
            self._forward(line, self._rules.draw(rule, "seconds", 1.0))
        elif play == "garbage":
            self._forward(self._garbage() + line)
        elif play != "drop" and self.on_fault is not None:
            self.on_fault(play, rule)
            if play in {"storm", "stall"}:
                self._forward(line)

    def _forward(self, data: bytes, delay: float = 0.0) -> None:
        if not self.paced and not delay and self._due_in <= self._pulse.now:
            self._deliver(data)
            return
        for piece in data.splitlines(keepends=True):
            took = len(piece) * BITS / self.baud if self.paced else 0.0
            self._due_in = max(self._due_in, self._pulse.now) + took + delay
            delay = 0.0
            self._ahead += len(piece)
            self._pulse.after(self._due_in - self._pulse.now, self._arrival(piece))
        self._control_flow()

    def _arrival(self, piece: bytes) -> Callable[[], None]:
        epoch = self._epoch

        def arrive() -> None:
            self._ahead -= len(piece)
            if epoch == self._epoch:
                self._deliver(piece)

        return arrive

    def _deliver(self, data: bytes) -> None:
        if self.board is not None:
            self.board.received(data)
        self._control_flow()

    def _control_flow(self) -> None:
        waiting = self._ahead + (self.board.waiting_bytes if self.board is not None else 0)
        if not self._held and waiting > AHEAD_BYTES:
            self._held = True
            if self.link is not None:
                self.link.hold(on=True)
        elif self._held and waiting < AHEAD_BYTES // 2:
            self._held = False
            if self.link is not None:
                self.link.hold(on=False)

    def turned(self) -> None:
        """The board has read what it could."""
        if self._held:
            self._control_flow()

    # --- from the board to the host

    def say(self, data: bytes) -> None:
        """Bytes from the board."""
        if not self._rules.rules:
            self._answer(data)
            return
        *lines, self._part_out = (self._part_out + data).split(b"\n")
        for line in lines:
            self._reply(line + b"\n")

    def _reply(self, line: bytes) -> None:
        rule = self._rules.take("reply", path=line.strip().decode("latin-1"))
        play = None if rule is None else rule.play
        if rule is None or play is None:
            self._answer(line)
        elif play == "corrupt":
            self._answer(self._corrupted(line))
        elif play == "drop-byte":
            self._answer(self._shortened(line))
        elif play == "duplicate":
            self._answer(line + line)
        elif play == "delay":
            self._answer(line, self._rules.draw(rule, "seconds", 1.0))
        elif play == "garbage":
            self._answer(self._garbage() + line)

    def _answer(self, data: bytes, delay: float = 0.0) -> None:
        delay += self.latency
        now = self._pulse.now
        if not self.paced and not delay and self._due_out <= now:
            self._hand_over(data)
            return
        took = len(data) * BITS / self.baud if self.paced else 0.0
        self._due_out = max(self._due_out + took, now + took + delay)
        self._pulse.after(self._due_out - now, self._departure(data))

    def _departure(self, data: bytes) -> Callable[[], None]:
        epoch = self._epoch

        def depart() -> None:
            if epoch == self._epoch:
                self._hand_over(data)

        return depart

    def _hand_over(self, data: bytes) -> None:
        if self.link is not None and self.connected:
            self.link.write(self._clear(data, inbound=False))

    # --- what happens to bytes

    def cut(self) -> None:
        """What is on its way is lost."""
        self._epoch += 1
        self._due_in = self._due_out = 0.0
        self._part_in = self._part_out = b""

    def noise(self, size: int) -> None:
        """Bytes that nobody has sent reach the host."""
        self._hand_over(bytes(self._random.randrange(256) for _ in range(size)))

    def _clear(self, data: bytes, *, inbound: bool) -> bytes:
        """What the other side reads of it, at the speeds that both sides have set."""
        theirs = self.link.baud if self.link is not None else None
        if theirs is None or same_speed(theirs, self.baud):
            return data
        return misread(data, theirs, self.baud) if inbound else misread(data, self.baud, theirs)

    def _corrupted(self, line: bytes) -> bytes:
        body = bytearray(line.rstrip(b"\r\n"))
        if body:
            body[self._random.randrange(len(body))] ^= 1 << self._random.randrange(7)
        return bytes(body) + b"\n"

    def _shortened(self, line: bytes) -> bytes:
        body = line.rstrip(b"\r\n")
        at = self._random.randrange(max(1, len(body)))
        return body[:at] + body[at + 1 :] + b"\n"

    def _garbage(self) -> bytes:
        return bytes(self._random.randrange(128, 256) for _ in range(GARBAGE_BYTES))


def _code(line: bytes) -> str:
    found = _CODE.match(line)
    return found[1].decode() if found else ""
