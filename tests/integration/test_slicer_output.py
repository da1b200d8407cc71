"""What the scan finds in a file that a real slicer wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildplate.files.gate import GcodeGate
from buildplate.files.scan.scanner import scan_file
from tests.integration.slicing import need_slicer, slice_cuboid

SIZE = (30.0, 20.0, 5.0)
LINE_MM = 0.5  # the middle of the outermost line is half of this inside the model
SKIRT_MM = 10.0
MIDDLE = 100.0


@pytest.mark.needs_slicer
async def test_the_space_and_the_numbers_of_a_prusaslicer_file(tmp_path: Path) -> None:
    need_slicer()
    path = await slice_cuboid(tmp_path, *SIZE)
    gate = GcodeGate()
    gate.feed(path.read_bytes())
    gate.finish()
    found = scan_file(path)
    assert found.slicer == "PrusaSlicer"
    assert found.print_box is not None
    box = found.print_box
    for low, high, length in (
        (box.min_x, box.max_x, SIZE[0]),
        (box.min_y, box.max_y, SIZE[1]),
    ):
        assert (low + high) / 2 == pytest.approx(MIDDLE, abs=0.1)
        # The skirt is drawn around the model, some millimetres off.
        assert length < high - low < length + 2 * SKIRT_MM
    assert (box.min_z, box.max_z) == (0.25, SIZE[2])
    assert found.layers == SIZE[2] / 0.25
    assert (found.max_nozzle_c, found.max_bed_c) == (60, 40)
    assert [(tool.tool, tool.nozzle_mm) for tool in found.tools] == [(0, 0.4)]
    assert found.estimated_s is not None
    assert 60 < found.estimated_s < 3600
    # Filament of 1.75 mm: the slicer fills some of the block's volume, never more than all of it.
    volume = SIZE[0] * SIZE[1] * SIZE[2]
    assert found.filament_mm is not None
    assert 0.3 * volume < found.filament_mm * 2.405 < 1.3 * volume
