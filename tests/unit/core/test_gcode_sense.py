"""What typed G-code is taken for: nothing hot or forbidden slips through, however spelled."""

from __future__ import annotations

import math
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildplate.core.gcode_sense import FORBIDDEN, Forbidden, Sense, Target, sense

HOT = ["M104 S300", "m104s300", "M109 R300", "M104 T1 S300", "G26 H300 B60", "M104 S 300",
       "M109 S300 ; quick", "G1 X1 M104 S300", "M104.1 S300", "M00104 S300", "M568 P0 S300",
       "SET_HEATER_TEMPERATURE HEATER=extruder TARGET=300", "PRINT_START EXTRUDER_TEMP=300",
       'START_PRINT EXTRUDER="300" BED=10', "TEMPERATURE_WAIT SENSOR=extruder MINIMUM=300",
       "M303 E0 S300", "set_heater_temperature heater=extruder target=300"]  # fmt: skip


@pytest.mark.parametrize("line", HOT)
def test_a_nozzle_s_temperature_is_found_however_it_is_spelled(line: str) -> None:
    assert Target("tool0", 300.0) in sense([line]).targets, line


@pytest.mark.parametrize(
    "line",
    ["M140 S130", "M190 R130", "M303 E-1 S130", "PRINT_START BED_TEMP=130 EXTRUDER_TEMP=200",
     "SET_HEATER_TEMPERATURE HEATER=heater_bed TARGET=130"],
)  # fmt: skip
def test_a_bed_s_temperature_is_found_however_it_is_spelled(line: str) -> None:
    assert Target("bed", 130.0) in sense([line]).targets, line


@pytest.mark.parametrize("value", ["nan", "inf", "1e999"])
def test_a_temperature_that_is_no_number_is_too_hot_for_anything(value: str) -> None:
    assert sense([f"PRINT_START EXTRUDER_TEMP={value}"]).targets == (Target("tool0", math.inf),)


@pytest.mark.parametrize("word", sorted(FORBIDDEN))
def test_what_prints_stops_or_resets_is_refused_with_what_to_use_instead(word: str) -> None:
    for line in (word, word.lower(), f"  {word} x.gcode", f"{word};now"):
        with pytest.raises(Forbidden) as refused:
            sense(["M115", line])
        assert refused.value.hint == FORBIDDEN[word]


ODD = ["N SDCARD_PRINT_FILE FILENAME=x.gcode", "N M24", "n+1 M112", "N7 M115*3", "N1 M104 * S400",
       "M104 S200 * S400", "SET_HEATER_TEMPERATURE HEATER=extruder X=* TARGET=400",
       "SET_HEATER_TEMPERATURE HEATER=extruder TARGET='400'",
       'SET_HEATER_TEMPERATURE HEATER=extruder TARGET=4"00"',
       "SET_HEATER_TEMPERATURE HEATER=extruder TARGET=40\\0",
       'SET_HEATER_TEMPERATURE HEATER=extruder X=";" TARGET=400',
       'SET_HEATER_TEMPERATURE HEATER=extruder X="#" TARGET=400', 'FOO X="',
       "START_PRINT BED_TEMP=hot"]  # fmt: skip


@pytest.mark.parametrize("line", ODD)
def test_what_two_firmwares_may_read_differently_is_refused(line: str) -> None:
    with pytest.raises(Forbidden):
        sense([line])


@pytest.mark.parametrize(
    "name", ["_BASE_SDCARD_PRINT_FILE", "BASE_RESUME", "RESUME_BASE", "_PAUSE_BASE", "M1000",
             "SDCARD_PRINT_FILE_WITH_PARAMETERS", "CANCEL_PRINT_BASE"],
)  # fmt: skip
def test_what_a_print_s_own_orders_were_renamed_to_is_refused(name: str) -> None:
    with pytest.raises(Forbidden):
        sense([f"{name} FILENAME=x"])


@pytest.mark.parametrize("line", ["NOZZLE_WIPE", "M117 5 * 5 isn't 10", "RESUME_LIGHT",
                                  'SAY TEXT="all is well"', "G4 P100"])  # fmt: skip
def test_what_is_plain_is_sent(line: str) -> None:
    assert not sense([line]).moves


@pytest.mark.parametrize("line", ["G1 X1 M23 a.gco", "G28 M112"])
def test_a_second_code_of_a_line_is_not_overlooked(line: str) -> None:
    with pytest.raises(Forbidden):
        sense([line])


@pytest.mark.parametrize(
    "line", ["@pause", "M118 //action:cancel", "RESPOND MSG=action:pause", "$$$", "?"]
)
def test_what_the_host_would_take_for_its_own_is_refused(line: str) -> None:
    with pytest.raises(Forbidden):
        sense([line])


@pytest.mark.parametrize("line", ["G28", "g0 x10", "T1", "G92 E0", "M84", "QUAD_GANTRY_LEVEL",
                                  "G26", "G42", "G80", "M401", "M45", "STEPPER_BUZZ STEPPER=x",
                                  "M83", "PRINT_START", "END_PRINT"])  # fmt: skip
def test_what_moves_or_changes_the_frame_of_moves_is_known(line: str) -> None:
    assert sense([line]).moves


@pytest.mark.parametrize("line", ["M115", "M106 S255", "M220 S110", "M117 G28 soon", "LIGHT_ON",
                                  "M600", "; G28", "M221 T0 S95"])  # fmt: skip
def test_what_does_not_move_by_itself_may_go_beside_a_print(line: str) -> None:
    assert not sense([line]).moves, line


@pytest.mark.parametrize(
    ("line", "pushes"),
    [("G1 E5", True), ("G1 X5", False), ("G92 E0", False), ("PURGE_LINE", True), ("M701", True),
     ("G26", True), ("G1 X5 E0", False)],
)  # fmt: skip
def test_pushed_filament_is_noticed(line: str, *, pushes: bool) -> None:
    assert sense([line]).extrudes is pushes


def test_a_restart_among_others_is_still_one() -> None:
    assert sense(["M117 hi", "firmware_restart"]).restarts
    assert not sense(["M117 hi"]).restarts


@given(st.lists(st.text(max_size=60), max_size=5))
def test_no_text_gets_more_out_of_it_than_a_refusal(lines: list[str]) -> None:
    with suppress(Forbidden):
        assert isinstance(sense(lines), Sense)
