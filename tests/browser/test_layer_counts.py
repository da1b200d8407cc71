"""The layers and segments that the page counts are those of files that a real slicer wrote."""

from __future__ import annotations

import asyncio
import re

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.browser.chrome import Visit
from tests.browser.conftest import Opener
from tests.browser.plain_gcode import MARK, Layer, layers_of
from tests.browser.site import Farm
from tests.integration.slicing import (
    OLDER_SLICER,
    cuboid,
    need_slicer,
    slice_as_others_do,
    slice_model,
)

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.needs_slicer]
MODEL = cuboid(14, 12, 4)
RELATIVE = ("--use-relative-e-distances", "--layer-gcode=G92 E0")
# PrusaSlicer's options by the name of the file: each is written in another way.
FILES = {
    "absolute": ("--fill-pattern=gyroid", "--skirts=2", "--top-solid-layers=3"),
    "vase": (
        "--spiral-vase",
        "--perimeters=1",
        "--fill-density=0",
        "--top-solid-layers=0",
        *RELATIVE,
    ),
    "arcs": (RELATIVE[0], "--layer-gcode=G92 E0\nG3 X20 Y20 I5 J3 E.7\nG2 X30 I5"),
    "two-tools": (
        "--nozzle-diameter=0.4,0.4",
        "--infill-extruder=2",
        "--wipe-tower",
        "--single-extruder-multi-material",
        *RELATIVE,
    ),
    "one-by-one": ("--complete-objects", "--duplicate=2", "--brim-width=3", "--raft-layers=2"),
}
# Slic3r says nothing of layers: they are known by their heights alone.
OLDER_FILES = {
    "older": ("--skirts=2", "--gcode-flavor=repetier"),
    "older-relative": ("--use-relative-e-distances", "--z-offset=0.1", "--raft-layers=2"),
}
MARKED = re.compile(MARK.pattern, re.MULTILINE)
READ = """() => [...document.querySelectorAll("main tbody tr")].map((row) =>
  [...row.querySelectorAll("td")].map((cell) => Number(cell.innerText.replaceAll(",", ""))))"""


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def sliced(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The files; one more without the slicer's comments, as other slicers write none."""
    need_slicer()
    folder = tmp_path_factory.mktemp("sliced")
    paths = await asyncio.gather(
        *(slice_model(folder, name, MODEL, *more) for name, more in FILES.items())
    )
    found = {path.stem: path.read_text() for path in paths}
    bare = [line for line in found["absolute"].splitlines() if not MARK.match(line)]
    return found | {"bare": "\n".join(bare)}


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def sliced_by_another(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The other slicer's files."""
    need_slicer(OLDER_SLICER)
    folder = tmp_path_factory.mktemp("sliced-by-another")
    paths = await asyncio.gather(
        *(slice_as_others_do(folder, name, MODEL, *more) for name, more in OLDER_FILES.items())
    )
    return {path.stem: path.read_text() for path in paths}


async def listed(ann: Visit, farm: Farm, name: str, gcode: str) -> list[Layer]:
    """What the list says of a file, once all of it was read."""
    stored = await farm.api.upload(gcode, f"{name}.gcode")
    await ann.go(f"/files/{stored}/layers?view=list")
    await expect(ann.main.get_by_role("table")).to_be_visible()
    await expect(ann.main.locator("[aria-busy=true]")).to_have_count(0)
    rows = await ann.page.evaluate(READ)
    if MARKED.search(gcode):  # the server finds the marks by itself, and tells as many layers
        begun = await farm.api.call("GET", f"/files/{stored}/layers")
        assert len(begun["starts"]) == len(rows), name
    return [Layer(z, int(segments), int(travels), mm) for z, mm, segments, travels in rows]


async def compare(ann: Visit, farm: Farm, files: dict[str, str]) -> None:
    """The page counts what an independent reading of these files counts."""
    for name, gcode in files.items():
        counted, shown = layers_of(gcode), await listed(ann, farm, name, gcode)
        assert len(shown) == len(counted), name
        assert 10 < len(counted) <= 50, name
        for number, (ours, theirs) in enumerate(zip(shown, counted, strict=True), 1):
            where = f"{name}, layer {number}"
            assert (ours.segments, ours.travels) == (theirs.segments, theirs.travels), where
            assert ours.z == pytest.approx(theirs.z, abs=1e-3), where
            assert ours.mm == pytest.approx(theirs.mm, abs=0.06), where


async def test_layers_and_segments_equal_an_independent_count_of_five_sliced_files(
    farm: Farm, visit: Opener, sliced: dict[str, str]
) -> None:
    assert len(sliced) == len(FILES) + 1
    await compare(await visit(farm, "viewer"), farm, sliced)


async def test_another_slicers_files_are_counted_as_rightly(
    farm: Farm, visit: Opener, sliced_by_another: dict[str, str]
) -> None:
    assert len(sliced_by_another) == len(OLDER_FILES)
    await compare(await visit(farm, "viewer"), farm, sliced_by_another)
