"""Whether a `start` on the line is a board that was reset, or a text that a file has had said.

A file may hold `M118 start`. So while lines are numbered the word alone proves nothing: what comes
next does. A board that was reset tells what it is, or asks for the first line; one that goes on
answers the lines it has.
"""

from __future__ import annotations

import re

from buildplate.protocols.marlin.replies import Reply, Resend, Said, Started
from buildplate.protocols.marlin.reports import Firmware

HELD_S = 1.0
"""So long nothing is sent after the word: most boards have told by then what they are."""
DOUBTED_OKS = 8
"""After so many answers the word is forgotten; a sender knows by itself that it is asked for a line
from further back."""
FIRST_LINE = 1
_BOOT_WORDS = re.compile(
    r"(?:echo|info)?\s*:?\s*"
    r"(?:marlin\b|prusa|repetier|smoothie|grbl|power\s?up\b"
    r"|(?:external|brown ?out|watchdog|software) reset|last updated|compiled:"
    r"|free (?:ram|memory)|printed filament|\d+\.\d+\.\d+)",
    re.IGNORECASE,
)


class Restarts:
    """Keeps a `start` that was heard until it is known what it was. Times are seconds."""

    def __init__(self) -> None:
        self._heard: Started | None = None
        self._oks = 0
        self._since: float | None = None

    def forget(self) -> None:
        """Whatever it was, it does not count any more."""
        self._heard = self._since = None

    def hear(self, started: Started, oks: int, now: float) -> None:
        """The word was said; `oks` answers had come until then."""
        self._heard, self._oks, self._since = started, oks, now

    def holds(self, oks: int, now: float) -> bool:
        """Whether nothing is to be sent yet."""
        if self._since is None:
            return False
        if oks > self._oks or now >= self._since + HELD_S:
            self._since = None
        return self._since is not None

    def proved_by(self, reply: Reply, answered: int, oks: int) -> Started | None:
        """The reset that this line proves; `answered`: lines since the numbering began."""
        heard = self._heard
        if heard is None:
            return None
        if oks > self._oks + DOUBTED_OKS:
            self.forget()
            return None
        match reply:
            case Resend(number):
                proved = number <= FIRST_LINE and number < answered
            case Firmware():
                proved = oks == self._oks
            case Said(text):
                proved = oks == self._oks and _BOOT_WORDS.match(text) is not None
            case _:
                proved = False
        if not proved:
            return None
        self.forget()
        return heard
