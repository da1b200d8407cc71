"""What this process itself has done for the active print of a printer; lost at a crash, on purpose.

Whatever must survive stands in the database. These values only say how far the present process has
come, so that one pure function can decide the next single step, and so that after a crash it starts
from the database and from what the printer says, never from a memory.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum


class Upload(StrEnum):
    """How far the transfer of the print file is. NO_ROOM: trying again here would not help."""

    NONE = "none"
    NAMED = "named"
    UNDERWAY = "underway"
    VERIFIED = "verified"
    UNKNOWN = "unknown"
    NO_ROOM = "no room"


class Start(StrEnum):
    """How far the one start is. NONE after an intent means: a former process may have sent it.

    WITHHELD: this process could have sent it and did not, because the printer was no longer seen
    free; nobody else may, so it never started.
    """

    NONE = "none"
    DUE = "due"
    WITHHELD = "withheld"
    UNDERWAY = "underway"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class ExitStep(StrEnum):
    """How far the one way out of a print is. NONE with a stored wish begins it from the top."""

    NONE = "none"
    STORED = "stored"
    BARRIER = "barrier"
    SETTLING = "settling"
    REVOKING = "revoking"
    REVOKED = "revoked"
    BARRIER_AGAIN = "barrier again"
    SETTLING_AGAIN = "settling again"


class Order(StrEnum):
    """How far a physical command to the running print is."""

    NONE = "none"
    STORED = "stored"
    UNDERWAY = "underway"
    ANSWERED = "answered"


@dataclass(frozen=True, slots=True)
class Deeds:
    """The volatile memory of the present process. Times are boot-time clock seconds.

    `*_at` is when the step was reached; a reading counts for a step only when it began at or after
    that. `uploads` counts the transfers tried under this claim, `upload_why` says why the last one
    failed. `puzzled_at` is since when the
    printer has contradicted what we know. `watching`: a decision has been taken on the present
    connection, so that what people say from now on they say of what is being watched.
    """

    upload: Upload = Upload.NONE
    upload_at: float = 0.0
    uploads: int = 0
    upload_why: str = ""
    start: Start = Start.NONE
    start_at: float = 0.0
    exit: ExitStep = ExitStep.NONE
    exit_at: float = 0.0
    order: Order = Order.NONE
    order_kind: str = ""
    order_at: float = 0.0
    puzzled_at: float | None = None
    watching: bool = False

    def uploading(self, step: Upload, at: float, why: str = "") -> Deeds:
        """The transfer has come to `step`; `why` it failed, if it did."""
        tries = self.uploads + (step is Upload.NAMED)
        return replace(self, upload=step, upload_at=at, uploads=tries, upload_why=why)

    def starting(self, step: Start, at: float) -> Deeds:
        """The start has come to `step`."""
        return replace(self, start=step, start_at=at)

    def leaving(self, step: ExitStep, at: float) -> Deeds:
        """The exit has come to `step`."""
        return replace(self, exit=step, exit_at=at)

    def unwatched(self) -> Deeds:
        """The connection broke: what was proven by watching is proven no longer.

        The session says so at every lost connection, also when the next one stands before anything
        was decided. Nobody saw what was put on the bed meanwhile.
        """
        kept = self.disturbed()
        return replace(kept, exit=ExitStep.NONE, puzzled_at=None, watching=False)

    def disturbed(self) -> Deeds:
        """Somebody else may have printed: a start that was not sent yet is not sent any more.

        The session says so at every reading that shows it, as the next decision may be taken on a
        later one.
        """
        return replace(self, start=Start.WITHHELD) if self.start is Start.DUE else self

    def watched(self) -> Deeds:
        """From here on the watch is unbroken."""
        return self if self.watching else replace(self, watching=True)

    def ordering(self, step: Order, kind: str, at: float) -> Deeds:
        """The physical command `kind` has come to `step`."""
        return replace(self, order=step, order_kind=kind, order_at=at)

    def puzzled(self, since: float | None) -> Deeds:
        """The printer contradicts what we know since then (None: it does not)."""
        return replace(self, puzzled_at=since)
