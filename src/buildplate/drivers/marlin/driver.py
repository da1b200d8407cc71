"""One printer on a serial line: it reports what it has streamed itself, and obeys."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from time import monotonic
from typing import TypeVar

from buildplate.drivers.marlin import mapping, orders, scripts
from buildplate.drivers.marlin.client import Line, Link
from buildplate.drivers.marlin.config import SerialSettings
from buildplate.drivers.marlin.errors import NoFirmware, PortLost
from buildplate.drivers.marlin.hearing import Facts
from buildplate.drivers.marlin.mapping import Sight
from buildplate.drivers.marlin.notes import Notes
from buildplate.drivers.marlin.printing import Printing
from buildplate.drivers.marlin.shelf import Shelf
from buildplate.drivers.marlin.source import SourceFile, pieces
from buildplate.drivers.sdk import (
    Accepted,
    Answer,
    Control,
    Deleted,
    DriverError,
    DriverTimings,
    EmergencyStop,
    Equipment,
    Extrude,
    FileBody,
    Home,
    Identity,
    Jog,
    PrinterOffline,
    Push,
    Reading,
    Refused,
    Suggestion,
    Unknown,
    Watch,
)
from buildplate.protocols.marlin import Dialect

T = TypeVar("T")
LOOK_AGAIN_S = 0.01
FILES = "files"
GREETINGS = 2.8
"""How many times a request's limit the first words with a board may take."""
SUGGESTIONS = (
    Suggestion("M105", "Temperatures"),
    Suggestion("M114", "Position"),
    Suggestion("M115", "Firmware and what it can do"),
    Suggestion("M119", "End stops"),
    Suggestion("M503", "Settings"),
    Suggestion("G28", "Home"),
    Suggestion("M84", "Motors off"),
)


