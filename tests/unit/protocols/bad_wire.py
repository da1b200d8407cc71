"""A firmware of the plainest kind and a wire that spoils bytes: what a sender has to live with.

It is written from the firmwares' documents alone and shares nothing with the codec under test.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field


@dataclass
class PlainFirmware:
    """Takes numbered lines in order, answers each; `queue` lines are worked on one by one."""

    advanced: bool = True
    queue: int = 4
    numbered_oks: bool = False
    accepted: list[bytes] = field(default_factory=list)
    last: int = 0
    rest: bytes = b""
    waiting: list[tuple[int, bytes]] = field(default_factory=list)
    asked: int = 0

    def hear(self, data: bytes) -> bytes:
        """Bytes from the host; the answers."""
        said = b""
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines:
            if line.strip():
                said += self._line(line)
        return said + self._work()

    def _line(self, line: bytes) -> bytes:
        star = line.rfind(b"*")
        body, given = line[:star], line[star + 1 :]
        summed = 0
        for byte in body:
            summed ^= byte
        if star < 0 or not given.isdigit() or int(given) != summed or body[:1] != b"N":
            return self._again()
        head, _, code = body.partition(b" ")
        if not head[1:].isdigit():
            return self._again()
        number = int(head[1:])
        if code.startswith(b"M110"):
            self.last = number
            return b"ok\n"
        if number != self.last + 1:
            return self._again()
        self.last = number
        self.waiting.append((number, code))
        return b""

    def _again(self) -> bytes:
        self.asked += 1
        return b"Error:checksum mismatch, Last Line: %d\nResend: %d\nok\n" % (
            self.last,
            self.last + 1,
        )

    def _work(self) -> bytes:
        said = b""
        while self.waiting:
            number, code = self.waiting.pop(0)
            self.accepted.append(code)
            if code == b"M114":
                said += b"X:1.00 Y:2.00 Z:3.00 E:4.00 Count X:80 Y:160 Z:1200\n"
            if self.advanced:
                said += b"ok N%d P15 B%d\n" % (number, self.queue - 1 - len(self.waiting))
            elif self.numbered_oks:
                said += b"ok %d\n" % number
            else:
                said += b"ok\n"
        return said


END = 10


@dataclass
class BadWire:
    """Spoils some bytes: corrupts, drops or doubles them. `rate` is the share of spoilt bytes.

    At most one in a line: two can cancel each other out in a checksum that is an exclusive or, and
    no host can help that.
    """

    dice: random.Random
    rate: float
    _spoilt: bool = False

    def carry(self, data: bytes) -> bytes:
        """The bytes as they arrive."""
        if not self.rate:
            return data
        out = bytearray()
        for byte in data:
            if self._spoilt or self.dice.random() >= self.rate:
                out.append(byte)
                self._spoilt = self._spoilt and byte != END
                continue
            self._spoilt = byte != END
            kind = self.dice.randrange(3)
            if kind == 0:
                out.append(byte ^ (1 << self.dice.randrange(8)))
            elif kind == 1:
                out += bytes((byte, byte))
        return bytes(out)
