"""One printer's port in a thread of its own: it keeps the planner fed whatever the loop does."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from time import monotonic
from typing import Any, TypeVar

from buildplate.drivers.marlin import port as ports
from buildplate.drivers.marlin import scripts
from buildplate.drivers.marlin.config import SerialSettings
from buildplate.drivers.marlin.cooling import FIRST_OFF, OFF_WITHIN_S, Cooling, Off
from buildplate.drivers.marlin.errors import FirmwareStopped, NoFirmware, PortLost
from buildplate.drivers.marlin.handshake import Handshake, bauds_to_try
from buildplate.drivers.marlin.hearing import Facts, Hearing
from buildplate.drivers.marlin.jobs import Job, pass_on
from buildplate.drivers.marlin.notes import Notes
from buildplate.drivers.marlin.printing import End, Printing, Surroundings
from buildplate.drivers.marlin.priority import ask_for_priority
from buildplate.drivers.marlin.source import SourceFile
from buildplate.drivers.marlin.steady import Steady
from buildplate.drivers.marlin.thermal import Finding, Remedy
from buildplate.drivers.marlin.voice import Voice
from buildplate.drivers.sdk import DriverError
from buildplate.protocols.marlin import (
    Action,
    Answered,
    Conversation,
    Event,
    Failure,
    OutOfStep,
    SendLimits,
    Started,
    waits_for_heat_alone,
)

T = TypeVar("T")
STOP = b"\nM112\n"
TURN_S = 0.25
"""Seconds between looks at what only time brings."""
REPORT_S = 1.0
CARD_S = 3.0
"""So often a printer with a card is asked whether a person has started a print from it."""
REPORT = b"M155 S1"
REPORTS_WITHIN_S = 3.0
"""A firmware that reports by itself and told no temperature for so long is asked again."""
MOST_ORDERS = 64
WAITS_AGAIN_S = 2.5
"""Several waits may stand one behind the other. Seldom: some boards answer each M108, unasked."""
REGREET_S = 1.5
"""So long after its greeting a board that was reset is spoken to again."""


class Poll(Enum):
    """Questions of our own, of which one of a kind is under way at a time."""

    HEAT = auto()
    CARD = auto()
    WHO = auto()


@dataclass(frozen=True, slots=True)
class Link:
    """What a line is made with: limits in seconds; `may_act` is the owner's deadline."""

    settings: SerialSettings
    notes: Notes
    may_act: Callable[[], bool]
    greeting_s: float
    answer_s: float