class SerialDriver:
    """Fulfils `buildplate.drivers.sdk.Driver` for one printer on a serial line."""

    def __init__(self, settings: SerialSettings, timings: DriverTimings) -> None:
        self._settings = settings
        self._timings = timings
        self._line: Line | None = None
        self._notes: Notes | None = None
        self._shelf: Shelf | None = None
        self._spare: Path | None = None
        self._starting = False
        self._looked_to: int | None = None

    # --- the link --------------------------------------------------------------------------------

    async def connect(self, *, wake: bool = False) -> Identity:
        """Open the port and greet the firmware; PrinterOffline in one of the kinds of `errors`."""
        await self.close()
        notes = await self._remember()
        link = Link(
            settings=self._settings,
            notes=notes,
            may_act=self._timings.may_act,
            greeting_s=self._timings.request * GREETINGS,
            answer_s=self._timings.request,
        )
        line = self._line = Line(link, asyncio.get_running_loop(), wake=wake)
        line.start()
        facts = await _of(line.ready)
        firmware = facts.firmware
        if firmware is None:
            return Identity("G-code firmware", "unknown", warnings=NO_NAME)
        name = firmware.dialect if firmware.dialect is not Dialect.UNKNOWN else firmware.name
        return Identity(str(name), firmware.version or "unknown", firmware.machine)

    async def _remember(self) -> Notes:
        """Open the notes of former lives, and end the runs that died with one."""
        folder = self._timings.notes
        if folder is None:
            folder = self._spare = Path(await asyncio.to_thread(tempfile.mkdtemp, "-serial"))
        shelf = self._shelf = Shelf(folder / FILES)

        def opened() -> Notes:
            notes = Notes(folder)
            notes.lost()
            shelf.prepare()
            return notes

        try:
            notes = self._notes = await asyncio.to_thread(opened)
        except OSError as error:
            why = f"the notes of this printer cannot be opened: {error.strerror}"
            raise PrinterOffline(
                why, "Check the disk of this machine.", cause=str(error)
            ) from error
        if self._looked_to is None:
            self._looked_to = notes.last_run
        return notes

    async def pushes(self) -> AsyncIterator[Push]:
        """Yield what the printer says until the connection is lost."""
        line = self._open()
        while True:
            yield await line.voice.push()

    async def close(self) -> None:
        """Close the port. A print that is streamed ends with it, as failed."""
        line, self._line = self._line, None
        if line is not None:
            line.close()
            await asyncio.to_thread(line.join)
        notes, self._notes = self._notes, None
        if notes is not None:
            await asyncio.to_thread(notes.close)
        spare, self._spare = self._spare, None
        if spare is not None:
            await asyncio.to_thread(shutil.rmtree, spare, ignore_errors=True)

    def _open(self) -> Line:
        if self._line is None:
            raise PortLost("there is no connection to the printer")
        if self._line.error is not None:
            raise self._line.error
        return self._line

    # --- reading ---------------------------------------------------------------------------------

    async def look(self, watch: Watch | None, *, deep: bool = False) -> Reading:
        """Read afresh: our own record, and the printer's word that it is alive; DriverError."""
        begun = self._timings.clock()
        line, notes = self._open(), self._notes
        if notes is None:
            raise PortLost("there is no connection to the printer")
        busy = await self._alive(line)
        printing = line.printing
        sight = Sight(printing, line.facts, busy or line.ordered)
        since = self._looked_to or 0
        found = mapping.reading(sight, notes, watch, begun=begun, deep=deep, since=since)
        self._looked_to = notes.last_run
        return found

    async def _alive(self, line: Line) -> bool:
        """Wait for a sign of life; whether the firmware is at work on something else than ours.

        What is streamed is its own sign of life: the thread that streams ends the link when the
        printer stays silent for too long.
        """
        if _speaks_for_itself(line):
            return False
        asked = monotonic()
        probe = line.probe()
        limit = asked + self._timings.request
        while not probe.done():
            if _speaks_for_itself(line):
                return False
            if line.facts.busy_at > asked or line.ordered:
                return True
            if monotonic() > limit:
                raise NoFirmware(f"no answer within {self._timings.request:g} s")
            await asyncio.sleep(LOOK_AGAIN_S)
        error = probe.exception()
        if error is not None and line.error is not None:
            raise line.error
        return error is not None  # after a reset it is being greeted anew

    # --- files -----------------------------------------------------------------------------------

    async def upload(self, name: str, body: FileBody) -> str:
        """Keep the file under `name` for streaming; HostFull, FileUnreadable, HostConfused."""
        await self._files().store(name, body)
        return name

    async def fetch_sha256(self, path: str) -> str | None:
        """The sha256 of the bytes that would be streamed."""
        return await self._files().sha256(path)

    async def delete(self, path: str) -> Deleted:
        """Forget a file; the one that is being printed is IN_USE."""
        line = self._line
        if line is not None and line.printing is not None and line.printing.path == path:
            return Deleted.IN_USE
        try:
            await asyncio.to_thread(self._files().delete, path)
        except (OSError, DriverError):
            return Deleted.UNKNOWN
        return Deleted.GONE

    async def files(self, prefix: str) -> Sequence[str]:
        """Names of kept files that begin with `prefix`."""
        return await asyncio.to_thread(self._files().names, prefix)

    def _files(self) -> Shelf:
        if self._shelf is None:
            raise PortLost("there is no connection to the printer")
        return self._shelf

    # --- printing --------------------------------------------------------------------------------

    async def start(self, path: str) -> Answer:
        """Begin to stream a kept file. Accepted once its first line was taken.

        Refused: nothing of the file was written, and nothing will be.
        """
        if self._starting:
            return Refused("busy", "another print is being started")
        self._starting = True
        try:
            return await self._start(path)
        except DriverError as error:
            return Unknown(str(error))
        finally:
            self._starting = False

    async def _start(self, path: str) -> Answer:
        line, stored = self._open(), self._files().path(path)
        if stored is None or not stored.is_file():
            return Refused("not_found", "the file is not kept for this printer")
        unfit = _unfit(line)
        if unfit is not None:
            return unfit
        unfit = await asyncio.to_thread(self._unfit_file, stored, _dialect(line))
        if unfit is not None:
            return unfit
        source = await asyncio.to_thread(SourceFile, stored, _dialect(line))
        try:
            begun = await self._begun(line, path, source)
        except BaseException:
            if line.printing is None:
                source.close()
            raise
        if isinstance(begun, Refused):
            source.close()
            return begun
        return await self._first_line(line, begun)

    def _unfit_file(self, stored: Path, dialect: Dialect) -> Refused | None:
        """Why a file is not streamed to this printer, by what stands in it."""
        hot = orders.hottest(pieces(stored), self._settings.limits)
        return hot or orders.for_console(pieces(stored), dialect)

    async def _begun(self, line: Line, path: str, source: SourceFile) -> Printing | Refused:
        """Number anew, and begin once that was answered: then the printer is known to listen."""
        limit = monotonic() + self._timings.command

        def begin() -> Printing | Refused | None:
            if _card_runs(line.facts):
                return Refused("busy", "the printer prints from its own card")
            try:
                return line.begin_print(path, source)
            except OSError as error:
                why = f"the note of the print cannot be written: {error.strerror}"
                return Refused("no_note", why)

        begun: Printing | Refused | None = None
        if await _done(line, lambda: line.renumber() or None, limit):
            begun = await _done(line, begin, limit)
        if begun is not None:
            return begun
        asked = "whether it prints from its own card" if line.facts.has_card else "to its numbering"
        return Refused("no_answer", f"the printer does not answer {asked}; nothing was sent")

    async def _first_line(self, line: Line, printing: Printing) -> Answer:
        limit = monotonic() + self._timings.command
        while monotonic() < limit:
            if printing.begun and printing.end is None:
                return Accepted()
            if printing.end is not None:
                return Accepted() if printing.line else Unknown(printing.end.reason)
            if line.error is not None:
                return Unknown(str(line.error))
            await asyncio.sleep(LOOK_AGAIN_S)
        return Unknown("the printer has not answered the first line yet")

    async def cancel(self) -> Answer:
        """Send no more of the file and run the cancel script; Accepted once that was taken."""
        line = self._line
        if line is None:
            return Unknown("there is no connection to the printer")
        return await self._steer(line.cancel_print, to_its_end=True)

    async def pause(self) -> Answer:
        """Stop after the lines under way, and park."""
        return await self._steer(lambda printing: printing.pause())

    async def resume(self) -> Answer:
        """Go back to where the print was, and on with the next line.

        Refused where the printer waits for a person and hears nothing before one has come.
        """
        line = self._line
        if line is None:
            return Unknown("there is no connection to the printer")
        hears = line.facts.abilities.get("EMERGENCY_PARSER", False)
        if line.printing is not None and line.printing.blocked and not hears:
            return Refused("at_printer", "the printer waits for a person: go on at its display")
        return await self._steer(line.resume_print)

    async def _steer(self, deed: Callable[[Printing], bool], *, to_its_end: bool = False) -> Answer:
        try:
            line = self._open()
            printing = line.printing
            if printing is None or not await _of(line.submit(lambda: deed(printing))):
                return Refused("not_now", "no print of ours is in a state for that")
            if to_its_end:
                return await self._ended(line, printing)
        except DriverError as error:
            return Unknown(str(error))
        return Accepted()

    async def _ended(self, line: Line, printing: Printing) -> Answer:
        limit = monotonic() + self._timings.command
        while printing.end is None and line.error is None:
            if monotonic() > limit:
                if not printing.blocked:
                    return Unknown(NO_ANSWER)
                return Unknown(f"{WAITS_FOR_PERSON}: {mapping.what_ends_it(line.facts)}")
            await asyncio.sleep(LOOK_AGAIN_S)
        return Accepted() if line.error is None else Unknown(str(line.error))

    # --- what people ask for ---------------------------------------------------------------------

    async def control(self, order: Control) -> Answer:
        """Carry out a person's order, before the next line of what is streamed."""
        try:
            line = self._open()
            if isinstance(order, EmergencyStop):
                return await self._stop(line)
            if line.facts.halted:
                return Refused("halted", line.facts.halted)
            if line.printing is not None and isinstance(order, Home | Jog | Extrude):
                return Refused("busy", "the head is not moved by hand while a print has it")
            lines = orders.lines_of(order, self._settings.limits)
            if isinstance(lines, Refused):
                return lines
            async with asyncio.timeout(self._timings.command):
                await _of(line.order(lines))
        except TimeoutError:
            return Unknown("the printer has not answered yet")
        except DriverError as error:
            return Unknown(str(error))
        return Accepted()

    async def _stop(self, line: Line) -> Answer:
        line.stop_machine()
        limit = monotonic() + self._timings.command
        while not line.facts.halted and line.error is None:
            if monotonic() > limit:
                return Unknown("M112 was sent; the printer has not said that it stopped")
            await asyncio.sleep(LOOK_AGAIN_S)
        return Accepted() if line.facts.halted else Unknown(str(line.error))

    async def equipment(self) -> Equipment:
        """Commands that every firmware of this family knows."""
        self._open()
        return Equipment(suggestions=SUGGESTIONS)

    async def barrier(self) -> None:
        """Return when everything said before has been done; DriverError."""
        line = self._open()
        try:
            async with asyncio.timeout(self._timings.command):
                await _of(line.order(scripts.drained(_dialect(line))))
        except TimeoutError:
            raise NoFirmware("the printer is still moving") from None


