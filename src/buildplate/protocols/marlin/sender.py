"""What goes out to a firmware: numbered lines in a window, resent from one log when asked for.

Every line has a number and a checksum, so a firmware takes each once and in order, whatever the
wire does to it. A resend is a step back in the log of lines that were sent. Answers may be lost
too: then the oldest unanswered line goes out again, and the firmware, which takes no number twice,
says which one it wants.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from buildplate.protocols.marlin.framing import Block
from buildplate.protocols.marlin.linelog import LineLog
from buildplate.protocols.marlin.plain import Answers

KEPT = 512
"""Answered lines that can still be resent."""
_PRUNED_AT = 4 * KEPT
_BATCH = 128
"""Lines that are numbered at a time; a command gives those behind it other numbers."""
CAUTIOUS_LINES = 12
"""After a resend so many lines go out one at a time: stale answers may still be on their way."""
CLEAN_LINES = 200
"""After so many lines without a resend the window opens by one again."""
FORGETFUL = 6
"""Answers that may have been counted for lines that were not taken. A firmware that asks for a line
from further back has forgotten what it had: it was reset, and nothing is sent to it again. The same
holds for every line whose answer had its number, and for those that were answered one at a time,
less as many as there may have been answers to something else (`SPARE` and `_extra`)."""
SPARE = 1
"""So many answers without a number may be for none of our lines though nothing tells of them. Not
before the first line was answered: a board asks for that one when it was reset."""
MOST_WILD = 4
"""How often such a line is asked for, in a row, before that is believed."""
FORGOTTEN = "the printer asks for a line that it had taken long ago, or that was never sent"
RESET = "the printer was reset: it counts lines from the beginning again"
FIRST_LINE = 1
"""A board that has just started asks for this line, or for the one before it."""
MOST_RESENDS = 30
HOPELESS_S = 20.0
"""How often, and for how long, one line is resent before the stream is given up."""
SOON_S = 0.5
LONGEST_PATIENCE_S = 40.0
_LONG_AGO = float("-inf")
_ASKS_FOR_HEAT = re.compile(rb"N\d+ M105(?!\d)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class SendLimits:
    """How far ahead lines are sent.

    `window`: lines that may wait unanswered; None: learned from the firmware's own report, one
    until it reports. `most`: the highest window that is ever learned. `receive_bytes`: what the
    firmware's receive buffer holds; what waits behind the oldest unanswered line never has more.
    `patience_s`: without an answer for so long the oldest line is sent again. `quiet_s`: after a
    request for a resend nothing is sent for so long, while answers to lost lines drain.
    """

    window: int | None = None
    most: int = 32
    receive_bytes: int = 127
    patience_s: float = 5.0
    quiet_s: float = 0.05


@dataclass(frozen=True, slots=True)
class Answered:
    """A command (not a line of a stream) was taken by the firmware."""

    token: object


@dataclass(frozen=True, slots=True)
class OutOfStep:
    """The firmware wants a line that cannot be had, or refuses one for ever: the stream is lost."""

    number: int
    why: str


SenderEvent = Answered | OutOfStep


class Sender:
    """The lines of one numbered conversation. Times are seconds of any clock that only grows.

    `accepted`: lines of the stream that the firmware has taken, `line` the number in its file of
    the last of them. `flowing`: whether lines of the stream may go out; commands always may.
    `guard` ends each command before its checksum (`guard_of`); whoever feeds a stream adds it.
    """

    def __init__(self, limits: SendLimits) -> None:
        self.limits = limits
        self.accepted = 0
        self.line = 0
        self.flowing = False
        self.guard = b""
        self.resends = self.nudges = self.strays = 0
        self.events: list[SenderEvent] = []
        self._learned = limits.window or 1
        self._window = self._learned
        self._ceiling = limits.most
        self.restart()

    def restart(self) -> None:
        """Number anew from 0 with M110; everything unsent or unanswered is forgotten."""
        self._log = LineLog()
        self._log.append(b"M110 N0")
        self._at = self._acked = self._sure = 0
        self._top = 1
        self._extra = self._owed = 0
        self._doubtful = False
        self._commands: deque[tuple[bytes, object]] = deque()
        self._tokens: dict[int, object] = {}
        self._codes: Sequence[bytes] = ()
        self._code_where: Sequence[int] = ()
        self._code_at = 0
        self._cautious = CAUTIOUS_LINES
        self._broken = False
        self._clean = 0
        self._quiet_until = self._heard = _LONG_AGO
        self._patience = self.limits.patience_s
        self._wanted, self._wanted_times, self._wanted_since = -1, 0, 0.0
        self._sent_since = True
        self._numbers_oks = False
        self._enough = 0

    # --- what is to be sent ----------------------------------------------------------------------

    def command(self, code: bytes, token: object = None) -> None:
        """Queue a code of its own: it goes out before the next line of the stream."""
        # What was numbered ahead gets other numbers.
        self._code_at -= self._log.cut(self._top)
        self._commands.append((code + self.guard, token))

    def feed(self, block: Block) -> None:
        """Queue the next lines of the stream; those before must have been sent (`hungry`)."""
        if not self.hungry:
            message = "lines of the stream are still to be sent"
            raise ValueError(message)
        self._codes, self._code_where, self._code_at = block.codes, block.where, 0

    def drop_stream(self) -> None:
        """Forget the lines of the stream that were not sent yet; what was sent stays sent."""
        self._log.cut(self._top)
        self._codes, self._code_where, self._code_at = (), (), 0

    @property
    def hungry(self) -> bool:
        """Whether every line of the stream that was fed has been sent."""
        return self._code_at == len(self._codes) and self._top == len(self._log)

    @property
    def unanswered(self) -> int:
        """Lines that were sent, or are to be sent again, and not answered."""
        return self._top - self._acked

    @property
    def answered(self) -> int:
        """Lines that were answered since they are numbered anew, commands included."""
        return self._log.base + self._acked

    @property
    def under_way(self) -> bytes:
        """The lines that `unanswered` counts, as they were sent."""
        return self._log.between(self._acked, self._top)

    @property
    def idle(self) -> bool:
        """Whether nothing is under way or waiting, lines of a held stream left out."""
        return not self._commands and self.unanswered == 0

    @property
    def window(self) -> int:
        """Lines that may be unanswered at a time now."""
        return 1 if self._cautious else self._window

    def to_send(self, now: float) -> bytes:
        """The bytes to write now; empty while the window is full or nothing is to be sent."""
        if now < self._quiet_until:
            return b""
        self._quiet_until = _LONG_AGO
        begin = self._at
        under_way = begin - self._acked
        window = 1 if self._cautious else self._window
        room = window - under_way
        if room <= 0:
            return self._ahead() if room == 0 and self._commands else b""
        if under_way == 0:
            self._heard = max(self._heard, now)
        elif under_way > self._enough and not self._commands:
            return b""  # several at once cost no more than one
        self._go(begin + room, self._end())
        if self._at == begin:
            return b""
        under_way = self._at - self._acked
        full = under_way == window or self._at < len(self._log)
        self._enough = under_way - (under_way >> 1) if full else window
        self._sent_since = True
        out = self._log.between(begin, self._at)
        if self._broken:
            # A line whose end was lost must not run into its own repetition.
            self._broken = False
            out = b"\n" + out
        return out

    def _end(self) -> int:
        """The byte up to which the receive buffer has room.

        The oldest line is left out once it is under way: while a firmware works on something and
        reads nothing, that is what it works on, so it is in the receive buffer no more.
        """
        oldest = self._acked + (self._at > self._acked)
        return self._log.ends[oldest] + self.limits.receive_bytes

    def _go(self, most: int, end: int) -> None:
        """Go on from line to line while there are any, at most to the place `most`, byte `end`.

        One line goes out whatever its size where nothing is under way.
        """
        log, at, first = self._log, self._at, self._acked
        while at < most:
            known = len(log) if self.flowing else self._top
            if at == known:
                if not self._more(end, must=at == first):
                    break
                continue
            to = log.furthest(at, min(most, known), end)
            if to == at == first:
                to += 1
            if to == at:
                break
            at = to
            self._top = max(self._top, at)
        self._at = at

    def _ahead(self) -> bytes:
        """One command over the window: a person does not wait for a planner full of slow moves.

        The firmware's receive buffer holds it, and the window is only full because it is at work.
        """
        begin = self._at
        if begin < self._top or not self._next_command(self._end(), must=False):
            return b""
        self._at = begin + 1
        return self._log.between(begin, begin + 1)

    def _more(self, end: int, *, must: bool) -> bool:
        """Have one more line behind all others; False where there is none, or it does not fit."""
        if self._commands:
            return self._next_command(end, must=must)
        if not self.flowing:
            return False
        codes = self._codes[self._code_at : self._code_at + _BATCH]
        if not codes:
            return False
        self._log.extend(codes, self._code_where[self._code_at : self._code_at + _BATCH])
        self._code_at += len(codes)
        return True

    def _next_command(self, end: int, *, must: bool) -> bool:
        log = self._log
        code, token = self._commands[0]
        if log.ends[-1] + log.size_of(code) > end and not must:
            return False
        if token is not None:
            self._tokens[log.base + len(log)] = token
        log.append(code)
        self._top = len(log)
        self._commands.popleft()
        return True

    # --- what was answered -----------------------------------------------------------------------

    def took(
        self, number: int | None, now: float, free: int | None = None, *, reports: bool = False
    ) -> None:
        """The firmware has taken a line: that with `number`, or the oldest unanswered one.

        `free`: so many places are empty beside the one of that line, by its own report. `reports`:
        temperatures stand on the answer's own line.
        """
        if free is not None and free >= self._learned:
            self._learn(free)
        old = self._acked
        new = self._up_to(number, reports=reports)
        if new <= old:
            return
        self._heard, self._patience = now, self.limits.patience_s
        if new > (self._at if number is None else self._top):
            self.strays += 1
            if number is None:
                self._stray()
            return
        if number is None:
            self._extra += self._doubtful
            if self._cautious:
                spare = SPARE if old > FIRST_LINE else 0
                self._sure = max(self._sure, new - spare - self._extra - self._owed)
        elif new == old + 1:
            self._sure = max(self._sure, old if self._doubtful else new)
        self._doubtful = False
        self._move_on(new)
        if self._cautious:
            self._cautious = max(0, self._cautious - (new - old))
        elif self._ceiling < self._learned:
            self._recover(new - old)

    def _stray(self) -> None:
        """An answer while nothing is under way: a request's own one, or others came too early."""
        if self._owed:
            self._owed -= 1
            return
        self._extra += 1
        if not self._numbers_oks:
            self._sure = max(0, min(self._sure, self._acked - FORGETFUL))

    def unnumbered(self) -> None:
        """Something was written beside the numbered lines, and may be answered as they are."""
        self._extra += 1

    def took_all(self, answers: Answers, now: float) -> bool:
        """Answers to the oldest unanswered lines, one each: `took` for all of them at once.

        False, and nothing is done, where that would not be the same: then each is to be looked at.
        """
        new = self._acked + answers.many
        if new > self._at or self._cautious or self._ceiling < self._learned:
            return False
        if answers.first is None:
            if self._numbers_oks:
                return False
        elif answers.first != self._log.base + self._acked or answers.free >= self._learned:
            return False
        else:
            self._numbers_oks = True
        self._heard, self._patience = now, self.limits.patience_s
        self._move_on(new)
        return True

    def exchange(self, answers: Answers, now: float) -> bytes | None:
        """`took` and `to_send` in one where nothing but the stream goes on; None, undone, else."""
        many, first, free = answers
        log, old, at = self._log, self._acked, self._at
        new, numbers = old + many, first is not None
        if (
            (first != log.base + old if numbers else self._numbers_oks)
            or new > at
            or at < self._top
            or free >= self._learned
            or self._cautious
            or self._ceiling < self._learned
            or self._tokens
            or old > _PRUNED_AT
            or not self.flowing
        ):
            return None
        self._numbers_oks = numbers
        self._heard, self._patience = now, self.limits.patience_s
        for line in log.where[old:new]:
            if line:
                self.accepted += 1
                self.line = line
        self._acked = new
        if new == at or self._commands:
            return self.to_send(now)
        if at - new > self._enough:
            return b""
        # What `_go` does, where lines enough are numbered.
        end = log.ends[new + 1] + self.limits.receive_bytes
        to = log.furthest(at, min(new + self._window, len(log.where)), end)
        if not at < to < len(log.where):
            return self.to_send(now)
        self._at = self._top = to
        self._enough = to - new - (to - new >> 1)
        self._sent_since = True
        return log.between(at, to)

    def _move_on(self, new: int) -> None:
        """All lines before the place `new` were taken."""
        old = self._acked
        for line in self._log.where[old:new]:
            if line:
                self.accepted += 1
                self.line = line
        self._acked = new
        # What was sent before a step back may have arrived after all.
        self._at = max(self._at, new)
        if self._tokens:
            self._answer(old, new)
        if new > _PRUNED_AT:
            self._prune()

    def _up_to(self, number: int | None, *, reports: bool) -> int:
        """The place behind the last line that an answer is for; the old one where for none."""
        if number is not None:
            self._numbers_oks = True
            return number - self._log.base + 1
        if not self._numbers_oks or (reports and self._asks_for_heat()):
            return self._acked + 1
        # It belongs to a line that was refused, or its number was spoilt: ask soon.
        self._patience = min(self._patience, SOON_S)
        return self._acked

    def _asks_for_heat(self) -> bool:
        """Whether the oldest line is an M105: Marlin numbers every `ok` but that one's.

        Its M105.cpp prints a bare `ok` of its own, ADVANCED_OK or not.
        """
        oldest = self._log.between(self._acked, self._acked + 1) if self._at > self._acked else b""
        return _ASKS_FOR_HEAT.match(oldest) is not None

    def _learn(self, free: int) -> None:
        if self.limits.window is None:
            self._learned = min(free + 1, self.limits.most)
            self._window = min(self._learned, self._ceiling)

    def _answer(self, old: int, new: int) -> None:
        base = self._log.base
        for number in range(base + old, base + new):
            token = self._tokens.pop(number, None)
            if token is not None:
                self.events.append(Answered(token))

    def _recover(self, lines: int) -> None:
        self._clean += lines
        if self._clean >= CLEAN_LINES:
            self._clean = 0
            self._ceiling += 1
            self._window = min(self._learned, self._ceiling)

    def _prune(self) -> None:
        gone = self._acked - KEPT
        self._log.prune(gone)
        self._at -= gone
        self._acked -= gone
        self._sure -= gone
        self._top -= gone

    def alive(self, now: float) -> None:
        """The firmware shows that it works on what it has: nothing is lost yet."""
        self._heard = now

    def wants(self, number: int, now: float) -> None:
        """The firmware asks for the line with this number; all before it were taken.

        One more answer comes with the request, and a text that came before it was its reason.
        """
        self._owed += 1
        self._doubtful = False
        if number == self._wanted and not self._sent_since:
            return  # some firmwares repeat it until the line comes
        self._sent_since = False
        self.resends += 1
        self._heard, self._patience = now, self.limits.patience_s
        index = number - self._log.base
        if number != self._wanted:
            self._wanted, self._wanted_times, self._wanted_since = number, 0, now
        self._wanted_times += 1
        self._extra += 1
        known = max(0, self._sure, self._acked - FORGETFUL) <= index <= self._top
        # Before M110 is taken, the firmware counts on from whatever it had.
        plain = known or self._log.base + self._acked == 0
        if plain:
            hopeless = self._wanted_times > MOST_RESENDS and now - self._wanted_since > HOPELESS_S
        else:
            hopeless = self._wanted_times > MOST_WILD
        if hopeless:
            why = RESET if number <= FIRST_LINE else FORGOTTEN
            if plain:
                why = f"the printer refused one line {MOST_RESENDS} times"
            self._at = self._acked  # the answer behind the request is for none of these lines
            self.events.append(OutOfStep(number, why))
            return
        # A number that cannot be was spoilt on its way: the oldest line brings the right one.
        self._step_to(index if known else self._acked, now)
        self._ceiling = max(1, self._window // 2)
        self._window = min(self._learned, self._ceiling)
        self._clean = 0
        self._quiet_until = now + self.limits.quiet_s

    def _step_to(self, index: int, now: float) -> None:
        """Go on from the line at `index`: what was before it is taken, what follows is not."""
        if index > self._acked:
            numbered_oks = self._numbers_oks
            self.took(self._log.base + index - 1, now)
            # A refusal's number tells nothing of whether an ok carries one.
            self._numbers_oks = numbered_oks
        elif index < self._acked:
            self._untake(index)
        # Pruning may have moved the places.
        self._at = self._acked
        self._broken = True
        self._cautious = CAUTIOUS_LINES

    def _untake(self, index: int) -> None:
        """Answers were counted that belonged to other lines: the firmware's word counts."""
        self.accepted -= sum(1 for line in self._log.where[index : self._acked] if line)
        self._acked = index
        before = [line for line in self._log.where[:index] if line]
        self.line = before[-1] if before else self.line

    def doubt(self) -> None:
        """Something was said that may be a refusal with a spoilt byte: the next answer is its."""
        self._doubtful = True

    def starves(self, now: float) -> None:
        """The firmware has nothing to do, or waits for another line: what is unanswered was lost.

        Unless that has crossed the firmware's word on its way.
        """
        if self._at > self._acked and now >= self._heard + self.limits.quiet_s:
            self._nudge(now)

    # --- time ------------------------------------------------------------------------------------

    def due(self) -> float | None:
        """When `tick` or `to_send` should be called again though nothing arrives."""
        if self._at > self._acked:
            return self._heard + self._patience
        return self._quiet_until if self._quiet_until > self._heard else None

    def tick(self, now: float) -> None:
        """Let time pass: what was not answered for long is asked about, ever more rarely."""
        if self._at > self._acked and now >= self._heard + self._patience:
            self._nudge(now)
            self._patience = min(self._patience * 2, LONGEST_PATIENCE_S)

    def _nudge(self, now: float) -> None:
        self.nudges += 1
        self._extra += 1
        self._at = self._acked
        self._broken = True
        self._cautious = CAUTIOUS_LINES
        self._heard = now
