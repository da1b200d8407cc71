"""Has Debian's slicers slice a generated model, for print files as people really send them."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from tests.processes import gone

SLICER, OLDER_SLICER = "prusa-slicer", "slic3r"
LIMIT_S = 120.0

PROFILE = {
    "temperature": 60,
    "first-layer-temperature": 60,
    "bed-temperature": 40,
    "first-layer-bed-temperature": 40,
    "layer-height": 0.25,
    "first-layer-height": 0.25,
    "nozzle-diameter": 0.4,
    "perimeters": 2,
    "fill-density": "20%",
    "skirts": 1,
    "bed-shape": "0x0,200x0,200x200,0x200",
    "max-print-speed": 80,
    "gcode-flavor": "marlin",
}
"""A cool profile: the virtual printer heats at 10 °C/s and takes every move's own time."""


def need_slicer(program: str = SLICER) -> None:
    """Skip the calling test where this slicer is not installed."""
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed: on Debian, apt install {program}")


def cuboid(x: float, y: float, z: float) -> str:
    """A block of these sizes (mm) as STL, its text form: the slicer guesses at binary ones."""
    corners = [(i & 1, i >> 1 & 1, i >> 2 & 1) for i in range(8)]
    points = [(a * x, b * y, c * z) for a, b, c in corners]
    sides = [(0, 2, 3, 1), (4, 5, 7, 6), (0, 1, 5, 4), (2, 6, 7, 3), (0, 4, 6, 2), (1, 3, 7, 5)]
    facets = [half for a, b, c, d in sides for half in ((a, b, c), (a, c, d))]
    lines = ["solid block"]
    for facet in facets:
        lines += ["facet normal 0 0 0", "outer loop"]
        lines += ["vertex {} {} {}".format(*points[corner]) for corner in facet]
        lines += ["endloop", "endfacet"]
    return "\n".join([*lines, "endsolid block", ""])


async def slice_cuboid(folder: Path, x: float, y: float, z: float) -> Path:
    """A G-code file of such a block, made by the real slicer."""
    return await slice_model(folder, "block", cuboid(x, y, z))


async def slice_model(folder: Path, name: str, stl: str, *more: str) -> Path:
    """A G-code file of this model; `more` are the slicer's options besides the profile."""
    options = [f"--{option}={value}" for option, value in PROFILE.items()]
    return await _slice(SLICER, folder, name, stl, "--export-gcode", *options, *more)


async def slice_as_others_do(folder: Path, name: str, stl: str, *more: str) -> Path:
    """A G-code file of this model by Slic3r, whose settings and comments are others."""
    return await _slice(OLDER_SLICER, folder, name, stl, *more)


async def _slice(slicer: str, folder: Path, name: str, stl: str, *options: str) -> Path:
    model, result = folder / f"{name}.stl", folder / f"{name}.gcode"
    await asyncio.to_thread(model.write_text, stl)
    process = await asyncio.create_subprocess_exec(
        slicer, *options, "--output", str(result), str(model),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "HOME": str(folder)},
    )  # fmt: skip
    try:
        async with asyncio.timeout(LIMIT_S):
            said, _ = await process.communicate()
    finally:
        await gone(process)
    if process.returncode != 0 or not await asyncio.to_thread(result.exists):
        raise RuntimeError(said.decode(errors="replace")[-2000:])
    return result