class Line(threading.Thread):
    """Opens the port, speaks with the firmware and streams, until it is closed or lost."""

    def __init__(self, link: Link, loop: asyncio.AbstractEventLoop, *, wake: bool = False) -> None:
        super().__init__(name=f"serial {link.settings.port}", daemon=True)
        self.voice = Voice(loop)
        self._hearing = Hearing(link.settings, link.notes, self.voice)
        self.facts = self._hearing.facts
        self.ready: Future[Facts] = Future()
        self.printing: Printing | None = None
        self.error: DriverError | None = None
        self._link = link
        self._settings = link.settings
        self._notes = link.notes
        self._wake_board = wake
        limits = SendLimits(
            link.settings.window or None, receive_bytes=link.settings.receive_buffer
        )
        self._conversation = Conversation(limits)
        self._sender = self._conversation.sender
        self._watch = self._hearing.watch
        self._port: ports.Port | None = None
        self._jobs: deque[Job[Any]] = deque()
        self._orders: set[Future[None]] = set()
        self._probes: set[Future[None]] = set()
        self._polls: set[Poll] = set()
        self._named: set[str] = set()
        self._closing = False
        self._turn_at = 0.0
        self._report_at = 0.0
        self._card_at = 0.0
        self._regreet_at: float | None = None
        self._cooling = Cooling(self._sender, link.notes, self.known)
        self._wait_ended_at = 0.0

    # --- the loop's side -------------------------------------------------------------------------

    def close(self) -> None:
        """End the link, and with it a print that it streams."""
        self._closing = True
        self._nudge()

    def stop_machine(self) -> None:
        """M112, before whatever waits; from any thread. PortLost."""
        port = self._port
        if port is None or self.error is not None:
            raise PortLost("there is no connection to the printer")
        if not port.urgent(STOP):
            self._jobs.appendleft(Job(lambda: port.write(b"")))
            self._nudge()
        self.voice.line("M112", sent=True)

    def break_waits(self) -> None:
        """End a wait for heat or for a person, on the thread; firmwares that cannot ignore it."""
        if self._port is not None:
            self._port.write(b"M108\n")
            self._sender.unnumbered()

    def submit(self, deed: Callable[[], T]) -> Future[T]:
        """Have the thread do something between two steps; its result, or PortLost."""
        job = Job(deed)
        if self.error is not None or not self.is_alive():
            job.refuse(self.error or PortLost("there is no connection to the printer"))
            return job.future
        self._jobs.append(job)
        self._nudge()
        self._refuse_late()
        return job.future

    def _refuse_late(self) -> None:
        """Refuse what was asked just while the line ended, perhaps too late to be seen then."""
        if self.error is not None:
            self._refuse_jobs(self.error)

    def order(self, lines: Sequence[str]) -> Future[None]:
        """Send these lines before the rest of a stream; done when the last one is answered."""
        done: Future[None] = Future()
        done.set_running_or_notify_cancel()

        def queue() -> None:
            if len(self._orders) >= MOST_ORDERS:
                done.set_exception(PortLost("too many commands wait for the printer already"))
                return
            self._orders.add(done)
            for at, line in enumerate(lines, 1):
                self.voice.line(line, sent=True)
                self._sender.command(line.encode(), done if at == len(lines) else None)

        self.submit(queue).add_done_callback(lambda queued: pass_on(queued, done))
        return done

    def probe(self) -> Future[None]:
        """Ask for temperatures; done when the firmware has answered."""
        done: Future[None] = Future()
        done.set_running_or_notify_cancel()

        def queue() -> None:
            if not self._conversation.begun:
                done.set_exception(FirmwareStopped("the board has just been reset"))
            elif len(self._probes) < MOST_ORDERS:
                self._probes.add(done)
                self._sender.command(b"M105", done)

        self.submit(queue).add_done_callback(lambda queued: pass_on(queued, done))
        return done

    def _nudge(self) -> None:
        port = self._port
        if port is not None:
            port.wake()

    # --- the thread ------------------------------------------------------------------------------

    def run(self) -> None:
        """The life of one link."""
        error: DriverError = PortLost("the connection was closed")
        ask_for_priority()
        try:
            self._open()
            self.ready.set_result(self.facts)
            self._serve()
        except DriverError as lost:
            error = lost
        except OSError as lost:
            error = PortLost("the port or the notes of its prints failed", cause=str(lost))
        finally:
            self._end(error)

    def _end(self, error: DriverError) -> None:
        """Nobody waits for this line any more, whatever of its ending fails."""
        self.error = error
        try:
            self._end_print(f"the connection to the printer ended ({error})")
        finally:
            if not self.ready.done():
                self.ready.set_exception(error)
            self._refuse_jobs(error)
            self._fail_orders(error)
            port, self._port = self._port, None
            try:
                if port is not None:
                    port.close()
            finally:
                self.voice.ended(error)

    def _end_print(self, reason: str) -> None:
        """End a print with its line: as well as can be, its heaters are switched off as well."""
        printing, self.printing = self.printing, None
        if printing is None or printing.end is not None:
            return
        port = self._port
        if port is not None and not self.facts.halted:
            off = "\n".join(["", *scripts.heaters_off(self.known()), ""])
            with suppress(DriverError, OSError):
                port.urgent(off.encode())
        with suppress(OSError):  # the note stays open, and is ended when it is found again
            printing.fail(reason)

    def _refuse_jobs(self, error: DriverError) -> None:
        """Whatever was to be done on the line is not done any more."""
        while self._jobs:
            with suppress(IndexError):
                self._jobs.popleft().refuse(error)

    def _open(self) -> None:
        began = monotonic()
        settings = self._settings
        place = settings.network
        has_speed = place is None or place[0] == "rfc2217"
        bauds = bauds_to_try(settings.baud, self._notes.baud, has_speed=has_speed)
        self._port = ports.opened(settings, bauds[0], self._link.answer_s)
        first = b"M999\n" if self._wake_board else b""
        if self._notes.hot:
            first += FIRST_OFF
        handshake = Handshake(
            self._port,
            self._conversation,
            monotonic,
            began + self._link.greeting_s,
            lambda: not self._closing,
        )
        self.facts.baud = handshake.find(bauds, first)
        self._named |= handshake.heaters
        if self.facts.baud and not settings.baud:
            self._notes.remember_baud(self.facts.baud)
        self._greet()
        deadline = began + self._link.greeting_s
        while Poll.WHO in self._polls:
            if monotonic() >= deadline or self._closing:
                raise NoFirmware("the firmware stopped answering while it was greeted")
            self._step()

    def _greet(self) -> None:
        """Number from 0, switch off what a lost print may have left on, ask who answers."""
        self._regreet_at = None
        self._polls.clear()
        self._conversation.begin()
        self._conversation.reports_by_itself = False
        self._watch.forget()
        if self._notes.hot:
            for line in scripts.heaters_off(self.known()):
                self._sender.command(line.encode())
        self._ask(Poll.WHO, b"M115")
        self._ask(Poll.CARD, b"M27")
        self.facts.heard_at = self.facts.heat_at = monotonic()

    def _greeted(self) -> None:
        """The firmware has said what it is: now all tools are known, and whether it reports."""
        if self._notes.hot:
            self._cooling.switch_off()
        if self.facts.abilities.get("AUTOREPORT_TEMP"):
            self._sender.command(REPORT)
            self._conversation.reports_by_itself = True

    def _serve(self) -> None:
        self.voice.changed()
        if self._port is None:
            raise PortLost("the port is closed")
        steady = Steady(self._port, self._conversation, self.facts, self._jobs, self._take)
        while not self._closing:
            self._step()
            if self.printing is not None and self.printing.steady:
                steady.stream(self.printing, self._turn_at)

    def _step(self) -> None:
        """One turn: do what was asked, feed, write, wait a little, understand what came."""
        now = monotonic()
        while self._jobs:
            self._jobs.popleft().run()
        printing = self.printing
        if printing is not None:
            printing.advance()
            if printing.end is not None:
                self._print_over(printing.end)
        if now >= self._turn_at:
            self._turn_at = now + TURN_S
            self._turn(now)
        port = self._port
        if port is None:
            raise PortLost("the port is closed")
        data = self._conversation.to_send(now)
        if data:
            port.write(data)
        due = self._conversation.due()
        got = port.read(self._until(now, due, sent=bool(data)) - now)
        now = monotonic()
        if got:
            self.facts.heard_at = now
            for event in self._conversation.receive(got, now):
                self._take(event, now)
        elif due is not None and now >= due:
            self._conversation.tick(now)

    def _until(self, now: float, due: float | None, *, sent: bool) -> float:
        """How long to wait for the printer, monotonic s."""
        until = self._turn_at if due is None or due > self._turn_at else due
        printing = self.printing
        if printing is not None and sent and self._sender.flowing and self._sender.hungry:
            return now  # the next block is fed first
        return until

    # --- what time brings ------------------------------------------------------------------------

    def _turn(self, now: float) -> None:
        printing = self.printing
        if self._regreet_at is not None and now >= self._regreet_at:
            self._greet()
        if not self._conversation.begun:
            return
        if now >= self._report_at and not self.facts.halted:
            self._report_at = now + REPORT_S
            if not self._conversation.reports_by_itself:
                self._ask(Poll.HEAT, b"M105")
            elif now - self.facts.heat_at > REPORTS_WITHIN_S and Poll.HEAT not in self._polls:
                # A file may have ended the reports, or the firmware has forgotten them.
                self._ask(Poll.HEAT, b"M105")
                self._sender.command(REPORT)
        if now >= self._card_at and printing is None and self.facts.has_card:
            self._card_at = now + CARD_S
            if not self.facts.halted:
                self._ask(Poll.CARD, b"M27")
        if printing is not None:
            printing.mind_the_right()
            self.voice.progress(printing.progress, printing.source.time_left_s)
        for finding in self._watch.silent(now):
            self._alarm(finding)
        self._mind_cooling(now)
        self._mind_silence(now)

    def _mind_silence(self, now: float) -> None:
        """A printer that owes an answer and says nothing at all is lost, sooner or later."""
        if self._sender.unanswered == 0 or self.facts.halted:
            return
        patient = self.printing is not None or bool(self._orders)
        limit = self._settings.silence_s if patient else self._link.answer_s
        silent = now - self.facts.heard_at
        if silent > limit:
            raise NoFirmware(f"the printer has said nothing for {silent:.0f} s")

    def _ask(self, poll: Poll, code: bytes) -> None:
        if poll not in self._polls:
            self._polls.add(poll)
            self._sender.command(code, poll)

    # --- what the printer says -------------------------------------------------------------------

    def _take(self, event: Event, now: float) -> None:
        self._hearing.take(event, now)
        while self._hearing.findings:
            self._alarm(self._hearing.findings.pop(0))
        match event:
            case Answered(token):
                self._answered(token)
            case Started():
                self._silenced(PortLost("the printer was reset"))
                self._regreet_at = now + REGREET_S
            case Failure(text, halted=True):
                self._silenced(FirmwareStopped(f"the firmware has stopped: {text}"))
            case OutOfStep():
                self._silenced(PortLost("the printer lost count of the lines it was sent"))
                self._regreet_at = now + REGREET_S
            case _:
                pass
        self._tell_print(event)
        if isinstance(event, Action) and event.name == "disconnect":
            raise PortLost("the printer asked to be disconnected")

    def _tell_print(self, event: Event) -> None:
        printing = self.printing
        if printing is None:
            return
        before = printing.phase
        printing.take(event)
        if printing.end is not None:
            self._print_over(printing.end)
        elif printing.phase is not before:
            self.voice.changed(printing.why)

    def _silenced(self, error: DriverError) -> None:
        """Nothing that was said to the firmware counts any more, and nothing more is said."""
        self._fail_orders(error)
        self._cooling.forget()
        self._conversation.stop()

    def _alarm(self, finding: Finding) -> None:
        """The thermal watch has found something: tell, and do what is configured."""
        self.voice.line(f"thermal watch: {finding.text}", error=True)
        self.voice.changed(f"thermal watch: {finding.text}")
        remedy = self._settings.remedy
        if remedy is Remedy.STOP:
            self.stop_machine()
            if self.printing is not None:
                self.printing.fail(f"the thermal watch stopped the machine: {finding.text}")
        elif remedy is Remedy.PAUSE:
            if self.printing is not None:
                self.printing.chill(finding.text)
            self._cooling.switch_off_in_time(monotonic())
            self._end_waits()

    def _end_waits(self) -> None:
        """Let a firmware that reads ahead leave its wait for heat: what is wanted stands behind it.

        Only where a line under way is known to be such a wait, and the printer has not paused by
        itself. A firmware that waits for a person, also in lines of its own, may say so seconds
        later only, and would take M108 for that person's answer.
        """
        if self.printing is not None and self.printing.held:
            return
        hears = self.facts.abilities.get("EMERGENCY_PARSER")
        if hears and waits_for_heat_alone(self._sender.under_way):
            self._wait_ended_at = monotonic()
            self.break_waits()

    def _mind_cooling(self, now: float) -> None:
        """Heaters that an alarm switches off and that stay on end in an emergency stop."""
        if self._cooling.overdue(now):
            why = f"the heaters could not be switched off within {OFF_WITHIN_S:.0f} s"
            self.voice.line(f"thermal watch: {why}", error=True)
            self.stop_machine()
            if self.printing is not None:
                self.printing.fail(f"the thermal watch stopped the machine: {why}")
        elif self._cooling.urgent and now >= self._wait_ended_at + WAITS_AGAIN_S:
            self._end_waits()

    def _answered(self, token: object) -> None:
        if isinstance(token, Poll):
            self._polls.discard(token)
            if token is Poll.WHO:
                self._greeted()
        elif token is Off.DONE:
            self._cooling.done()
        elif isinstance(token, Future):
            self._orders.discard(token)
            self._probes.discard(token)
            if not token.done():
                token.set_result(None)

    def _fail_orders(self, error: DriverError) -> None:
        for order in self._orders | self._probes:
            if not order.done():
                order.set_exception(error)
        self._orders.clear()
        self._probes.clear()
        self._polls.clear()

    # --- prints ----------------------------------------------------------------------------------

    @property
    def idle(self) -> bool:
        """Whether nothing was asked of the firmware that it has not answered."""
        return self._conversation.begun and self._sender.idle and not self._orders

    @property
    def ordered(self) -> bool:
        """Whether a person's command is under way."""
        return bool(self._orders)

    def known(self) -> list[str]:
        """The names of all heaters that the firmware has shown or counted."""
        firmware = self.facts.firmware
        counted = (firmware.extruders if firmware is not None else None) or 1
        tools = {f"tool{number}" for number in range(counted)} if counted > 1 else set()
        return sorted({*self.facts.heaters, *self._named, *tools})

    def renumber(self) -> bool:
        """Number lines from 0 again, on the thread; False while something is unanswered."""
        if not self.idle:
            return False
        self._polls.clear()
        self._conversation.begin()
        self.facts.card_free = False
        return True

    def begin_print(self, path: str, source: SourceFile) -> Printing | None:
        """Begin to stream a file, on the thread, once the new numbering was answered.

        The note of it is durable when this returns the print; None: not yet. OSError.
        """
        if not self.idle:
            return None
        if self.facts.has_card and not self.facts.card_free:
            self._ask(Poll.CARD, b"M27")
            return None
        around = Surroundings(
            conversation=self._conversation,
            notes=self._notes,
            settings=self._settings,
            may_act=self._link.may_act,
            targets=self.facts.targets,
            known=self.known,
            tell=self.voice.line,
        )
        self.printing = Printing(source, self._notes.begin(path), around)
        return self.printing

    def resume_print(self, printing: Printing) -> bool:
        """Go on, on the thread; a printer that waits for a person is told that one came (M108)."""
        blocked = printing.blocked
        if not printing.resume():
            return False
        if blocked:
            self.break_waits()
        return True

    def cancel_print(self, printing: Printing) -> bool:
        """Cancel, on the thread, and end a wait for heat (M108): the script stands behind it.

        Not one for a person: the printer would go on with what only that person sees.
        """
        held, cancelled = printing.held, printing.cancel()
        if cancelled and not held:
            self._end_waits()
        return cancelled

    def _print_over(self, end: End) -> None:
        """A print of ours is over; what it may have left on is switched off."""
        self.printing = None
        self.voice.changed(end.reason)
        if not end.cooled and self._conversation.begun and not self.facts.halted:
            self._cooling.switch_off()
