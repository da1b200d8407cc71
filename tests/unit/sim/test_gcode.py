"""The simulated printer knows how long a file moves, when it heats and where it stops."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildplate_sim.gcode import HOME_S, SCAN_LIMIT, Does, Program, scan
from buildplate_sim.heat import AMBIENT, Heater


def program(text: str) -> Program:
    content = text.encode()
    return scan(content, len(content))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("G1 X60 F3600\n", 1.0),
        ("G1 X30 Y40 F3000\n", 1.0),
        ("G91\nG1 X60 F3600\nG1 X60\n", 2.0),
        ("G1 X60 F3600\nG1 X60\n", 1.0),
        ("G92 X30\nG1 X60 F1800\n", 1.0),
        ("G20\nG1 X1 F25.4\n", 60.0 / 25.4),
        ("M83\nG1 E10 F600\nG1 E10\n", 2.0),
        ("M82\nG1 E10 F600\nG1 E10\n", 1.0),
        ("G4 P500\nG4 S2\n", 2.5),
        ("G28\n", HOME_S),
        ("; G1 X1000 F1\nM117 G1 X5\n", 0.0),
        ("N5 G1 X60 F3600*71\n", 1.0),
        ("", 0.0),
    ],
)
def test_motion_takes_distance_over_feed(text: str, seconds: float) -> None:
    assert program(text).moving_s == pytest.approx(seconds)


def test_heating_and_stops_divide_the_motion() -> None:
    steps = program("M104 S200\nG28\nM109 T1 S210\nM190 S60\nG4 S1\nM0\nG4 S2\n").steps
    assert [(step.does, step.heater, step.value) for step in steps] == [
        (Does.HEAT, "tool0", 200),
        (Does.MOVE, "", HOME_S),
        (Does.HEAT_AND_WAIT, "tool1", 210),
        (Does.HEAT_AND_WAIT, "bed", 60),
        (Does.MOVE, "", 1),
        (Does.STOP, "", 0),
        (Does.MOVE, "", 2),
    ]


def test_positions_in_the_file_only_grow() -> None:
    text = "G28\nM104 S200\nG1 X10 F600\nM109 S200\nG1 X20\n"
    positions = [step.filepos for step in program(text).steps]
    assert positions == sorted(positions)
    assert positions[-1] == len(text)


def test_a_long_file_follows_the_slicers_estimate_or_its_own_beginning() -> None:
    line = b"G1 X60 F3600\nG1 X0\n"
    head = line * (SCAN_LIMIT // len(line))
    size = len(head) * 4
    known = scan(head, len(head)).moving_s
    assert scan(head, size).moving_s == pytest.approx(known * 4)
    tail = b"; estimated printing time (normal mode) = 1d 2h 3m 4s\n"
    assert scan(head, size, tail).moving_s == 93784


@given(st.binary(max_size=400))
def test_no_bytes_make_the_printer_stumble(content: bytes) -> None:
    assert scan(content, len(content)).moving_s >= 0


def test_a_heater_rises_under_power_and_falls_without() -> None:
    tool = Heater("tool0")
    tool.set(200, 0)
    assert tool.advance(5) == pytest.approx(AMBIENT + 50)
    assert tool.advance(60) == 200
    tool.set(0, 60)
    assert AMBIENT < tool.advance(100) < 200
    assert tool.advance(1000) == AMBIENT


def test_waiting_for_heat_ends_exactly_when_it_is_there() -> None:
    bed = Heater("bed", actual=30)
    bed.set(60, 0)
    wait = bed.wait_for(60, 30)
    assert bed.advance(wait) == pytest.approx(60)
    assert bed.wait_for(20, 30) == 0
