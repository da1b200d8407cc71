"""One print on its way to the printer: what the streaming thread does next, and how it ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from threading import Thread
from time import monotonic

from buildplate.drivers.marlin import scripts
from buildplate.drivers.marlin.config import Parking, PausedHeaters, SerialSettings
from buildplate.drivers.marlin.notes import Notes, Outcome, RunNote, Step
from buildplate.drivers.marlin.scripts import Parked
from buildplate.drivers.marlin.source import SourceFile
from buildplate.protocols.marlin import (
    Action,
    Answered,
    Busy,
    Conversation,
    Event,
    Failure,
    OutOfStep,
    Position,
    Started,
    timed_pause,
    waits_for_heat_alone,
)

LOCATE_TIMES = 3
WAITS = "paused for"
"""What a firmware is busy with that waits for a person at its display (`M600`, its own `M0`)."""
NEAR_BYTES = 32 << 10
"""So far before the file's tail the note of it is begun: seconds of printing at least."""


class Phase(StrEnum):
    """Where a print is."""

    STARTING = "starting"
    RUNNING = "running"
    PAUSING = "pausing"
    PAUSED = "paused"
    RESUMING = "resuming"
    FINISHING = "finishing"
    CANCELLING = "cancelling"


class Mark(Enum):
    """Commands of ours whose answer leads to the next step."""

    DRAINED = auto()
    LOCATED = auto()
    PARKED = auto()
    UNPARKED = auto()
    FINISHED = auto()
    CANCELLED = auto()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a print needs of its line.

    `may_act` is the owner's deadline, `targets` in °C of what is on, `known` all heaters' names.
    """

    conversation: Conversation
    notes: Notes
    settings: SerialSettings
    may_act: Callable[[], bool]
    targets: Callable[[], Mapping[str, float]]
    known: Callable[[], Sequence[str]]
    tell: Callable[[str], None]
    clock: Callable[[], float] = monotonic
    """s; what a wait that the file asks for is measured by."""


@dataclass(frozen=True, slots=True)
class End:
    """How a print ended, and whether its heaters are left to its own last lines (`cooled`)."""

    outcome: Outcome
    reason: str
    cooled: bool


class Printing:
    """Feeds the sender from the file and reacts to what the printer says.

    `end` is set once it is over; the note of it is durable by then. Whatever ends it raises OSError
    where that note cannot be written.
    """

    def __init__(self, source: SourceFile, note: RunNote, around: Surroundings) -> None:
        self.source = source
        self.path = note.path
        self.run = note.run
        self.phase = Phase.STARTING
        self.end: End | None = None
        self.why = ""
        self.held_by_printer = False
        self.withheld = False
        self._around = around
        self._sender = around.conversation.sender
        self._finishing = False
        self._by_printer = False
        self._ahead: Thread | None = None
        self._first = self._sender.accepted
        self._noted = -1
        self._host_pause: str | None = None
        self._wait_s: float | None = None
        self._wait_until: float | None = None
        self._asked = False
        self._prompt = ""
        self._waits: int | None = None
        self._go_on_when_parked = False
        self._where: Mapping[str, float] | None = None
        self._parked: Parked | None = None
        self._parking: Parking = around.settings.parking
        self._heaters: PausedHeaters | None = None
        self._targets: dict[str, float] = {}
        self._cold: dict[str, float] = {}
        self._taken = self._waited = False
        self._located = 0
        self._sender.flowing = True

    @property
    def line(self) -> int:
        """The number of the last accepted line of the file; 0 before the first."""
        return self._sender.line if self._sender.accepted > self._first else 0

    @property
    def begun(self) -> bool:
        """Whether a line of the file was accepted, or is worked on: by the printer, or by us."""
        return self._taken or self._waited or self.phase is Phase.CANCELLING

    @property
    def blocked(self) -> bool:
        """Whether the printer waits for a person in a line that it has not answered."""
        if not self._sender.unanswered:
            return False
        if self._waits is not None:
            return True
        return self.held_by_printer and not waits_for_heat_alone(self._sender.under_way)

    @property
    def held(self) -> bool:
        """Whether the printer waits for a person, or may: it has said that it paused by itself."""
        return self.held_by_printer or self.blocked

    @property
    def progress(self) -> float:
        """The share of the file that was accepted, 0-1, to some lines."""
        return min(1.0, max(0.0, self.source.share(self.line)))

    @property
    def steady(self) -> bool:
        """Whether it prints, and lines that were fed are still to be sent."""
        sender = self._sender
        return self.phase is Phase.RUNNING and sender.flowing and not sender.hungry

    # --- what people and the printer ask for -----------------------------------------------------

    def pause(self, why: str = "", *, heaters: PausedHeaters | None = None) -> bool:
        """Stop after the lines under way, then park; False where there is nothing to pause."""
        if self.phase not in {Phase.STARTING, Phase.RUNNING} and self._wait_s is None:
            return False
        self._heaters = heaters
        self._targets = dict(self._around.targets())
        self._stand(why)
        return True

    def chill(self, why: str) -> None:
        """Whatever heats is about to be switched off: stand still, and heat again before going on.

        The targets of now are what a resume waits for, and in a pause without heaters those that
        it had at its beginning.
        """
        self._cold = {**self._around.targets(), **self._cold}
        if self.phase is Phase.PAUSING:
            self._cold = {**self._cold, **self._targets}
        if self.pause(why, heaters=PausedHeaters.OFF):
            return
        if self.phase is Phase.RESUMING:
            # It was on its way back to the part: that ends first, then it parks anew.
            self._heaters = PausedHeaters.OFF
            self._stand(why)
        elif self.phase in {Phase.PAUSING, Phase.PAUSED}:
            self.why = why

    def _stand(self, why: str) -> None:
        self._wait_s = self._wait_until = None
        self.phase, self.why = Phase.PAUSING, why
        self._asked, self._where = False, None
        self._go_on_when_parked = False
        self._sender.flowing = False

    def resume(self) -> bool:
        """Go back to where it was and go on with the next line; False where nothing is paused."""
        if self.phase is not Phase.PAUSED:
            return False
        self.why = ""
        self._wait_s = self._wait_until = None
        lines = scripts.reheated(self._cold)
        if self._parked is not None:
            lines += scripts.unpark(self._parking, self._parked)
        if not lines:
            self._go_on()
            return True
        self.phase = Phase.RESUMING
        self._say(lines, Mark.UNPARKED)
        return True

    def cancel(self, why: str = "cancelled", *, by_printer: bool = False) -> bool:
        """Send no line of the file any more, and run the cancel script; False if it ends anyway.

        `by_printer`: nobody here wanted it, so the part may be printed once more.
        """
        if self.phase is Phase.CANCELLING or self.end is not None:
            return False
        self._by_printer = by_printer
        self._wait_s = self._wait_until = None
        # Whether somebody is waited for is told by what is unanswered now, not by the script.
        self.held_by_printer = self.blocked
        self._waits = self._sender.answered if self.held_by_printer else None
        self.phase, self.why = Phase.CANCELLING, why
        self._sender.flowing = False
        self._sender.drop_stream()
        self._say(list(self._around.settings.cancel_script), Mark.CANCELLED)
        return True

    def fail(self, reason: str) -> None:
        """It is over: the link, the firmware or the file has failed."""
        if self.end is not None:
            return
        at = f"; the last accepted line is {self.line} of the file"
        if self.phase is Phase.CANCELLING:
            self._cancelled()
        elif self._finishing:
            self._over(Outcome.DOUBT, f"{reason} during the last moves{at}", cooled=False)
        else:
            self._over(Outcome.FAILED, f"{reason}{at}", cooled=False)

    # --- the thread's turn -----------------------------------------------------------------------

    def advance(self) -> None:
        """Do what is due: feed lines, note what was accepted, go from step to step."""
        sender = self._sender
        if sender.accepted != self._noted:
            self.note()
            if sender.accepted > self._first:
                self._taken = True
                if self.phase is Phase.STARTING:
                    self.phase = Phase.RUNNING
        self._mind_the_wait()
        if sender.flowing:
            if sender.hungry:
                self._feed()
        elif self.phase is Phase.PAUSING and not self._asked and sender.idle:
            self._locate(Mark.LOCATED)
        elif self._wait_until is not None and self._around.clock() >= self._wait_until:
            self.resume()

    def _mind_the_wait(self) -> None:
        """The line that a person was waited for at has been taken: nobody waits any more."""
        if self._waits is None or self._sender.answered <= self._waits:
            return
        self._waits = None
        if self.phase is Phase.CANCELLING:
            self.held_by_printer = False
        if self.held_by_printer and self.phase is Phase.PAUSED and not self._cold:
            self.resume()

    def note(self) -> None:
        """Note the last accepted line where a killed process leaves it behind."""
        self._noted = self._sender.accepted
        self._around.notes.accepted(self.run, self.line)

    def mind_the_right(self) -> bool:
        """Send on only while this node may command the printer; asked before each block, and often.

        A block of slow moves is minutes of printing, so the line's thread asks in between as well.
        """
        if self.phase not in {Phase.STARTING, Phase.RUNNING}:
            self.withheld = False
            return True
        may = self._around.may_act()
        self.withheld, self._sender.flowing = not may, may
        return may

    def take(self, event: Event) -> None:
        """Something the printer has said."""
        match event:
            case Answered(token) if isinstance(token, Mark):
                self._answered(token)
            case Position(axes):
                self._where = axes
            case Busy(text) if text.lower().startswith(WAITS):
                if not self._sender.unanswered:
                    return  # the line's answer came with it: nobody is waited for any more
                self._waits = self._sender.answered
                self._held("the printer waits for a person")
            case Busy() if self.phase is Phase.STARTING and self._sender.unanswered:
                self.phase, self._taken = Phase.RUNNING, True
            case Action(name, text):
                self._asked_by_printer(name, text)
            case Started():
                self.fail("the printer was reset while it printed")
            case Failure(text, halted=True):
                self.fail(f"the printer stopped: {text}")
            case OutOfStep(number, why):
                self.fail(f"{why} (line number {number})")
            case _:
                pass

    def _asked_by_printer(self, name: str, text: str) -> None:
        if name.startswith(("out_of_filament", "filament_runout")):
            why = f"the filament has run out {text}".rstrip()
            if not self.pause(why) and self.phase in {Phase.PAUSING, Phase.PAUSED}:
                self.why = why
        elif name == "pause":
            self.pause(text or self._prompted("the printer asks for a pause"))
        elif name == "paused":
            self._held(f"the printer has paused by itself {text}".rstrip())
        elif name == "prompt_begin":
            self._prompt = text
            self.why = self._prompted(self.why) if self.held_by_printer else self.why
        elif name == "prompt_end":
            self._prompt = ""
        elif name == "resume" or (name == "resumed" and self.held_by_printer):
            self._go_on_when_parked = self.phase is Phase.PAUSING
            self.resume()
        elif name == "cancel":
            self.cancel("cancelled at the printer", by_printer=True)
        elif name == "disconnect":
            self.fail("the printer asked to be disconnected")

    def _prompted(self, why: str) -> str:
        """Why it stands, with what the printer shows to the person in front of it."""
        return f"{why}: {self._prompt}" if self._prompt else why

    def _held(self, why: str) -> None:
        if self.phase in {Phase.RUNNING, Phase.STARTING} or self._wait_s is not None:
            self._wait_s = self._wait_until = None
            self._taken = self._taken or self._sender.unanswered > 0
            self.phase, self.why, self.held_by_printer = Phase.PAUSED, self._prompted(why), True
            self._parked = None
            self._sender.flowing = False

    # --- steps -----------------------------------------------------------------------------------

    def _feed(self) -> None:
        """Give the sender the next block, or see that all of the file was taken."""
        if self._host_pause is not None:
            if self._sender.unanswered == 0:
                self._wait_for_person(self._host_pause)
            return
        if self.source.at_end:
            if self._sender.unanswered == 0 and self._sender.accepted > self._first:
                self._finish()
            elif self._sender.unanswered == 0:
                self._over(
                    Outcome.FAILED, "the file has no line that a printer acts on", cooled=True
                )
            return
        if not self.mind_the_right():
            return
        try:
            block = self.source.block()
        except OSError as error:
            self.fail(f"the print file cannot be read: {error.strerror}")
            return
        if not self._finishing:
            self._mind_the_tail()
            if self.end is not None:
                return
        self._host_pause = block.pause
        self._sender.feed(block)

    def _mind_the_tail(self) -> None:
        """Have the note that the end is near durable before a line of the tail is fed.

        The disk may take its time, so it is written ahead and beside the stream: a planner that
        waits for a disk leaves marks on the part.
        """
        source = self.source
        if self._ahead is None and source.offset > source.tail - NEAR_BYTES:
            self._ahead = Thread(
                target=self._around.notes.finishing, args=(self.run,), name="note", daemon=True
            )
            self._ahead.start()
        if source.offset > source.tail and self._ahead is not None:
            self._ahead.join()
            if self._around.notes.runs[self.run].step is not Step.FINISHING:
                self.fail("the note of the print's end cannot be written")
                return
            self._around.notes.tail(self.run)
            self._finishing = True

    def _wait_for_person(self, text: str) -> None:
        """The file's M0 or M1: the host waits, so that it can show why and go on when told to.

        With a time, which counts from the end of the moves before, it goes on by itself.
        """
        self._host_pause = None
        self.phase, self._parked = Phase.PAUSED, None
        self._wait_s, said = timed_pause(text)
        asked = "a person" if self._wait_s is None else f"{self._wait_s:g} s"
        self.why = said or f"the file asks to wait for {asked}"
        self._sender.flowing = False
        self._say(scripts.drained(self._around.conversation.dialect), Mark.DRAINED)

    def _locate(self, mark: Mark) -> None:
        self._asked, self._where = True, None
        self._say([*scripts.drained(self._around.conversation.dialect), "M114"], mark)

    def _finish(self) -> None:
        self.phase = Phase.FINISHING
        self._sender.flowing = False
        self._locate(Mark.FINISHED)

    def _answered(self, mark: Mark) -> None:
        if mark is Mark.DRAINED:
            self._waited = True
            if self._wait_s is not None:
                self._wait_until = self._around.clock() + self._wait_s
        elif mark is Mark.LOCATED and self.phase is Phase.PAUSING:
            self._located_for_park()
        elif mark is Mark.PARKED and self.phase is Phase.PAUSING:
            self._stands()
        elif mark is Mark.UNPARKED and self.phase is Phase.RESUMING:
            self._go_on()
        elif mark is Mark.FINISHED and self.phase is Phase.FINISHING:
            self._finished()
        elif mark is Mark.CANCELLED and self.phase is Phase.CANCELLING:
            # The script is the user's: what it leaves on is not known.
            self._cancelled()

    def _located_for_park(self) -> None:
        """Park, once the position was told: its line may be lost, or come behind an `ok` too many.

        After a few tries the head stays where it is.
        """
        self._located += 1
        if self._where is None and self._located < LOCATE_TIMES:
            self._locate(Mark.LOCATED)
            return
        self._located = 0
        self._park()

    def _park(self) -> None:
        modes = self.source.modes_at(self.line)
        if self._where is None or modes.inches:
            # Without a position, or one in known units, there is no way back: the head stays.
            self._parked = None
            self._stands()
            return
        self._parked = Parked(self._where, modes)
        if (self._heaters or self._parking.heaters) is not PausedHeaters.KEEP:
            self._cold = {**self._targets, **self._cold}
        lines = scripts.park(self._parking, self._around.known(), heaters=self._heaters)
        self._say(lines, Mark.PARKED)

    def _stands(self) -> None:
        self.phase = Phase.PAUSED
        if self._go_on_when_parked:
            self._go_on_when_parked = False
            self.resume()

    def _go_on(self) -> None:
        self.phase, self._parked, self._heaters = Phase.RUNNING, None, None
        self._cold = {}
        self.held_by_printer, self.why = False, ""
        self._sender.flowing = True

    def _finished(self) -> None:
        """The position that was asked for last proves that every line before it was taken."""
        self._located += 1
        if self._where is not None:
            self._over(Outcome.COMPLETED, "", cooled=True)
        elif self._located < LOCATE_TIMES:
            self._locate(Mark.FINISHED)
        else:
            self._over(
                Outcome.DOUBT, "the printer does not prove that it took all lines", cooled=False
            )

    def _cancelled(self) -> None:
        """A print that was cancelled at the printer with its last moves there may be whole."""
        if self._by_printer and self._finishing:
            self._over(Outcome.DOUBT, f"{self.why} during the last moves", cooled=False)
        else:
            self._over(Outcome.CANCELLED, self.why, cooled=False)

    def _say(self, lines: list[str], mark: Mark | None) -> None:
        """Queue commands of ours; the answer to the last of them is the mark's."""
        for at, line in enumerate(lines, 1):
            self._sender.command(line.encode(), mark if at == len(lines) else None)
        if not lines and mark is not None:
            self._answered(mark)

    def _over(self, outcome: Outcome, reason: str, *, cooled: bool) -> None:
        self._sender.flowing = False
        self._sender.drop_stream()
        if self._ahead is not None:
            self._ahead.join()
        try:
            self._around.notes.ended(self.run, outcome, reason, self.line, cooled=cooled)
        finally:
            self.source.close()
        self.end = End(outcome, reason, cooled)
        self._around.tell(f"print of {self.path} {outcome}{': ' + reason if reason else ''}")
