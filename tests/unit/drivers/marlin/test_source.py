"""A file is read in whole lines; its modes are known at any line; its last moves stand alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildplate.drivers.marlin.config import HeatLimits, Parking
from buildplate.drivers.marlin.orders import hottest, lines_of
from buildplate.drivers.marlin.scripts import Modes, Parked, heaters_off, park, reheated, unpark
from buildplate.drivers.marlin.source import BLOCK_BYTES, SourceFile, pieces
from buildplate.drivers.sdk import (
    Control,
    Extrude,
    Fan,
    Gcode,
    Heat,
    Home,
    Jog,
    Pace,
    Refused,
    ShiftZ,
)
from buildplate.protocols.marlin import Dialect

LIMITS = HeatLimits(nozzle=260, bed=100, chamber=60)


def source(folder: Path, text: str, dialect: Dialect = Dialect.MARLIN2) -> SourceFile:
    path = folder / "print.gcode"
    path.write_text(text)
    return SourceFile(path, dialect)


def read(file: SourceFile) -> tuple[list[bytes], list[int]]:
    codes, where = [], []
    while not file.at_end:
        block = file.block()
        codes += block.codes
        where += block.where
    return codes, where


def test_every_line_comes_once_with_its_number(tmp_path: Path) -> None:
    lines = [f"G1 X{n} E{n}" if n % 3 else f"; comment {n}" for n in range(1, 4000)]
    for end in ("\n", "\r\n"):
        codes, where = read(source(tmp_path, end.join(lines)))
        assert codes == [line.encode() for line in lines if line[0] == "G"]
        assert where == [number for number, line in enumerate(lines, 1) if line[0] == "G"]


def test_a_block_never_holds_the_last_moves_and_what_is_before_them(tmp_path: Path) -> None:
    text = "G1 X1 E1\n" * 3000 + "G1 X2 Y2 E99\nG1 E-3\nM104 S0\n"
    file = source(tmp_path, text)
    while file.offset < file.tail:
        block = file.block()
        assert b"G1 X2 Y2 E99" not in block.codes
        assert file.offset <= file.tail
    assert file.block().codes[0] == b"G1 X2 Y2 E99"
    assert len(text) > 3 * BLOCK_BYTES


def test_the_modes_of_any_line_that_was_read_last(tmp_path: Path) -> None:
    text = "G90\nM83\nG1 X1 F1200\nG91\nG1 X1\nM82\nT1\nG1 X2 Z9 F99.5\nG1 X9 E9\n"
    file = source(tmp_path, text)
    assert len(file.block().codes) == 8
    assert file.modes_at(0) == Modes()
    assert file.modes_at(3) == Modes(absolute=True, absolute_e=False, feed=1200, tool=0)
    assert file.modes_at(5) == Modes(absolute=False, absolute_e=False, feed=1200, tool=0)
    assert file.modes_at(8) == Modes(absolute=False, absolute_e=True, feed=99.5, tool=1)


@pytest.mark.parametrize("dialect", Dialect)
def test_g90_and_g91_set_the_extruder_where_the_firmware_has_them_do_so(
    tmp_path: Path, dialect: Dialect
) -> None:
    file = source(tmp_path, "M83\nG90\nG1 X1 E1\nM82\nG91\nG1 X1 E1\n", dialect)
    file.block()
    both = dialect in {Dialect.MARLIN2, Dialect.SMOOTHIE}
    assert file.modes_at(3) == Modes(absolute=True, absolute_e=both)
    assert file.modes_at(6) == Modes(absolute=False, absolute_e=not both)


def test_inches_are_remembered(tmp_path: Path) -> None:
    file = source(tmp_path, "G1 X1 E1\nG20 ; inches\nG1 X1 E1\nG21\nG1 X1 E1\n")
    file.block()
    assert [file.modes_at(line).inches for line in (1, 3, 5)] == [False, True, True]


def test_parking_and_its_way_back() -> None:
    parking = Parking(retract=2, lift=5, place=(0, 200))
    assert park(parking) == [
        "M83", "G1 E-2 F1800", "G91", "G0 Z5 F600", "G90", "G0 X0 Y200 F6000",
    ]  # fmt: skip
    where = {"x": 10.5, "y": 20.0, "z": 0.3, "e": 123.456}
    parked = Parked(where, Modes(absolute=False, absolute_e=True, feed=1500))
    assert unpark(parking, parked) == [
        "G90", "G0 X10.5 Y20 F6000", "G0 Z0.3 F600", "M83", "G1 E2 F1800",
        "G92 E123.456", "G1 F1500", "G91", "M82",
    ]  # fmt: skip
    assert reheated({"tool0": 210.0, "bed": 0}) == ["M104 T0 S210", "M109 T0 S210"]


def test_everything_that_heats_is_switched_off() -> None:
    assert heaters_off(["tool0", "tool1", "bed", "chamber"]) == [
        "M104 S0", "M104 T0 S0", "M104 T1 S0", "M140 S0", "M141 S0",
    ]  # fmt: skip
    assert heaters_off(["tool0", "bed"]) == heaters_off() == ["M104 S0", "M140 S0"]


def test_orders_of_people_as_lines() -> None:
    assert lines_of(Home(("x", "y")), LIMITS) == ["G28 X Y"]
    assert lines_of(Jog({"z": -0.1}), LIMITS) == ["G91", "G1 Z-0.100 F480", "G90"]
    assert lines_of(Extrude(5, tool=1), LIMITS) == ["T1", "M83", "G1 E5.000 F300"]
    assert lines_of(Heat("bed", 60), LIMITS) == ["M140 S60"]
    assert lines_of(Fan(1.0), LIMITS) == ["M106 S255"]
    assert lines_of(Pace(speed=0.5, flow=1.05), LIMITS) == ["M220 S50", "M221 S105"]
    assert lines_of(ShiftZ(-0.02), LIMITS) == ["M290 Z-0.020"]
    assert lines_of(Gcode(("G28 ; home", "", "M117 hi")), LIMITS) == ["G28", "M117 hi"]


def test_no_order_and_no_file_heats_beyond_the_printers_limits(tmp_path: Path) -> None:
    refused: list[Control] = [
        Heat("tool1", 261), Heat("bed", 101), Heat("chamber", 61),
        Gcode(("G28", "M109 R300")), Gcode(("m140 s200",)),
    ]  # fmt: skip
    for order in refused:
        answer = lines_of(order, LIMITS)
        assert isinstance(answer, Refused)
        assert answer.code == "too_hot"
    path = tmp_path / "hot.gcode"
    path.write_text("; x\n" * 400_000 + "M104 S261 ; too hot\nM84\n")
    found = hottest(pieces(path), LIMITS)
    assert isinstance(found, Refused)
    path.write_text("M104 S260\n" + "; M104 S999\n" * 1000 + "M190 S100")
    assert hottest(pieces(path), LIMITS) is None


HOT = [
    b"M104S400", b"N10 M104 S400", b"N10M104 S400", b"n7 m104 s400", b"M109 R100 S400",
    b"M104 S+400", b"M104 S0x000000190",
    b"M109 S10 B400", b"M0104 S400", b"M 104 S400", b"M104 S 400", b"M104\tS400", b"M104 S4e2",
    b"M104 S0x190", b"M104 S400e-2", b"G28 M104 S400", b"M104 S100 S400", b"M104 T1S400",
    b"M140 R101",
    b"M303 E0 S400", b"M303 E-1 S101", b"M104 S0400.5",
]  # fmt: skip


@pytest.mark.parametrize("line", HOT)
@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_no_spelling_of_a_target_goes_round_the_limits(
    tmp_path: Path, line: bytes, end: bytes
) -> None:
    path = tmp_path / "hot.gcode"
    path.write_bytes(end.join([b"G28", line, b"G1 X1 Y1 E1", b""]))
    found = hottest(pieces(path), LIMITS)
    assert isinstance(found, Refused)
    assert isinstance(lines_of(Gcode((line.decode(),)), LIMITS), Refused)


def test_what_does_not_heat_too_much_is_let_through(tmp_path: Path) -> None:
    cool = [
        "M104 S260", "M109 R260 T1", "M190 S100", "M1040 S400", "M204 S400", "G1 X400 S400",
        "M303 E0 S260", "M104 S200 ; M104 S400", "M104 S200*400", "M106 S255", "T1",
        "M106 P104 S400",
    ]  # fmt: skip
    path = tmp_path / "cool.gcode"
    path.write_text("\n".join(["(M104 S400)", *cool]))
    assert hottest(pieces(path), LIMITS) is None
    typed = [line for line in cool if "*" not in line]
    assert lines_of(Gcode(tuple(typed)), LIMITS) == [
        line.partition(";")[0].strip() for line in typed
    ]


@pytest.mark.parametrize(
    "line",
    ["play /sd/a.gcode", "rm /sd/a", "set_temp hotend 400", "reset", "@pause", "G", "X1",
     "M1000 reset", "G4 P1 M1000 reset", "G28 M110 N0", "M0110 N0"],
)  # fmt: skip
def test_no_console_command_is_typed(line: str) -> None:
    answer = lines_of(Gcode((line,)), LIMITS)
    assert isinstance(answer, Refused)
    assert answer.code == "bad_line"


def test_typed_lines_cannot_number_or_smuggle() -> None:
    for line in ("M110 N0", "N5 G1 X1", "G1 X1*33", "G1\x00", "G1\nM112", "M117 " + "x" * 200):
        assert isinstance(lines_of(Gcode((line,)), LIMITS), Refused)
