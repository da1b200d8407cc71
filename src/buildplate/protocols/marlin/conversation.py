"""The whole protocol with one firmware as a state machine: bytes in, events out, bytes to send.

It has no clock and no port: time is an argument, and whoever holds the port writes what `to_send`
gives. No bytes that a printer sends make it raise, and its memory is bounded.
"""

from __future__ import annotations

import re

from buildplate.protocols.marlin.framing import AnswerLines, guard_of
from buildplate.protocols.marlin.plain import plain_answers
from buildplate.protocols.marlin.replies import (
    Busy,
    Failure,
    Idle,
    Ok,
    Reply,
    Resend,
    Said,
    Skipped,
    Started,
    read_reply,
)
from buildplate.protocols.marlin.reports import Dialect, Firmware, Temperatures, dialect_of
from buildplate.protocols.marlin.restarts import Restarts
from buildplate.protocols.marlin.sender import Sender, SenderEvent, SendLimits

_BANNERS = re.compile(r"(?:echo:)?\s*(Marlin|Repetier|Smoothie|Prusa|FIRMWARE_NAME)", re.IGNORECASE)

Event = Reply | SenderEvent


class Conversation:
    """One printer's side and ours. Before `begin` nothing is numbered: whoever connects only reads.

    `sender` takes commands and the lines of a stream. `dialect` is what the firmware has shown
    itself to be. `reports_by_itself`: temperatures come without being asked for, so they say
    nothing about whether a line is being worked on.
    """

    def __init__(self, limits: SendLimits | None = None) -> None:
        self.sender = Sender(limits or SendLimits())
        self.dialect = Dialect.UNKNOWN
        self.firmware: Firmware | None = None
        self.reports_by_itself = False
        self.oks = 0
        self._lines = AnswerLines()
        self._restarts = Restarts()
        self._oks_before = 0
        self._begun = False

    @property
    def begun(self) -> bool:
        """Whether lines are numbered by now."""
        return self._begun

    def begin(self) -> None:
        """Number lines from here on, beginning with M110; what was on its way is forgotten."""
        self._begun = True
        self._restarts.forget()
        self._oks_before = self.oks
        self.sender.restart()

    def stop(self) -> None:
        """Number nothing any more: the firmware has restarted, or the port is another."""
        self._begun = False
        self._lines.clear()

    def to_send(self, now: float) -> bytes:
        """The bytes to write now."""
        if not self._begun or self._restarts.holds(self.oks, now):
            return b""
        return self.sender.to_send(now)

    def due(self) -> float | None:
        """When `tick` is to be called though nothing has arrived; None: not before."""
        return self.sender.due() if self._begun else None

    def tick(self, now: float) -> None:
        """Let time pass."""
        if self._begun:
            self.sender.tick(now)

    def receive(self, data: bytes, now: float) -> list[Event]:
        """Take bytes from the printer; what they say beyond plain answers to lines."""
        whole = self._lines.whole(data)
        if not whole:
            return []
        plain = plain_answers(whole) if self._begun else None
        if plain is not None and self.sender.took_all(plain, now):
            self.oks += plain.many
            return self._told()
        events: list[Event] = []
        for line in self._lines.split(whole):
            replies = read_reply(line)
            for reply in replies:
                if isinstance(reply, Ok):
                    self._count(reply, now, reports=isinstance(replies[-1], Temperatures))
                else:
                    self._take(reply, now, events)
            events += self._told()
        return events

    def exchange(self, data: bytes, now: float) -> bytes | None:
        """`receive` and `to_send` in one for the steady stream; None, and nothing done, elsewhere.

        That is: plain answers to the oldest lines, while no command is under way.
        """
        if not (self._begun and self._lines.between):
            return None
        answers = plain_answers(data)
        if answers is None:
            return None
        out = self.sender.exchange(answers, now)
        if out is not None:
            self.oks += answers.many
        return out

    def _told(self) -> list[Event]:
        """What the sender has to tell, once."""
        told = self.sender.events
        if not told:
            return []
        self.sender.events = []
        return [*told]

    def _count(self, ok: Ok, now: float, *, reports: bool) -> None:
        self.oks += 1
        if self._begun:
            self.sender.took(ok.number, now, ok.buffer, reports=reports)

    def _take(self, reply: Reply, now: float, events: list[Event]) -> None:
        self._learn(reply)
        if not self._begun:
            events.append(reply)
            return
        if isinstance(reply, Started) and self.dialect is not Dialect.SMOOTHIE:
            # It may be a text of the file's: what follows tells.
            self._restarts.hear(reply, self.oks, now)
            events.append(Said(reply.text))
            return
        answered = self.oks - self._oks_before
        if reset := self._restarts.proved_by(reply, answered, self.oks):
            events.append(reset)
        events.append(reply)
        match reply:
            case Resend(number):
                self.sender.wants(number, now)
            case Skipped() | Idle():
                self.sender.starves(now)
            case Busy():
                self.sender.alive(now)
            case Temperatures() if not self.reports_by_itself:
                self.sender.alive(now)
            case Said() | Failure():
                self.sender.doubt()
            case _:
                pass

    def _learn(self, reply: Reply) -> None:
        """Note what the reply tells of the firmware's dialect."""
        if isinstance(reply, Firmware):
            self.firmware = reply
            if reply.dialect is not Dialect.UNKNOWN:
                self.dialect = reply.dialect
        elif self.dialect is Dialect.UNKNOWN:
            text = getattr(reply, "text", "")
            if text and isinstance(text, str) and _BANNERS.match(text):
                self.dialect = dialect_of(text)
        self.sender.guard = guard_of(self.dialect)
