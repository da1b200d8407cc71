"""What an observation does to what we know of a bed: only positive knowledge makes it clear."""

from __future__ import annotations

from dataclasses import dataclass

from buildplate.core.evidence import Reading
from buildplate.core.print_table import PrintState
from buildplate.core.printers import Activity, Bed, BedClearing


@dataclass(frozen=True, slots=True)
class BedChange:
    """A bed state that follows from an observation, and why, in words for people."""

    bed: Bed
    reason: str


@dataclass(frozen=True, slots=True)
class Company:
    """What is known of other prints since ours was last seen to run.

    `seen`: another one ran. `ruled_out`: the watch was unbroken, or short and the host's current
    file is still ours; then what is not seen did not happen.
    """

    seen: bool = False
    ruled_out: bool = False


@dataclass(frozen=True, slots=True)
class LastSeen:
    """What was stored at the last answered read: how long ago (s), and what the host kept then."""

    age: float
    fingerprint: str | None


def bed_after_gap(
    bed: Bed, last: LastSeen | None, reading: Reading, bed_gap: float
) -> BedChange | None:
    """Judge a bed on the first deep read after a gap in our watching; None: nothing changes.

    A gap is covered when it is no longer than `bed_gap` seconds and everything that the host keeps
    is as it was. Occupied stays occupied: a gap never clears anything.
    """
    if bed is not Bed.CLEAR:
        return None
    if last is None or last.fingerprint is None:
        return BedChange(Bed.UNKNOWN, "first contact: nobody has said that the bed is clear")
    if last.age > bed_gap:
        minutes = round(last.age / 60)
        return BedChange(Bed.UNKNOWN, f"the printer was out of sight for {minutes} minutes")
    if reading.fingerprint is None or reading.fingerprint != last.fingerprint:
        return BedChange(Bed.UNKNOWN, "something was printed or changed while nobody watched")
    return None


def is_foreign(reading: Reading) -> bool:
    """Whether a print that is not ours runs, or has run since the former reading."""
    return reading.activity is Activity.FOREIGN or reading.foreign_ran


def bed_after_reading(bed: Bed, reading: Reading, *, another: bool = False) -> BedChange | None:
    """Judge a bed on any answered read: a print that is not ours occupies it.

    `another`: this print is seen for the first time. It also makes an occupied bed one that nobody
    has seen yet, so that a click meant for what lay there before does not clear it.
    """
    if is_foreign(reading) and (bed is not Bed.OCCUPIED or another):
        what = f"a print of {reading.path}" if reading.path else "a print"
        return BedChange(Bed.OCCUPIED, f"{what} that Buildplate did not start")
    return None


def bed_after_verdict(
    verdict: PrintState,
    *,
    policy: BedClearing,
    before: Bed,
    nothing_ran: bool,
    company: Company,
    said: Bed | None,
) -> BedChange | None:
    """The bed that an ended print leaves; None: it stays occupied, as the intent made it.

    `said` is a person's word. `nothing_ran`: it is known that no file at all ran since the intent,
    so the bed is what it was `before`. A printer whose policy is automatic clears its own bed, once
    it was observed to finish; what others printed after that is theirs to clear.
    """
    if said is not None:
        return BedChange(said, "a person said so")
    if verdict is PrintState.NOT_STARTED and nothing_ran:
        return BedChange(before, "nothing was printed since it was last judged")
    if verdict is not PrintState.COMPLETED or policy is not BedClearing.AUTOMATIC or company.seen:
        return None
    if not company.ruled_out:
        why = "the printer clears its own bed, but nobody saw what else was printed on it since"
        return BedChange(Bed.UNKNOWN, why)
    return BedChange(Bed.CLEAR, "the printer clears its own bed after a finished print")