NO_ANSWER = "the printer has not answered the cancel script yet"
WAITS_FOR_PERSON = "the printer waits for a person, and the cancel script behind that"
NO_NAME = ("the firmware does not say what it is (M115)",)


def _speaks_for_itself(line: Line) -> bool:
    """Whether a look needs no answer of the printer: we stream to it, or it has said it stopped."""
    return line.printing is not None or bool(line.facts.halted)


def _unfit(line: Line) -> Refused | None:
    """Why nothing can be started now."""
    if line.facts.halted:
        return Refused("halted", line.facts.halted)
    if line.printing is not None or _card_runs(line.facts):
        return Refused("busy", "the printer prints already")
    if line.ordered:
        return Refused("busy", "the printer is still at work on a command")
    return None


def _dialect(line: Line) -> Dialect:
    firmware = line.facts.firmware
    return firmware.dialect if firmware is not None else Dialect.UNKNOWN


def _card_runs(facts: Facts) -> bool:
    """Whether the printer prints from its own card, or may be about to."""
    return facts.card_open or (facts.card is not None and bool(facts.card.printing))


async def _done(line: Line, step: Callable[[], T | None], limit: float) -> T | None:
    """Try a step on the thread until it gives something; None at the limit, monotonic s."""
    while (given := await _of(line.submit(step))) is None:
        if monotonic() > limit:
            return None
        await asyncio.sleep(LOOK_AGAIN_S)
    return given


async def _of(future: Future[T]) -> T:
    """What the thread answers; who stops waiting does not stop the thread."""
    return await asyncio.shield(asyncio.wrap_future(future))
