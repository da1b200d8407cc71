"""How a print ends: what a streamed file, the printer's words and people lead to."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildplate.drivers.marlin.config import read_settings
from buildplate.drivers.marlin.notes import Notes, Outcome
from buildplate.drivers.marlin.printing import LOCATE_TIMES, Phase, Printing, Surroundings
from buildplate.drivers.marlin.source import SourceFile
from buildplate.protocols.marlin import Busy, Conversation, Dialect, SendLimits
from tests.unit.protocols.bad_wire import PlainFirmware

FILE = "G28\n" + "".join(f"G1 X{n} Y{n} E{n}\n" for n in range(1, 40)) + "G1 E-3\nM104 S0\nM84\n"


class Bench:
    """A print on a firmware that answers at once, or that is deaf."""

    def __init__(self, folder: Path, text: str = FILE) -> None:
        path = folder / "print.gcode"
        path.write_text(text)
        self.conversation = Conversation(SendLimits())
        self.conversation.begin()
        self.firmware = PlainFirmware()
        self.notes = Notes(folder / "notes")
        self.now = 0.0
        self.hears = True
        around = Surroundings(
            conversation=self.conversation,
            notes=self.notes,
            settings=read_settings({"port": "/dev/ttyUSB0", "cancel_script": "M104 S0|M84"}),
            may_act=lambda: True,
            targets=dict,
            known=list,
            tell=lambda _: None,
            clock=lambda: self.now,
        )
        self.printing = Printing(
            SourceFile(path, Dialect.MARLIN2), self.notes.begin("bp-1-1.gcode"), around
        )

    def step(self, said: bytes = b"") -> None:
        """One turn of the thread; `said`: words of the printer beside its answers."""
        if self.printing.end is None:
            self.printing.advance()
        self.now += 0.01
        sent = self.conversation.to_send(self.now) if self.hears else b""
        answers = self.firmware.hear(sent) if sent else b""
        for event in self.conversation.receive(said + answers, self.now):
            if self.printing.end is None:
                self.printing.take(event)

    def blocked(self) -> bool:
        """Whether a person is waited for, asked anew."""
        return self.printing.blocked

    def begun(self) -> bool:
        """Whether it has begun, asked anew."""
        return self.printing.begun

    def to_line(self, line: int) -> None:
        """Go on until a line of the file was taken."""
        for _ in range(500):
            if self.printing.line >= line or self.printing.end is not None:
                return
            self.step()
        message = f"hangs at line {self.printing.line}"
        raise AssertionError(message)

    def outcome(self) -> Outcome:
        """Go on to the end; how it ended."""
        for _ in range(500):
            if self.printing.end is not None:
                return self.printing.end.outcome
            self.step()
        message = f"never ends: {self.printing.phase}"
        raise AssertionError(message)

    def until(self, phase: Phase) -> None:
        """Go on until the print is in this phase."""
        for _ in range(500):
            if self.printing.phase is phase:
                return
            self.step()
        message = f"stays {self.printing.phase}"
        raise AssertionError(message)


LAST_PRINTING_MOVE = 40


def test_a_file_is_printed_to_its_end(tmp_path: Path) -> None:
    assert Bench(tmp_path).outcome() is Outcome.COMPLETED


def test_a_cancel_at_the_printer_during_the_last_moves_is_a_doubt(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.to_line(LAST_PRINTING_MOVE)
    bench.step(b"//action:cancel\n")
    assert bench.outcome() is Outcome.DOUBT
    assert bench.printing.end is not None
    assert "at the printer during the last moves" in bench.printing.end.reason


def test_a_link_that_is_lost_after_such_a_cancel_is_a_doubt_too(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.to_line(LAST_PRINTING_MOVE)
    bench.hears = False
    bench.step(b"//action:cancel\n")
    assert bench.printing.phase is Phase.CANCELLING
    bench.printing.fail("the connection to the printer ended")
    assert bench.outcome() is Outcome.DOUBT


@pytest.mark.parametrize("line", [5, LAST_PRINTING_MOVE])
def test_our_own_cancel_is_a_cancel_at_any_time(tmp_path: Path, line: int) -> None:
    bench = Bench(tmp_path)
    bench.to_line(line)
    assert bench.printing.cancel()
    bench.step(b"//action:cancel\n")
    assert bench.outcome() is Outcome.CANCELLED


def test_a_cancel_at_the_printer_before_the_last_moves_is_no_doubt(tmp_path: Path) -> None:
    # Two blocks: nothing of the second was sent, so the part cannot be whole.
    bench = Bench(tmp_path, "G1 X1 Y1 E1\n" * 2000 + FILE)
    bench.to_line(5)
    bench.step(b"//action:cancel\n")
    assert bench.outcome() is Outcome.CANCELLED


@pytest.mark.parametrize("inches", [False, True])
def test_a_pause_parks_only_where_numbers_mean_millimetres(tmp_path: Path, inches: bool) -> None:
    bench = Bench(tmp_path, ("G20\n" if inches else "G21\n") + FILE)
    bench.to_line(5)
    assert bench.printing.pause()
    bench.until(Phase.PAUSED)
    assert (b"G0 Z5 F600" in bench.firmware.accepted) is not inches
    assert bench.printing.resume()
    assert bench.outcome() is Outcome.COMPLETED
    assert any(code.startswith(b"G92 E") for code in bench.firmware.accepted) is not inches


def test_a_cancel_after_a_pause_at_the_display_waits_for_nobody(tmp_path: Path) -> None:
    """Nothing was unanswered: what is under way afterwards is our own script."""
    bench = Bench(tmp_path)
    bench.to_line(5)
    bench.step(b"//action:paused\n")
    bench.step()
    assert bench.printing.held_by_printer
    assert not bench.blocked()
    assert bench.printing.cancel()
    bench.hears = False
    assert bench.conversation.to_send(bench.now + 1).count(b"\n") > 0
    assert not bench.blocked()
    bench.step(b"echo:busy: paused for user\n")
    assert bench.blocked(), "unless the printer says so now"


@pytest.mark.parametrize("word", [b"echo:busy: paused for user\n", b"//action:paused\n"])
def test_once_the_printer_is_answered_a_cancel_waits_for_its_own_script_alone(
    tmp_path: Path, word: bytes
) -> None:
    bench = Bench(tmp_path, "G28\nM600\n" + FILE)
    bench.to_line(1)
    bench.hears = False
    bench.printing.advance()
    waits = bench.conversation.to_send(bench.now + 1)
    assert b"M600" in waits
    bench.step(word)
    assert bench.blocked()
    assert bench.printing.cancel()
    assert bench.blocked(), "the script stands behind it"
    bench.step(bench.firmware.hear(waits))
    bench.printing.advance()
    assert bench.conversation.to_send(bench.now + 2).count(b"\n") > 0, "the script is under way"
    assert not bench.blocked()
    bench.printing.take(Busy("processing"))
    assert not bench.blocked()


def test_a_pause_at_the_display_during_a_wait_for_heat_does_not_make_that_one_for_a_person(
    tmp_path: Path,
) -> None:
    bench = Bench(tmp_path, "G28\nM109 S200\n" + FILE)
    bench.to_line(1)
    bench.hears = False
    bench.printing.advance()
    assert b"M109" in bench.conversation.to_send(bench.now + 1)
    bench.step(b"//action:paused\n")
    assert bench.printing.phase is Phase.PAUSED
    assert not bench.blocked()
    bench.step(b"echo:busy: paused for user\n")
    assert bench.blocked(), "the printer's own word for it counts"


@pytest.mark.parametrize("wait", ["M0 S30", "M1 put the magnets in"])
def test_a_wait_in_the_files_first_line_is_a_print_that_has_begun(
    tmp_path: Path, wait: str
) -> None:
    bench = Bench(tmp_path, f"{wait}\n{FILE}")
    bench.step()
    bench.hears = False
    for _ in range(5):
        bench.step()
    assert bench.printing.phase is Phase.PAUSED
    assert not bench.begun(), "the printer has not answered anything yet"
    bench.hears = True
    for _ in range(5):
        bench.step()
    assert bench.begun()
    assert bench.printing.line == 0
    bench.now += 31
    assert wait == "M0 S30" or bench.printing.resume()
    assert bench.outcome() is Outcome.COMPLETED


def test_a_file_of_nothing_but_a_wait_has_no_line_for_a_printer(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "M0 S1\n; nothing\n")
    for _ in range(300):
        if bench.printing.end is None:
            bench.step()
    assert bench.outcome() is Outcome.FAILED
    assert bench.printing.end is not None
    assert "no line that a printer acts on" in bench.printing.end.reason


class Unheard(PlainFirmware):
    """Its first positions do not arrive."""

    lost = 0

    def hear(self, data: bytes) -> bytes:
        said = super().hear(data)
        if self.lost and b"Count" in said:
            self.lost -= 1
            return b"ok\n"
        return said


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_a_position_that_is_lost_is_asked_for_again_before_the_head_stays(
    tmp_path: Path, lost: int
) -> None:
    bench = Bench(tmp_path)
    bench.firmware = Unheard(advanced=False)
    bench.firmware.lost = lost
    for _ in range(2):  # the second pause has its own tries
        bench.to_line(bench.printing.line + 5)
        assert bench.printing.pause()
        bench.until(Phase.PAUSED)
        assert bench.printing.resume()
    parked = bench.firmware.accepted.count(b"G0 Z5 F600")
    assert parked == (1 if lost == LOCATE_TIMES else 2)
    assert bench.outcome() is Outcome.COMPLETED


def test_a_wait_that_is_answered_in_the_same_breath_stops_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.to_line(5)
    bench.step(b"echo:busy: paused for user\n")
    assert bench.outcome() is Outcome.COMPLETED


WAITING = "G28\nG1 X1 Y1 E1\nM0 {}\n" + FILE


def at_its_wait(folder: Path, words: str) -> Bench:
    """A print that has come to a wait that its file asks for."""
    bench = Bench(folder, WAITING.format(words))
    bench.until(Phase.PAUSED)
    while b"M400" not in bench.firmware.accepted:
        bench.step()
    bench.step()
    return bench


@pytest.mark.parametrize(
    ("words", "seconds"), [("S5", 5.0), ("P2500 let it dry", 2.5), ("S1 P9000", 1.0)]
)
def test_a_wait_with_a_time_ends_by_itself_after_it(
    tmp_path: Path, words: str, seconds: float
) -> None:
    bench = at_its_wait(tmp_path, words)
    began = bench.now
    assert bench.printing.why == (
        "let it dry" if "dry" in words else f"the file asks to wait for {seconds:g} s"
    )
    while bench.printing.phase is Phase.PAUSED:
        bench.step()
    assert seconds - 0.05 <= bench.now - began <= seconds + 0.05
    assert bench.outcome() is Outcome.COMPLETED
    assert not any(code.startswith(b"M0") for code in bench.firmware.accepted)


@pytest.mark.parametrize("words", ["", "S0", "Swap the plate", "P", "now S5"])
def test_a_wait_without_a_time_is_for_a_person(tmp_path: Path, words: str) -> None:
    bench = at_its_wait(tmp_path, words)
    bench.now += 1e6
    bench.step()
    assert bench.printing.phase is Phase.PAUSED
    assert bench.printing.resume()
    assert bench.outcome() is Outcome.COMPLETED


def test_a_resume_ends_a_timed_wait_early_and_no_second_one(tmp_path: Path) -> None:
    bench = at_its_wait(tmp_path, "S5\nM0 S60")
    assert bench.printing.resume()
    bench.until(Phase.PAUSED)
    bench.now += 10
    bench.step()
    assert bench.printing.phase is Phase.PAUSED, "the time of the first wait is not the second's"
    bench.now += 60
    assert bench.outcome() is Outcome.COMPLETED


@pytest.mark.parametrize(
    "word", ["//action:pause", "//action:paused", "//action:out_of_filament", "too hot"]
)
def test_who_asks_for_a_pause_in_a_timed_wait_is_waited_for(tmp_path: Path, word: str) -> None:
    bench = at_its_wait(tmp_path, "S5")
    if word == "too hot":
        bench.printing.chill(word)
    else:
        bench.step(word.encode() + b"\n")
    bench.until(Phase.PAUSED)
    bench.now += 1e6
    for _ in range(5):
        bench.step()
    assert bench.printing.phase is Phase.PAUSED
    assert bench.printing.resume()
    assert bench.outcome() is Outcome.COMPLETED


def test_a_cancel_in_a_timed_wait_is_one(tmp_path: Path) -> None:
    bench = at_its_wait(tmp_path, "S5")
    assert bench.printing.cancel()
    bench.now += 10
    assert bench.outcome() is Outcome.CANCELLED
