"""What a person's orders become in Klipper's words, and which are refused before they are sent."""

from __future__ import annotations

import pytest

from buildplate.drivers.moonraker.levels import names_of
from buildplate.drivers.moonraker.orders import Machine, Script, script
from buildplate.drivers.sdk import (
    CAPABILITY_OF,
    Control,
    EmergencyStop,
    ExcludeObject,
    Extrude,
    Fan,
    Gcode,
    Heat,
    Home,
    Jog,
    Macro,
    Pace,
    Power,
    Refused,
    ShiftZ,
)

OBJECTS = (
    "extruder",
    "extruder1",
    "heater_bed",
    "heater_generic chamber",
    "temperature_sensor mcu",
    "fan",
    "fan_generic Filter",
    "heater_fan hotend",
)
MACHINE = Machine(names_of(OBJECTS), ("PRINT_START", "_hidden"), "xyz")
UNHOMED = Machine(names_of(OBJECTS), (), "x")
SAVE, RESTORE = "SAVE_GCODE_STATE NAME=_buildplate", "RESTORE_GCODE_STATE NAME=_buildplate"

EXAMPLES: list[tuple[Control, str]] = [
    (Home(), "G28"),
    (Home(("x", "y")), "G28 X Y"),
    (Jog({"x": 10, "y": -2.5}), f"{SAVE}\nG91\nG1 X10.0000 Y-2.5000 F3000\n{RESTORE}"),
    (Jog({"z": 1}), f"{SAVE}\nG91\nG1 Z1.0000 F600\n{RESTORE}"),
    (Jog({"x": 1}, speed=5), f"{SAVE}\nG91\nG1 X1.0000 F300\n{RESTORE}"),
    (Extrude(5), f"{SAVE}\nM83\nG1 E5.0000 F300\n{RESTORE}"),
    (
        Extrude(-2, speed=10, tool=1),
        (
            f"{SAVE}\nACTIVATE_EXTRUDER EXTRUDER=extruder1\nM83\nG1 E-2.0000 F600\n"
            f"ACTIVATE_EXTRUDER EXTRUDER=extruder\n{RESTORE}"
        ),
    ),
    (Heat("tool0", 210), "SET_HEATER_TEMPERATURE HEATER=extruder TARGET=210.0"),
    (Heat("tool1", 0), "SET_HEATER_TEMPERATURE HEATER=extruder1 TARGET=0.0"),
    (Heat("bed", 60.5), "SET_HEATER_TEMPERATURE HEATER=heater_bed TARGET=60.5"),
    (Heat("chamber", 50), "SET_HEATER_TEMPERATURE HEATER=chamber TARGET=50.0"),
    (Fan(0.5), "M106 S128"),
    (Fan(1, "Filter"), "SET_FAN_SPEED FAN=Filter SPEED=1.000"),
    (Pace(speed=1.5), "M220 S150.0"),
    (Pace(speed=1, flow=0.95), "M220 S100.0\nM221 S95.0"),
    (Macro("print_start", {"BED": "60", "OF": "two words"}), 'print_start BED="60" OF="two words"'),
    (Macro("PRINT_START"), "PRINT_START"),
    (ExcludeObject("part_1"), "EXCLUDE_OBJECT NAME=part_1"),
    (ShiftZ(-0.05), "SET_GCODE_OFFSET Z_ADJUST=-0.0500 MOVE=1"),
    (Gcode(("G28", "M117 hello")), "G28\nM117 hello"),
]


@pytest.mark.parametrize(("order", "lines"), EXAMPLES, ids=lambda one: type(one).__name__)
def test_every_order_has_its_g_code(order: Control, lines: str) -> None:
    made = script(order, MACHINE)
    assert isinstance(made, Script)
    assert made.text == lines


def test_no_order_is_forgotten() -> None:
    known = {type(order) for order, _ in EXAMPLES} | {EmergencyStop, Power}  # no G-code
    assert known == set(CAPABILITY_OF)


@pytest.mark.parametrize(
    ("order", "code"),
    [
        (Jog({"y": 1}), "not_homed"),
        (Jog({"e": 1}), "unsupported"),
        (Jog({}), "unsupported"),
        (Extrude(1, tool=2), "no_such_tool"),
        (Heat("tool7", 200), "no_such_heater"),
        (Heat("mcu", 200), "no_such_heater"),
        (Heat("bed TARGET=400", 200), "no_such_heater"),
        (Fan(1, "hotend"), "no_such_fan"),
        (Pace(), "unsupported"),
        (Macro("M112"), "no_such_macro"),
        (ExcludeObject("a\nM112"), "unsupported"),
        (ExcludeObject("a b"), "unsupported"),
        (ExcludeObject(""), "unsupported"),
    ],
)
def test_what_the_machine_cannot_do_is_refused_before_it_is_sent(order: Control, code: str) -> None:
    made = script(order, UNHOMED)
    assert isinstance(made, Refused)
    assert made.code == code


@pytest.mark.parametrize(
    "params", [{"A": "1\nM112"}, {"A": 'x" M112="'}, {"A B": "1"}, {"A": "1;2"}, {"": "1"}]
)
def test_a_macro_s_parameters_smuggle_nothing_in(params: dict[str, str]) -> None:
    assert isinstance(script(Macro("PRINT_START", params), MACHINE), Refused)


def test_a_move_that_fails_leaves_no_mode_behind() -> None:
    made = script(Jog({"x": 1}), MACHINE)
    assert isinstance(made, Script)
    assert made.undo == RESTORE


def test_a_shift_on_an_unhomed_machine_moves_nothing() -> None:
    made = script(ShiftZ(0.1), UNHOMED)
    assert isinstance(made, Script)
    assert made.text.endswith("MOVE=0")
