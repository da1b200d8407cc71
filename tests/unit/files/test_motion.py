"""The space a file prints and travels in, its tools and temperatures."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buildplate.files.model import Box
from buildplate.files.scan.motion import Motion
from tests.unit.files.pieces import cuts


def executed(program: str | bytes) -> Motion:
    motion = Motion()
    motion.feed(program if isinstance(program, bytes) else program.encode())
    return motion


def printed(program: str) -> Box | None:
    return executed(program).printed.box()


def everywhere(program: str) -> Box | None:
    return executed(program).everywhere().box()


def test_the_print_box_holds_both_ends_of_every_line_and_no_travel() -> None:
    program = "G90\nM83\nG1 X0 Y0 Z5\nG1 X10 Y20 Z0.2\nG1 X30 Y25 E1\nG1 X200 Y200 Z50\n"
    assert printed(program) == Box(10, 20, 0.2, 30, 25, 0.2)
    assert everywhere(program) == Box(0, 0, 0.2, 200, 200, 50)


@pytest.mark.parametrize(
    ("mode", "amounts"),
    [("M83", (1, 1, -1, 0)), ("M82", (1, 2, 1, 1))],
)
def test_only_pushing_filament_prints(mode: str, amounts: tuple[int, ...]) -> None:
    first, second, back, still = amounts
    program = (
        f"{mode}\nG92 E0\nG1 X1 Y1 Z1\nG1 X2 Y2 E{first}\nG1 X3 Y3 E{second}\n"
        f"G1 X50 Y50 E{back}\nG1 X60 Y60 E{still}\n"
    )
    assert printed(program) == Box(1, 1, 1, 3, 3, 1)


def test_a_z_hop_is_travel() -> None:
    program = (
        "M83\nG1 X0 Y0 Z0.2\nG1 X9 Y9 E1\nG1 Z0.8\nG1 X5 Y5\nG1 Z0.2\nG1 E1\nG1 X6 Y6 E1\nG1 Z99\n"
    )
    assert printed(program) == Box(0, 0, 0.2, 9, 9, 0.2)


def test_priming_in_place_prints_nothing() -> None:
    assert printed("M83\nG1 X1 Y1 Z1\nG1 E5\n") is None


def test_relative_moves_add_up() -> None:
    assert printed("G28\nG90\nG1 X10 Y10 Z1\nM83\nG91\nG1 X5 E1\nG1 Y-2 E1\n") == Box(
        10, 8, 1, 15, 10, 1
    )


def test_inches_become_millimetres() -> None:
    assert printed("G20\nM83\nG1 X1 Y1 Z0.1\nG1 X2 Y1 E1\n") == Box(
        25.4, 25.4, 2.54, 50.8, 25.4, 2.54
    )


def test_an_offset_moves_everything_after_it_until_homing() -> None:
    shifted = "M83\nG1 X100 Y100 Z1\nG92 X0 Y0\nG1 X10 Y10 E1\n"
    assert printed(shifted) == Box(100, 100, 1, 110, 110, 1)
    assert printed(shifted + "G92.1\nG1 X90 Y90 E1\n") == Box(90, 90, 1, 110, 110, 1)
    assert printed(shifted + "G28\nG1 X1 Y1 Z1\nG1 X2 Y2 E1\n") == Box(1, 1, 1, 110, 110, 1)


def test_where_nobody_homed_the_file_is_believed() -> None:
    assert printed("G92 X0 Y0 Z0.2\nM83\nG1 X10 Y10 E1\n") == Box(0, 0, 0.2, 10, 10, 0.2)


def test_an_unknown_position_is_not_guessed() -> None:
    assert printed("M83\nG1 X10 E1\n") is None
    assert printed("G91\nM83\nG1 X10 Y10 Z10 E1\n") is None
    assert printed("M83\nG1 X1 Y1 Z1\nG28\nG1 X5 Y5 E1\n") is None


def test_homing_one_axis_leaves_the_others_known() -> None:
    program = "M83\nG1 X1 Y1 Z1\nG28 X0\nG1 X5 Y5 E1\n"
    assert printed(program) == Box(5, 1, 1, 5, 5, 1)


@pytest.mark.parametrize(
    ("arc", "box"),
    [
        ("G2 X20 Y10 I5 J0 E1", Box(10, 10, 1, 20, 15, 1)),  # upper half, clockwise
        ("G3 X20 Y10 I5 J0 E1", Box(10, 5, 1, 20, 10, 1)),  # lower half
        ("G2 I5 J0 E1", Box(10, 5, 1, 20, 15, 1)),  # a whole circle
        ("G3 X15 Y15 I0 J5 E1", Box(10, 10, 1, 15, 15, 1)),  # a quarter
        ("G2 X20 Y10 R5 E1", Box(10, 10, 1, 20, 15, 1)),
        ("G3 X20 Y10 R5 E1", Box(10, 5, 1, 20, 10, 1)),
        ("G2 X20 Y10 R1 E1", Box(10, 10, 1, 20, 15, 1)),  # too small a radius: a half circle
        ("G2 X20 Y10 E1", Box(10, 10, 1, 20, 10, 1)),  # no centre: a line
    ],
)
def test_an_arc_takes_the_room_of_its_bow(arc: str, box: Box) -> None:
    assert printed(f"M83\nG1 X10 Y10 Z1\n{arc}\n") == box


def test_a_nearly_straight_arc_takes_little_room() -> None:
    program = "M83\nG1 X10 Y10 Z1\nG3 X20 Y10 I5 J1000 E1\n"
    box = printed(program)
    assert box is not None
    assert 9.9 < box.min_y < 10
    assert box.max_y == 10


def test_arcs_within_the_box_leave_it_alone() -> None:
    frame = "M83\nG1 X0 Y0 Z1\nG1 X50 Y50 E1\n"
    assert printed(frame + "G1 X20 Y20\nG2 X30 Y20 I5 J0 E1\n") == Box(0, 0, 1, 50, 50, 1)


def test_the_tools_that_print_are_named() -> None:
    assert executed("M83\nG1 X1 Y1 Z1\nG1 X2 E1\n").tools == {0}
    program = "T3\nM83\nG1 X1 Y1 Z1\nG1 X2 E1\nT1\nG1 X3 E1\nT7\nG1 X9\nTx\nT0 ; parked\n"
    assert executed(program).tools == {3, 1}


@pytest.mark.parametrize(
    ("line", "heat"),
    [
        ("M104 S210", {"nozzle": 210}),
        ("M104 T1 S210.5", {"nozzle": 210.5}),
        ("M109 R190 T0", {"nozzle": 190}),
        ("M140 S60 ; bed", {"bed": 60}),
        ("M190 S0", {}),
        ("M141 S45", {"chamber": 45}),
        ("M104", {}),
        ("M1040 S300", {}),
        ("N7 M104 S210*99", {"nozzle": 210}),
        ("SET_HEATER_TEMPERATURE HEATER=extruder1 TARGET=250", {"nozzle": 250}),
        ("set_heater_temperature heater=heater_bed target=90.5", {"bed": 90.5}),
        ("SET_HEATER_TEMPERATURE HEATER=dryer TARGET=50", {}),
        ("; M104 S300", {}),
    ],
)
def test_the_highest_temperatures_asked_for(line: str, heat: dict[str, float]) -> None:
    assert executed(f"{line}\nM104 S0\nM140 S0\n").heat == heat


def test_the_highest_of_several_temperatures_counts() -> None:
    assert executed("M104 S215\nM109 S210\nM104 S0\n").heat == {"nozzle": 215}


STRANGE = [
    "g1 x10 y20 z1",
    "G01 X10 Y20 Z1",
    "G1X10Y20Z1",
    "G1 Y20 Z1 X10",
    "G1 X+10 Y20. Z1",
    "  G1 X10 Y20 Z1",
    "\tG1 X10 Y20 Z1  ",
    "N5 G1 X10 Y20 Z1*17",
    "G1 F1500 X10 Y20 Z1",
    "G1 X10 Y20 Z1 F1500 ; comment X99",
    "G1 X 10 Y 20 Z 1",
    "G1 X10 Y20 Z1 S1",
    "G1 X10.000 Y20.0.0 Z1",
    "G0 X10 Y20 Z1\r",
]


@pytest.mark.parametrize("move", ["G1 X9 Y9 E0", "G1X9Y9E0", "G1 X9 Y9 E-0.", "G2 X9 Y9 I1 E0"])
@pytest.mark.parametrize("mode", ["M82", "M83"])
def test_a_move_that_pushes_nothing_prints_nothing(mode: str, move: str) -> None:
    assert printed(f"{mode}\nG92 E0\nG1 X1 Y1 Z1\n{move}\n") is None


@pytest.mark.parametrize("move", STRANGE)
def test_moves_are_understood_however_they_are_written(move: str) -> None:
    program = f"M83\n{move}\nG1 X11 E1\n"
    assert printed(program) == Box(10, 20, 1, 11, 20, 1)


@pytest.mark.parametrize(
    "other",
    [
        "M117 X500 G1 X500",
        "M204 P500 X900",
        "EXCLUDE_OBJECT_START NAME=G1_X900",
        "GX900",
        "G1900 X900",
    ],
)
def test_other_commands_do_not_move(other: str) -> None:
    assert everywhere(f"G1 X1 Y1 Z1\n{other}\n") == Box(1, 1, 1, 1, 1, 1)


def test_numbers_beyond_all_measure_leave_the_box_unknown() -> None:
    assert printed(f"M83\nG1 X1 Y1 Z1\nG1 X{'9' * 400} E1\n") is None


NUMBERS = st.sampled_from(["0", "1", "-1", "10", "99.5", ".5", "-.25", "7.", "120.125", "3"])


@st.composite
def words(draw: st.DrawFn, letters: str) -> list[str]:
    chosen = draw(st.lists(st.sampled_from(letters), unique=True, max_size=4))
    return [letter + draw(NUMBERS) for letter in sorted(chosen, key="FXYZEIJRS".index)]


MODES = st.sampled_from(
    ["G90", "G91", "M82", "M83", "G20", "G21", "G28", "G28 Y", "G92 E0", "T0", "T1", "G92.1"]
)
LINES = st.one_of(
    words("XYZEF").map(lambda found: ["G1", *found]),
    words("XYZEF").map(lambda found: ["G0", *found]),
    words("XYE").map(lambda found: ["G1", *found]),
    words("XYEIJ").map(lambda found: ["G2", *found]),
    words("XYEIJR").map(lambda found: ["G3", *found]),
    words("XYZE").map(lambda found: ["G92", *found]),
    MODES.map(str.split),
)


def outcome(motion: Motion) -> tuple[object, ...]:
    return motion.printed.bounds, motion.everywhere().bounds, motion.tools, motion.heat


SOMEWHERE = [["G1", "X1", "Y2", "Z3"]]
PROGRAMS = st.one_of(
    st.lists(LINES, max_size=25),
    st.lists(LINES, max_size=25).map(lambda lines: [["M83"], *SOMEWHERE, *lines]),
    st.lists(LINES, max_size=25).map(lambda lines: [["M82"], *SOMEWHERE, *lines]),
)


@given(PROGRAMS)
@settings(max_examples=400)
def test_the_quick_way_and_the_careful_way_agree(lines: list[list[str]]) -> None:
    usual = "".join(" ".join(line) + "\n" for line in lines)
    # Without spaces no line is a plain move: every one goes the careful way.
    unusual = "".join("".join(line) + "\n" for line in lines)
    assert outcome(executed(usual)) == outcome(executed(unusual))


@given(st.data(), st.lists(LINES, max_size=25))
def test_lines_may_come_one_by_one_or_all_at_once(
    data: st.DataObject, lines: list[list[str]]
) -> None:
    program = [" ".join(line).encode() + b"\n" for line in lines]
    motion = Motion()
    for some in data.draw(cuts(bytes(range(len(program))))):
        motion.feed(b"".join(program[place] for place in some))
    assert outcome(motion) == outcome(executed(b"".join(program)))


@given(st.lists(LINES, max_size=25))
def test_the_print_lies_within_all_that_is_travelled(lines: list[list[str]]) -> None:
    motion = executed("".join(" ".join(line) + "\n" for line in lines))
    inner, outer = motion.printed.bounds, motion.everywhere().bounds
    for low in (0, 2, 4):
        assert outer[low] <= inner[low]
        assert inner[low + 1] <= outer[low + 1]
    assert not any(map(math.isnan, inner + outer))


@given(st.lists(st.text("GMTNXYZEFIJRS0123456789.-+*; \t\r()=_g", max_size=30), max_size=20))
@settings(max_examples=300)
def test_no_text_stops_the_reading(lines: list[str]) -> None:
    motion = executed("".join(line + "\n" for line in lines))
    assert not any(map(math.isnan, motion.everywhere().bounds))


PIECES = st.one_of(
    st.binary(max_size=20),
    st.sampled_from(
        [b"\n", b"\nG1 X1.2.3 Y2", b"\nG1 X-. E1", b"\nG2 I", b"\nG92 ", b"\nM104 S", b"\nN", b";"]
    ),
)


@given(st.lists(PIECES, max_size=40).map(b"".join))
@settings(max_examples=300)
def test_no_bytes_stop_the_reading(content: bytes) -> None:
    motion = executed(content + b"\n")
    assert not any(map(math.isnan, motion.everywhere().bounds))
    motion.feed(b"G21\nG90\nG92.1\nM83\nG28\nG1 X1234 Y1 Z1\nG1 X5678 E1\n")
    box = motion.printed.box()
    assert box is not None
    assert box.max_x >= 5678
