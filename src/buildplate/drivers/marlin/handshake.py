"""The first words with a board: at which speed it understands us, and that it is a firmware at all.

A board that resets when its port is opened needs some seconds and then says hello; another is in
the middle of something. Both are asked for temperatures, which is harmless, until one answers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from buildplate.drivers.marlin.errors import FirmwareStopped, NoFirmware, WrongBaud
from buildplate.drivers.marlin.port import Port
from buildplate.protocols.marlin import (
    Conversation,
    Failure,
    Firmware,
    Started,
    Temperatures,
)

COMMON_BAUDS = (115200, 250000, 500000, 1000000, 57600, 38400, 19200, 9600)
FIRST_S = 4.5
"""A board that was reset by the opening of its port has said hello by then."""
OTHER_S = 1.6
PROBES_AT = (0.1, 0.7, 1.4, 2.2, 3.0, 3.8)
QUIET_S = 0.12
BANNER_QUIET_S = 0.4
GARBAGE_SHARE = 0.25
GARBAGE_BYTES = 6


@dataclass(slots=True)
class _Heard:
    """What came in at one speed."""

    size: int = 0
    odd: int = 0
    understood: bool = False
    started: bool = False
    halted: str = ""
    noise: bool = False

    def note(self, data: bytes) -> None:
        self.size += len(data)
        self.odd += sum(1 for byte in data if byte not in _PLAIN)

    @property
    def garbled(self) -> bool:
        return self.size >= GARBAGE_BYTES and self.odd > GARBAGE_SHARE * self.size

    def garbled_again(self) -> bool:
        """Whether noise came twice: the first may be what was said while the speed was another."""
        if not self.garbled:
            return False
        if self.noise:
            return True
        self.noise, self.size, self.odd = True, 0, 0
        return False


_PLAIN = frozenset({9, 10, 13}) | frozenset(range(32, 127))


class Handshake:
    """Finds the speed. `clock` is seconds; all of it ends before `deadline` on that clock.

    `heaters`: the names of those that were told of meanwhile.
    """

    def __init__(
        self,
        port: Port,
        conversation: Conversation,
        clock: Callable[[], float],
        deadline: float,
        may_go_on: Callable[[], bool],
    ) -> None:
        self._port = port
        self._conversation = conversation
        self._clock = clock
        self._deadline = deadline
        self._may_go_on = may_go_on
        self.heaters: set[str] = set()
        self._garbled = False
        self._bytes = 0

    def find(self, bauds: list[int], first_words: bytes) -> int:
        """The speed at which the firmware answers; WrongBaud, NoFirmware, FirmwareStopped."""
        for at, baud in enumerate(bauds):
            if at:
                self._port.set_baud(baud)
            heard = self._listen(FIRST_S if not at else OTHER_S, first_words)
            if heard.understood:
                self._wait_for_answers()
                return baud
            if heard.halted:
                raise FirmwareStopped(f"the firmware has stopped: {heard.halted}")
            self._garbled = self._garbled or heard.noise
            self._bytes += heard.size
            if self._clock() >= self._deadline or not self._may_go_on():
                break
        raise self._nothing(bauds)

    def _nothing(self, bauds: list[int]) -> NoFirmware | WrongBaud:
        tried = ", ".join(str(baud) for baud in bauds if baud)
        if self._garbled:
            return WrongBaud(f"what arrives makes no words at {tried} baud")
        if self._bytes:
            return NoFirmware("what answers on this port speaks no G-code")
        return NoFirmware(f"nothing answers on this port{f' at {tried} baud' if tried else ''}")

    def _listen(self, limit_s: float, first_words: bytes) -> _Heard:
        began = self._clock()
        end = min(began + limit_s, self._deadline)
        # What must be said first is not kept back for the sake of listening.
        heard, probes = _Heard(), [*((0.0,) if first_words else ()), *PROBES_AT]
        while (now := self._clock()) < end and self._may_go_on():
            if probes and now - began >= probes[0]:
                probes.pop(0)
                self._port.write(b"\n" + first_words + b"M105\n")
            wait = (probes[0] + began if probes else end) - now
            data = self._port.read(min(max(wait, 0.005), end - now))
            if not data:
                continue
            heard.note(data)
            self._understand(data, heard)
            if heard.garbled and not heard.noise:
                # Whatever it was: ask at once, and what comes now tells.
                self._conversation.stop()
                probes = [self._clock() - began, *probes]
            if heard.understood or heard.halted or heard.garbled_again():
                break
            if heard.started:
                # It has just booted: it hears us once its greeting is over.
                heard.started = False
                end = min(max(end, now + OTHER_S * 2), self._deadline)
                self._wait_for_banner()
                probes = [self._clock() - began, *(self._clock() - began + at for at in PROBES_AT)]
        return heard

    def _understand(self, data: bytes, heard: _Heard) -> None:
        oks = self._conversation.oks
        for event in self._conversation.receive(data, self._clock()):
            match event:
                case Temperatures(heaters):
                    heard.understood = True
                    self.heaters |= heaters.keys()
                case Firmware():
                    heard.understood = True
                case Started():
                    heard.started = True
                case Failure(text, halted=True):
                    heard.halted = text
                case _:
                    pass
        if self._conversation.oks > oks and not heard.garbled:
            heard.understood = True

    def _wait_for_answers(self) -> None:
        """Let answers to probes arrive that are still on their way: later they would be counted."""
        limit = min(self._clock() + OTHER_S, self._deadline)
        oks, since = self._conversation.oks, self._clock()
        while (now := self._clock()) < limit and now - since < QUIET_S:
            if data := self._port.read(since + QUIET_S - now):
                self._understand(data, _Heard())
            if self._conversation.oks != oks:
                oks, since = self._conversation.oks, self._clock()

    def _wait_for_banner(self) -> None:
        """Let a board that has just started say all that it says then."""
        limit = min(self._clock() + OTHER_S, self._deadline)
        while self._clock() < limit and (data := self._port.read(BANNER_QUIET_S)):
            self._conversation.receive(data, self._clock())


def bauds_to_try(configured: int, remembered: int, *, has_speed: bool) -> list[int]:
    """The speeds in the order in which they are tried."""
    if not has_speed:
        return [0]
    if configured:
        return [configured]
    known = [remembered] if remembered else []
    return [*known, *(baud for baud in COMMON_BAUDS if baud != remembered)]
