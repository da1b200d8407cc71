"""Starts on their way from a request to the printer, and what may become of them in between."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from buildplate_sim.octoprint.flight import Flight
from buildplate_sim.octoprint.states import State

if TYPE_CHECKING:
    from buildplate_sim.octoprint.shelf import Stored
    from buildplate_sim.octoprint.software import OctoPrint

ANSWER_S = (0.010, 0.029)
IN_FLIGHT_S = (0.010, 0.027)
"""Measured from the request to its answer, and to PrintStarted, on an idle host.

Neither waits for the other: either was seen to come first.
"""

START_FAULTS = frozenset({"late", "lost", "twice", "phantom", "reported", "wedge", "halt", "error"})

DELETED_BEFORE_ANSWER = {"busy": 8, "missing": 75, "error": 17}
DELETED_AFTER_ANSWER = {"busy": 44, "unlinked": 3, "halt": 2, "wedge": 1}
"""How often which outcome when a delete meets a start that is on its way."""

SELECT_LOSES_START = 3 / 25
"""How often another select makes a start that is on its way be lost."""

GONE = "FileNotFoundError: '[Errno 2] No such file or directory: '/uploads/{path}''"

Answer = Callable[[int], None]


def nobody(_: int) -> None:
    """Somebody started at the printer: there is no request to answer."""


class Launcher:
    """Holds at most one start on its way."""

    def __init__(self, software: OctoPrint) -> None:
        self._software = software
        self._host = software.host
        self.flight: Flight | None = None

    def begin(self, stored: Stored, user: str, *, foreign: bool, answer: Answer = nobody) -> None:
        """Take a start; `answer` gets the status of the request, a moment later."""
        path = stored.path
        rule = None if foreign else self._host.rules.take("start", path=path, command="print")
        play = rule.play if rule is not None else ""
        if rule is not None:
            self._host.journal.write("start-fault", play=play, path=path)
        if play == "error":
            answer(HTTPStatus.INTERNAL_SERVER_ERROR)
            return
        if play == "lost":
            self._software.job.select(stored, user)
            answer(HTTPStatus.NO_CONTENT)
            return
        program = self._host.library.program(self._software.shelf.root / path, stored.sha256)
        flight = Flight(stored, program, user, foreign, answer, rule)
        if self.flight is not None:
            answer(HTTPStatus.NO_CONTENT)
            self._meet(flight)
            return
        delay = self._host.random.uniform(*IN_FLIGHT_S)
        if play == "late" and rule is not None:
            delay = self._host.rules.draw(rule, "seconds", 25.0)
        self.flight = flight
        self._software.after(self._host.random.uniform(*ANSWER_S), flight.accept)
        flight.timer = self._software.after(delay, lambda: self._arrive(flight))

    def selected(self, stored: Stored, user: str) -> None:
        """Somebody only selects a file while a start is on its way."""
        if self.flight is not None and self._host.random.random() < SELECT_LOSES_START:
            self._drop()
        if self.flight is None:
            self._software.job.select(stored, user)

    def _meet(self, second: Flight) -> None:
        """Two starts at once share one flag and one current file."""
        first = self.flight
        if first is None:
            return
        self._host.journal.write("two-starts", first=first.stored.path, second=second.stored.path)
        outcome = self._host.random.choice(("first", "twice", "reported", "phantom"))
        if outcome == "first":
            return
        first.instead = outcome
        if outcome == "reported":
            first.told, first.stored = first.stored, second.stored
            first.program, first.foreign = second.program, second.foreign
            first.rule = None

    def deleting(self, path: str) -> str:
        """What a delete of this path meets: '' nothing, else the outcome for start and delete."""
        flight = self.flight
        if flight is None or flight.stored.path != path:
            return ""
        wanted = flight.rule.params.get("after_delete") if flight.rule is not None else None
        weights = DELETED_AFTER_ANSWER if flight.answered else DELETED_BEFORE_ANSWER
        outcome = wanted or self._host.random.choices(list(weights), list(weights.values()))[0]
        if outcome == "missing":
            flight.settle(HTTPStatus.NOT_FOUND)
            self._drop()
        elif outcome == "error":
            flight.settle(HTTPStatus.INTERNAL_SERVER_ERROR)
            self._drop()
        elif outcome in {"halt", "wedge"}:
            flight.instead = outcome
        flight.unlinked = outcome != "busy"
        return str(outcome)

    def _drop(self) -> None:
        if self.flight is not None and self.flight.timer is not None:
            self.flight.timer.cancel()
        self.flight = None

    def _arrive(self, flight: Flight) -> None:
        self.flight = None
        software = self._software
        gone = flight.stored.path not in software.shelf.files and not flight.unlinked
        if gone or software.busy or software.state is not State.OPERATIONAL:
            self._host.journal.write("start-lost", path=flight.stored.path)
            return
        self._carry_out(flight)

    def _carry_out(self, flight: Flight) -> None:
        software = self._software
        play = flight.instead or (flight.rule.play if flight.rule is not None else "")
        if play == "wedge":
            software.job.wedge()
        elif play == "halt":
            software.line.halt(GONE.format(path=flight.stored.path))
        elif play == "phantom":
            self._phantom(flight)
        elif play == "reported":
            self._reported(flight)
        else:
            software.job.run(flight, told_twice=play == "twice")

    def _phantom(self, flight: Flight) -> None:
        """A start and an end are told of a file of which no line is sent."""
        software = self._software
        software.job.select(flight.stored, flight.user)
        software.job.owner = flight.user
        software.change(State.STARTING)
        software.voice.started(flight.stored, flight.user)
        software.voice.mark("print", "Start")

        def done() -> None:
            software.change(State.FINISHING)
            software.voice.mark("done", "Done")
            software.voice.done(flight.stored, flight.user, None)
            software.change(State.OPERATIONAL)

        self._host.journal.write("phantom", path=flight.stored.path)
        software.after(0.02, done)

    def _reported(self, flight: Flight) -> None:
        """The start of one file is told, and of no other, while another one runs."""
        software = self._software
        params: dict[str, Any] = flight.rule.params if flight.rule is not None else {}
        wanted = software.shelf.files.get(str(params.get("other", "")))
        if flight.told is None and wanted is not None:
            flight.told, flight.stored, flight.foreign = flight.stored, wanted, True
            flight.program = self._host.library.program(
                software.shelf.root / wanted.path, wanted.sha256
            )
        software.job.run(flight)
