"""A file is read in whole lines; its modes are known at any line; its last moves stand alone."""

from __future__ import annotations

from pathlib import Path

from buildplate.drivers.marlin.config import HeatLimits, Parking
from buildplate.drivers.marlin.orders import hottest, lines_of
from buildplate.drivers.marlin.scripts import Modes, Parked, heaters_off, park, unpark
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

LIMITS = HeatLimits(nozzle=260, bed=100, chamber=60)


def source(folder: Path, text: str) -> SourceFile:
    path = folder / "print.gcode"
    path.write_text(text)
    return SourceFile(path)


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


def test_parking_and_its_way_back() -> None:
    parking = Parking(retract=2, lift=5, place=(0, 200))
    assert park(parking) == [
        "M83", "G1 E-2 F1800", "G91", "G0 Z5 F600", "G90", "G0 X0 Y200 F6000",
    ]  # fmt: skip
    where = {"x": 10.5, "y": 20.0, "z": 0.3, "e": 123.456}
    parked = Parked(where, Modes(absolute=False, absolute_e=True, feed=1500), {"tool0": 210.0})
    assert unpark(parking, parked, heated=True) == [
        "G90", "G0 X10.5 Y20 F6000", "G0 Z0.3 F600", "M83", "G1 E2 F1800",
        "G92 E123.456", "G1 F1500", "G91", "M82",
    ]  # fmt: skip
    assert unpark(parking, parked, heated=False)[:2] == ["M104 T0 S210", "M109 T0 S210"]


def test_everything_that_heats_is_switched_off() -> None:
    assert heaters_off(["tool0", "tool1", "bed", "chamber"]) == [
        "M104 S0", "M104 T1 S0", "M140 S0", "M141 S0",
    ]  # fmt: skip


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


def test_typed_lines_cannot_number_or_smuggle() -> None:
    for line in ("M110 N0", "N5 G1 X1", "G1 X1*33", "G1\x00", "G1\nM112", "M117 " + "x" * 200):
        assert isinstance(lines_of(Gcode((line,)), LIMITS), Refused)
