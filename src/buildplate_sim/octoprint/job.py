"""The one job of a simulated OctoPrint: the current file, and the life of its print."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildplate_sim.machine import Order
from buildplate_sim.octoprint.flight import Flight
from buildplate_sim.octoprint.states import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildplate_sim.octoprint.shelf import Stored
    from buildplate_sim.octoprint.software import OctoPrint

STARTING_S = 0.01
PAUSE_S = (0.3, 0.5)
RESUME_S = 0.02
CANCEL_S = 0.13
CANCEL_TOLD_S = (0.0, 0.03)
CANCEL_OVER_S = (0.0, 0.045)
"""From PrintCancelled to PrintFailed, and to Operational: either was seen to come first."""

FINISHING_S = (0.0, 0.045)


class Job:
    """What is selected, and what becomes of its print.

    `finished` is the print time (s) of the print that has just ended well; `wedged` is the state
    in which the host believes to print and obeys nobody.
    """

    def __init__(self, software: OctoPrint) -> None:
        self._software = software
        self.selected: Stored | None = None
        self.selected_by: str | None = None
        self.never_selected = True
        self.owner: str | None = None
        self.finished: float | None = None
        self.starting = False
        self.shows_progress = False
        self.wedged = False

    def select(self, stored: Stored | None, user: str) -> None:
        """Make a file (or none) the current one."""
        self.selected, self.selected_by = stored, user if stored else None
        self.finished, self.never_selected = None, False
        self._software.voice.selected(stored, user)

    def forget(self) -> None:
        """Nothing is selected, nothing runs."""
        self.selected, self.selected_by, self.finished = None, None, None
        self.starting = self.shows_progress = self.wedged = self.never_selected = False

    def wedge(self) -> None:
        """Believe to print, without a file, without a word."""
        self.forget()
        self.wedged = True
        self._software.state = State.PRINTING

    def run(self, flight: Flight, *, told_twice: bool = False) -> None:
        """Print: the run's start is on the printer's record before anybody hears of it."""
        stored = flight.stored
        self.select(stored, flight.user)
        self.starting, self.owner = True, flight.user
        announced = [flight.told or stored] * (2 if told_twice else 1)
        self._software.machine.start(
            Order(stored.path, stored.sha256, flight.program, flight.foreign),
            lambda _run: self._begun(stored, announced),
            self._done,
            self._stopped,
        )

    def _begun(self, stored: Stored, announced: Sequence[Stored]) -> None:
        software = self._software
        if software.dead:
            return
        self.starting, self.shows_progress, self.finished = False, True, None
        software.change(State.STARTING)
        for told in announced:
            software.voice.started(told, self.owner)
        software.voice.mark("print", "Start")
        software.after(STARTING_S, lambda: self._move_on(State.STARTING, State.PRINTING))
        software.host.plays.print_begun(stored.path)

    def _move_on(self, from_state: State, to_state: State) -> None:
        if self._software.state is from_state:
            self._software.change(to_state)

    def _done(self, spent: float) -> None:
        software = self._software
        if software.dead:
            return
        software.change(State.FINISHING)
        software.voice.mark("done", "Done")
        self.finished = spent
        if self.selected is not None:
            software.voice.done(self.selected, self.owner, spent)
        delay = software.host.random.uniform(*FINISHING_S)
        software.after(delay, lambda: self._move_on(State.FINISHING, State.OPERATIONAL))

    def _stopped(self) -> None:
        """The file itself asked for a pause (M0)."""
        if not self._software.dead and self._software.state in {State.PRINTING, State.STARTING}:
            self._software.change(State.PAUSING)
            self._paused()

    def pause(self) -> None:
        """Pause; the printer stands still a moment later."""
        software = self._software
        going = {State.STARTING, State.PRINTING, State.RESUMING}
        if self.wedged or software.state not in going:
            return
        software.change(State.PAUSING)
        software.after(software.host.random.uniform(*PAUSE_S), self._paused)

    def _paused(self) -> None:
        software = self._software
        if software.state is not State.PAUSING:
            return
        software.machine.pause()
        self._tell("paused", "PrintPaused")
        software.voice.mark("pause", "Pause")
        software.change(State.PAUSED)

    def resume(self) -> None:
        """Go on."""
        software = self._software
        if self.wedged or software.state is not State.PAUSED:
            return
        software.change(State.RESUMING)
        software.machine.resume()
        self._tell("resumed", "PrintResumed")
        software.voice.mark("resume", "Resume")
        software.after(RESUME_S, lambda: self._move_on(State.RESUMING, State.PRINTING))

    def cancel(self) -> None:
        """Cancel; the file stays selected."""
        software = self._software
        if self.wedged or software.state in {State.CANCELLING, State.FINISHING}:
            return
        if self.starting or software.state is State.STARTING:
            # The real one is seen to print first, and then to cancel.
            software.after(STARTING_S, self.cancel)
            return
        software.machine.pause()
        if self.selected is not None:
            software.voice.print_event(
                "PrintCancelling", self.selected, self.owner, user=self.owner
            )
        software.change(State.CANCELLING)
        software.after(CANCEL_S, lambda: software.machine.end("cancelled", self._cancelled))

    def _cancelled(self, spent: float) -> None:
        software = self._software
        if software.dead or software.state is not State.CANCELLING:
            return
        self.shows_progress = False
        self._tell("cancelled", "PrintCancelled", time=spent)
        software.voice.mark("cancel", "Cancel")
        stored, owner = self.selected, self.owner
        random = software.host.random
        over, told = random.uniform(*CANCEL_OVER_S), random.uniform(*CANCEL_TOLD_S)
        software.after(over, lambda: self._move_on(State.CANCELLING, State.OPERATIONAL))
        if stored is not None:
            software.after(told, lambda: self._tell_failed(stored, owner, spent))

    def _tell_failed(self, stored: Stored, owner: str | None, spent: float) -> None:
        self._software.voice.failed(stored, owner, spent, "cancelled", user=owner)

    def restart(self) -> None:
        """Print the file from its beginning again; only asked for while paused."""
        software, stored = self._software, self.selected
        if stored is None:
            return
        program = software.host.library.program(software.shelf.root / stored.path, stored.sha256)
        user = self.selected_by or ""
        again = Flight(stored, program, user, foreign=False, answer=lambda _: None)
        software.machine.end("restarted", lambda _spent: None if software.dead else self.run(again))

    def _tell(self, word: str, kind: str, **more: float) -> None:
        if self.selected is not None:
            voice = self._software.voice
            voice.note_job(word, self.selected, self.owner)
            voice.print_event(kind, self.selected, self.owner, user=self.owner, **more)
