"""What OctoPrint is asked for each order of a person, and what is kept of its log and cameras."""

from __future__ import annotations

import re
from typing import Any

import pytest

from buildplate.drivers.octoprint import DRIVER
from buildplate.drivers.octoprint.answers import CONSOLE_LIMIT, read_cameras, read_console
from buildplate.drivers.octoprint.channel import WORTH_SAYING
from buildplate.drivers.octoprint.controls import OFFERED, wishes
from buildplate.drivers.sdk import (
    CAPABILITY_OF,
    CameraAddress,
    ConsoleLine,
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
    ShiftZ,
    Speaker,
)

HEAD, TOOL, CODE = "api/printer/printhead", "api/printer/tool", "api/printer/command"
ASKED: list[tuple[Control, list[tuple[str, dict[str, Any]]]]] = [
    (Home(), [(HEAD, {"command": "home", "axes": ["x", "y", "z"]})]),
    (Home(("z",)), [(HEAD, {"command": "home", "axes": ["z"]})]),
    (
        Jog({"x": 1.5}, 10.0),
        [(HEAD, {"command": "jog", "x": 1.5, "absolute": False, "speed": 600.0})],
    ),
    (Extrude(5.0, 2.0), [(TOOL, {"command": "extrude", "amount": 5.0, "speed": 120.0})]),
    (Heat("tool1", 210.0), [(TOOL, {"command": "target", "targets": {"tool1": 210.0}})]),
    (Heat("bed", 60.0), [("api/printer/bed", {"command": "target", "target": 60.0})]),
    (Heat("chamber", 40.0), [("api/printer/chamber", {"command": "target", "target": 40.0})]),
    (Fan(0.5), [(CODE, {"commands": ["M106 S128"]})]),
    (Fan(0.0), [(CODE, {"commands": ["M107"]})]),
    (
        Pace(1.1, 0.95),
        [
            (HEAD, {"command": "feedrate", "factor": 110}),
            (TOOL, {"command": "flowrate", "factor": 95}),
        ],
    ),
    (Gcode(("M115", "G4 P1")), [(CODE, {"commands": ["M115", "G4 P1"]})]),
    (EmergencyStop(), [(CODE, {"commands": ["M112"]})]),
]


@pytest.mark.parametrize(("order", "asked"), ASKED)
def test_an_order_is_asked_in_octoprint_s_own_units(
    order: Control, asked: list[tuple[str, dict[str, Any]]]
) -> None:
    assert [(one.path, one.body) for one in wishes(order, several_tools=False)] == asked


def test_with_several_tools_the_right_one_is_chosen_before_filament_moves() -> None:
    first, second = wishes(Extrude(5.0, tool=1), several_tools=True)
    assert first.body == {"command": "select", "tool": "tool1"}
    assert second.body["command"] == "extrude"


@pytest.mark.parametrize("order", [Macro("A"), ExcludeObject("a"), ShiftZ(0.1), Fan(1.0, "case")])
def test_what_octoprint_cannot_do_is_asked_of_it_in_no_other_way(order: Control) -> None:
    assert wishes(order, several_tools=False) == ()


def test_every_order_that_is_offered_is_known() -> None:
    assert DRIVER.capabilities >= OFFERED
    assert {CAPABILITY_OF[type(order)] for order, _ in ASKED} == OFFERED


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("Send: N12 G1 X1 Y2 E3*44", False),
        ("Send: G0 X1", False),
        ("Send: M105", False),
        ("Send: N7 M105*32", False),
        ("Recv: ok", False),
        ("Recv: ok T:21.0 /0.0", False),
        ("Recv: wait", False),
        ("Recv:  T:21.0 /0.0 B:20 /0", False),
        ("Send: G28 X0", True),
        ("Send: N3 M104 S210*77", True),
        ("Send: G10", True),
        ("Recv: echo:busy: processing", True),
        ("Recv: Error:Thermal Runaway", True),
        ("Changing monitoring state from 'Operational' to 'Printing'", True),
    ],
)
def test_of_the_serial_log_only_what_people_read_is_asked_for(line: str, *, wanted: bool) -> None:
    assert bool(re.search(WORTH_SAYING, line)) is wanted


def test_a_console_is_bounded_and_says_who_spoke_and_what_failed() -> None:
    logs = ["Send: G28", "Recv: Error:Printer halted", "Connected", 7]
    told = read_console({"logs": logs})
    assert told == [
        ConsoleLine("G28", Speaker.SENT),
        ConsoleLine("Error:Printer halted", error=True),
        ConsoleLine("Connected"),
    ]
    assert len(read_console({"logs": ["Recv: x"] * 1000})) == CONSOLE_LIMIT
    assert read_console({"logs": "Recv: x"}) == read_console({}) == []


def test_cameras_are_those_whose_addresses_are_told() -> None:
    known = {"displayName": "Bed", "flipV": True, "rotate90": True}
    known["compat"] = {"stream": "/webcam/?action=stream", "snapshot": "http://127.0.0.1/snap"}
    odd = [known, {"name": "no address"}, {"compat": {"stream": 7}}, "nonsense"]
    assert read_cameras({"webcam": {"webcams": odd}}) == [
        CameraAddress(
            "Bed",
            "/webcam/?action=stream",
            "http://127.0.0.1/snap",
            rotation=270,
            flipped=True,
        )
    ]
    assert read_cameras({"webcam": 3}) == read_cameras({}) == []
