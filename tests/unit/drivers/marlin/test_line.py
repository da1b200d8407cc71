"""What a line does on a board that behaves badly, or whose heaters must go off."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from buildplate.drivers.marlin import client, cooling, priority
from buildplate.drivers.marlin.errors import PortLost
from buildplate.drivers.marlin.notes import Notes, Outcome
from buildplate.drivers.marlin.printing import Phase
from tests.unit.drivers.marlin.board import Board, Connected, connected, until

TWO_TOOLS = "T:200.0 /200.0 B:20.0 /0.0 T0:200.0 /200.0 T1:90.0 /90.0"


def test_after_a_lost_print_each_tool_is_switched_off_by_its_name(tmp_path: Path) -> None:
    notes = Notes(tmp_path)
    notes.begin("bp-1-1.gcode")
    notes.lost()
    notes.close()
    board = Board(temperatures=TWO_TOOLS)
    with connected(tmp_path, board) as one:
        assert board.sent[:4] == ["M104 S0", "M140 S0", "M104 T0 S0", "M105"]
        numbered = board.sent[board.sent.index("M110 N0") :]
        assert numbered[1:5] == ["M104 S0", "M104 T0 S0", "M104 T1 S0", "M140 S0"]
        until(lambda: not one.notes.hot)


def test_a_cancelled_print_is_cooled_whatever_the_cancel_script_says(tmp_path: Path) -> None:
    board = Board(temperatures=TWO_TOOLS)
    with connected(tmp_path, board, cancel_script="M84") as one:
        printing = one.begin("M109 T1 S90", "G1 X1 E1", *["G1 X2 E2"] * 400)
        until(lambda: printing.line > 5)
        mark = len(board.sent)
        assert one.line.submit(printing.cancel).result(5)
        until(lambda: "M140 S0" in board.sent[mark:])
        sent = one.sent_after(mark)
        off = ["M104 S0", "M104 T0 S0", "M104 T1 S0", "M140 S0"]
        assert sent[sent.index("M84") + 1 :][:4] == off
        until(lambda: not one.notes.hot)
        assert one.notes.runs[1].outcome is Outcome.CANCELLED


@pytest.mark.parametrize(("choice", "beds"), [("off", ["M140 S0"]), ("nozzle_off", [])])
def test_a_pause_without_heaters_names_each_tool(
    tmp_path: Path, choice: str, beds: list[str]
) -> None:
    board = Board(temperatures=TWO_TOOLS)
    with connected(tmp_path, board, pause_heaters=choice) as one:
        printing = one.begin("G1 X1 E1", *["G1 X2 E2"] * 4000)
        until(lambda: printing.line > 5)
        mark = len(board.sent)
        assert one.line.submit(printing.pause).result(5)
        one.paused(printing)
        off = ["M104 S0", "M104 T0 S0", "M104 T1 S0", *beds]
        assert one.sent_after(mark)[-len(off) :] == off


class FullDisk(Notes):
    """A record whose disk becomes full."""

    full = False

    def _write(self, fact: dict[str, Any]) -> None:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        super()._write(fact)


@pytest.mark.parametrize("by", ["hang-up", "cancel", "the end of the file"])
def test_a_full_disk_at_a_prints_end_ends_the_line_and_hides_nothing(
    tmp_path: Path, by: str
) -> None:
    board, notes = Board(held=("G1 X9",)), FullDisk(tmp_path)
    with connected(tmp_path, board, notes=notes) as one:
        printing = one.begin("G1 X1 E1", *["G1 X2 E2"] * 20, "G1 X9")
        until(lambda: "G1 X9" in board.sent)
        notes.full = True
        if by == "hang-up":
            board.close()
        else:
            if by == "cancel":
                one.line.submit(printing.cancel)
            board.let_go()
        until(lambda: not one.line.is_alive())
        assert isinstance(one.line.error, PortLost)
        assert one.line.printing is None
        assert one.line._port is None
        with pytest.raises(PortLost):
            one.line.submit(lambda: None).result(1)
        if by != "hang-up":
            until(lambda: board.sent[-2:] == ["M104 S0", "M140 S0"])
    found = Notes(tmp_path)
    assert [note.outcome for note in found.lost()] == [Outcome.DOUBT]
    found.close()


def test_what_was_asked_of_a_line_that_ended_is_left_undone(tmp_path: Path) -> None:
    with connected(tmp_path, Board()) as one:
        going_on, done = threading.Event(), []

        def fail() -> None:
            going_on.wait(5)
            raise OSError(errno.ENOSPC, "No space left on device")

        failing = one.line.submit(fail)
        late = one.line.submit(lambda: done.append("begun"))
        going_on.set()
        for future in (failing, late):
            with pytest.raises(PortLost):
                future.result(5)
        assert done == []


HOT = "T:200.0 /200.0 B:60.0 /60.0"
COLD = "T:150.0 /0.0 B:50.0 /0.0"
TOO_HOT = "T:400.0 /200.0 B:60.0 /60.0"
TOO_HOT_TWICE = f"{TOO_HOT}\n{TOO_HOT}"
"""Once may be a reading that was spoilt on its way."""
REHEATED = ["M140 S60", "M104 T0 S200", "M190 S60", "M109 T0 S200"]
LONG = ("G1 X1 E1", *["G1 X2 E2"] * 4000)


def hot(one: Connected) -> None:
    """Wait until the line knows what the heaters are set to."""
    until(lambda: one.line.facts.targets() == {"tool0": 200.0, "bed": 60.0})


def alarmed(one: Connected) -> None:
    """Let the nozzle become too hot, until the heaters were switched off for it."""
    mark = len(one.board.sent)
    one.board.say(TOO_HOT_TWICE)
    until(lambda: "M140 S0" in one.board.sent[mark:])
    one.board.temperatures = COLD
    one.board.say(COLD)
    until(lambda: not one.line.facts.targets())


@pytest.mark.parametrize("when", ["paused", "parking", "M0", "lost", "held", "running"])
def test_after_an_alarm_a_print_is_heated_again_before_it_goes_on(
    tmp_path: Path, when: str
) -> None:
    board = Board(temperatures=HOT)
    with connected(tmp_path, board) as one:
        hot(one)
        codes = ("G1 X1 E1", "M0 swap", *LONG) if when == "M0" else LONG
        printing = one.begin(*codes)
        if when == "held":
            until(lambda: printing.line > 5)
            board.say("//action:paused")
        elif when in {"paused", "parking"}:
            board.held = ("M114",) if when == "parking" else ()
            until(lambda: printing.line > 5)
            assert one.line.submit(printing.pause).result(5)
        if when in {"paused", "M0", "held"}:
            one.paused(printing)
        elif when == "parking":
            until(lambda: "M114" in board.sent)
        elif when == "lost":
            board.places = False
            until(lambda: printing.line > 5)
        mark = len(board.sent)
        if when == "parking":
            board.say(TOO_HOT_TWICE)
            until(lambda: "was" in printing.why or "more than" in printing.why)
            board.temperatures = COLD
            board.let_go()
        else:
            alarmed(one)
        one.paused(printing)
        until(lambda: "M140 S0" in board.sent[mark:])
        mark = len(board.sent)
        assert one.line.submit(printing.resume).result(5)
        until(lambda: "G1 X2 E2" in board.sent[mark:])
        sent = one.sent_after(mark)
        assert sorted(sent[:4]) == sorted(REHEATED)
        assert {"M190 S60", "M109 T0 S200"} == set(sent[2:4]), (
            "all are set before one is waited for"
        )


def test_an_alarm_on_the_way_back_to_the_part_parks_again(tmp_path: Path) -> None:
    board = Board(temperatures=HOT)
    with connected(tmp_path, board) as one:
        hot(one)
        printing = one.begin(*LONG)
        until(lambda: printing.line > 5)
        one.line.submit(printing.pause).result(5)
        one.paused(printing)
        alarmed(one)
        board.held, mark = ("M109",), len(board.sent)
        assert one.line.submit(printing.resume).result(5)
        until(lambda: "M109 T0 S200" in board.sent[mark:])
        board.temperatures = HOT
        board.say(HOT)
        until(one.line.facts.targets)
        board.say(TOO_HOT_TWICE)
        until(lambda: printing.phase is Phase.PAUSING)
        board.let_go()
        one.paused(printing)
        assert "G1 X2 E2" not in board.sent[mark:]
        mark = len(board.sent)
        assert one.line.submit(printing.resume).result(5)
        until(lambda: "G1 X2 E2" in board.sent[mark:])
        assert "M109 T0 S200" in one.sent_after(mark)[:4]


def test_an_alarm_ends_a_wait_for_heat_even_before_the_first_line_was_taken(
    tmp_path: Path,
) -> None:
    board = Board(temperatures=HOT, abilities={"EMERGENCY_PARSER": True})
    with connected(tmp_path, board) as one:
        hot(one)
        board.held = ("M109",)
        printing = one.begin("M109 S200", *LONG)
        until(lambda: "M109 S200" in board.sent)
        board.say(TOO_HOT_TWICE)
        until(lambda: "M108" in board.sent)
        assert printing.phase is Phase.PAUSING
        assert not printing.begun, "no line of the file was taken"
        board.let_go()
        one.paused(printing)
        assert "M140 S0" in board.sent
        assert "M112" not in board.sent
        assert printing.begun


@pytest.mark.parametrize(("person", "told"), [(False, False), (True, True), (True, False)])
def test_a_cancel_ends_a_wait_for_heat_and_none_for_a_person(
    tmp_path: Path, person: bool, told: bool
) -> None:
    """`told`: whether the firmware has said yet that it waits for one; Marlin takes 2 s to."""
    board = Board(temperatures=HOT, abilities={"EMERGENCY_PARSER": True})
    with connected(tmp_path, board) as one:
        board.held = ("M109", "M600")
        waits = "M600" if person else "M109 S200"
        printing = one.begin(waits, *LONG)
        until(lambda: waits in board.sent)
        if told:
            board.say("echo:busy: paused for user")
            one.paused(printing)
        assert one.line.submit(lambda: one.line.cancel_print(printing)).result(5)
        if person:
            board.let_go()
        else:
            until(lambda: "M108" in board.sent)
            board.let_go()
        until(lambda: printing.end is not None)
        assert ("M108" in board.sent) is not person
        assert printing.end is not None
        assert printing.end.outcome is Outcome.CANCELLED


def test_a_cancel_does_not_answer_for_a_person_whom_the_printer_waits_for_in_lines_of_its_own(
    tmp_path: Path,
) -> None:
    """Filament ran out during a wait for heat: the firmware does its own M600 behind that."""
    board = Board(temperatures=HOT, abilities={"EMERGENCY_PARSER": True})
    with connected(tmp_path, board) as one:
        board.held = ("M109",)
        printing = one.begin("M109 S200", *LONG)
        until(lambda: "M109 S200" in board.sent)
        board.say("//action:paused filament_runout")
        one.paused(printing)
        assert one.line.submit(lambda: one.line.cancel_print(printing)).result(5)
        board.let_go()
        until(lambda: printing.end is not None)
        assert "M108" not in board.sent
        assert printing.end is not None
        assert printing.end.outcome is Outcome.CANCELLED


def test_a_resume_after_a_pause_at_the_display_does_not_print_cold(tmp_path: Path) -> None:
    """The wait for heat that is under way is none for a person: M108 would end it."""
    board = Board(temperatures=HOT, abilities={"EMERGENCY_PARSER": True})
    with connected(tmp_path, board) as one:
        board.held = ("M109",)
        printing = one.begin("M109 S200", *LONG)
        until(lambda: "M109 S200" in board.sent)
        board.say("//action:paused")
        one.paused(printing)
        assert one.line.submit(lambda: one.line.resume_print(printing)).result(5)
        assert one.line.submit(lambda: printing.phase).result(5) is Phase.RUNNING
        board.let_go()
        until(lambda: printing.line > 5)
        assert "M108" not in board.sent


def test_the_answer_of_a_board_to_m108_is_reckoned_with(tmp_path: Path) -> None:
    with connected(tmp_path, Board()) as one:
        before = one.line._sender._extra
        one.line.submit(one.line.break_waits).result(5)
        assert one.line._sender._extra == before + 1


def test_heaters_that_do_not_go_off_after_an_alarm_end_in_a_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cooling, "OFF_WITHIN_S", 0.6)
    board = Board(temperatures=HOT)
    with connected(tmp_path, board) as one:
        hot(one)
        printing = one.begin(*LONG)
        until(lambda: printing.line > 5)
        board.held = ("M140",)
        board.say(TOO_HOT_TWICE)
        until(lambda: "M112" in board.sent)
        until(lambda: printing.end is not None)
        assert printing.end is not None
        assert "could not be switched off" in printing.end.reason


REPORTING = {"AUTOREPORT_TEMP": True}
RESET = "start\nPowerUp\nMarlin 2.1.2"


def test_after_a_reset_reports_are_asked_for_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "REGREET_S", 0.1)
    board = Board(abilities=REPORTING)
    with connected(tmp_path, board):
        until(lambda: "M155 S1" in board.sent)
        mark = len(board.sent)
        board.say(RESET)
        until(lambda: "M155 S1" in board.sent[mark:])
        board.abilities = {"AUTOREPORT_TEMP": False}
        mark = len(board.sent)
        board.say(RESET)
        until(lambda: board.sent[mark:].count("M105") > 1)
        assert "M155 S1" not in board.sent[mark:]


def test_temperatures_that_no_longer_come_are_asked_for_whatever_else_is_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "REPORTS_WITHIN_S", 0.5)
    board = Board(abilities=REPORTING)
    with connected(tmp_path, board) as one:
        until(lambda: "M155 S1" in board.sent)
        one.begin("M155 S0", "G1 X1 E1", *["G1 X2 E2"] * 40000)
        mark = len(board.sent)
        until(lambda: {"M105", "M155 S1"} <= set(board.sent[mark:]))
        assert "G1 X2 E2" in board.sent[-100:], "other lines are answered all the time"


def test_one_temperature_without_a_number_is_not_taken_for_the_first_of_several_tools(
    tmp_path: Path,
) -> None:
    board = Board(temperatures=TWO_TOOLS)
    with connected(tmp_path, board) as one:
        until(lambda: "tool1" in one.line.facts.heaters)
        board.temperatures = "B:20.0 /0.0"
        board.say("T:33.3 /99.0")
        board.say("T:91.5 E:1 W:?")
        until(lambda: one.line.facts.heaters["tool1"].actual == pytest.approx(91.5))
        assert one.line.facts.heaters["tool1"].target == pytest.approx(90)
        assert one.line.facts.heaters["tool0"].actual == pytest.approx(200)
        assert one.line.facts.heaters["tool0"].target == pytest.approx(200)


@pytest.mark.parametrize("allowed", [True, False])
def test_the_streaming_thread_alone_asks_to_go_first_and_does_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, allowed: bool
) -> None:
    asked: list[tuple[int, int, int]] = []

    def set_priority(which: int, who: int, nice: int) -> None:
        asked.append((which, who, nice))
        if not allowed:
            raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "setpriority", set_priority)
    with connected(tmp_path, Board()) as one:
        assert asked == [(os.PRIO_PROCESS, one.line.native_id, priority.NICE)]
        assert one.line.is_alive()
