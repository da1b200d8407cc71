"""Writes the demo's G-code files: a calibration cube and a twisted vase, made by our own code."""

from __future__ import annotations

import base64
import math
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LAYER = 0.3
WIDTH = 0.45
FILAMENT_AREA = math.pi * (1.75 / 2) ** 2
DENSITY = 1.24e-3
"""PLA, in g/mm³."""

CENTRE = 110.0
PRINT_FEED, TRAVEL_FEED, FIRST_FEED = 2400.0, 9000.0, 1200.0
THUMB = 48
_LINE = 78

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Sample:
    """One model: its outline per height (mm), and how its picture looks from the side."""

    name: str
    height: float
    outline: Callable[[float], list[Point]]
    fill: bool
    silhouette: Callable[[float], float]
    colour: tuple[int, int, int]


class _Writer:
    """Collects G-code and adds up time and filament."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.at: Point = (0.0, 0.0)
        self.seconds = 0.0
        self.extruded = 0.0

    def travel(self, to: Point) -> None:
        self.seconds += math.dist(self.at, to) / TRAVEL_FEED * 60
        self.at = to
        self.lines.append(f"G0 X{to[0]:.3f} Y{to[1]:.3f} F{TRAVEL_FEED:.0f}")

    def draw(self, points: list[Point], feed: float) -> None:
        for to in points:
            length = math.dist(self.at, to)
            extruded = length * WIDTH * LAYER / FILAMENT_AREA
            self.seconds += length / feed * 60
            self.extruded += extruded
            self.at = to
            self.lines.append(f"G1 X{to[0]:.3f} Y{to[1]:.3f} E{extruded:.5f} F{feed:.0f}")


def square(_: float) -> list[Point]:
    """The cube: 20 mm square at every height."""
    return [(CENTRE + x, CENTRE + y) for x, y in ((-10, -10), (10, -10), (10, 10), (-10, 10))]


def petals(z: float) -> list[Point]:
    """The vase: five petals that turn and swell with the height."""
    swell = 18 + 6 * math.sin(z / 40 * math.pi)
    turn = z / 40
    points = []
    for step in range(120):
        angle = 2 * math.pi * step / 120
        radius = swell + 2.5 * math.cos(5 * angle)
        x, y = radius * math.cos(angle + turn), radius * math.sin(angle + turn)
        points.append((CENTRE + x, CENTRE + y))
    return points


_FULL, _HOLLOW = True, False
CUBE = Sample("calibration-cube", 20.0, square, _FULL, lambda _: 0.6, (214, 92, 56))
VASE = Sample(
    "twisted-vase",
    40.0,
    petals,
    _HOLLOW,
    lambda height: (18 + 6 * math.sin(height * math.pi)) / 30,
    (52, 120, 190),
)


def thumbnail(sample: Sample) -> bytes:
    """A small PNG of the sample's silhouette."""
    rows = bytearray()
    for row in range(THUMB):
        rows.append(0)
        half = sample.silhouette(1 - row / THUMB) * THUMB / 2
        for column in range(THUMB):
            offset = column - THUMB / 2 + 0.5
            inside = abs(offset) <= half
            shade = 0.7 + 0.3 * (offset / half) if inside else 0.0
            rows += bytes(int(part * shade) for part in sample.colour)
            rows.append(255 if inside else 0)
    head = struct.pack("!IIBBBBB", THUMB, THUMB, 8, 6, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(bytes(rows), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack("!I", len(data)) + kind + data + struct.pack("!I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def gcode(sample: Sample) -> str:
    """The whole file, with the comments that slicers write."""
    writer = _Writer()
    layers = round(sample.height / LAYER)
    for layer in range(layers):
        _layer(writer, sample, layer)
    return "\n".join([*_head(sample, writer, layers), *writer.lines, *_tail(writer, layers)]) + "\n"


def _layer(writer: _Writer, sample: Sample, layer: int) -> None:
    z = (layer + 1) * LAYER
    feed = FIRST_FEED if layer == 0 else PRINT_FEED
    writer.lines += [";LAYER_CHANGE", f";Z:{z:.2f}", f";HEIGHT:{LAYER}", f"G1 Z{z:.2f} F600"]
    outline = sample.outline(z)
    writer.travel(outline[0])
    writer.lines.append(";TYPE:External perimeter")
    writer.draw([*outline[1:], outline[0]], feed)
    if sample.fill or layer == 0:
        writer.lines.append(";TYPE:Internal infill")
        for line in _hatch(outline, spacing=4.0 if sample.fill else 2.0):
            writer.travel(line[0])
            writer.draw([line[1]], feed)


def _hatch(outline: list[Point], spacing: float) -> Iterator[tuple[Point, Point]]:
    """Lines across the inside of an outline that is star-shaped around the middle."""
    low, high = min(y for _, y in outline), max(y for _, y in outline)
    y = low + spacing / 2
    while y < high:
        crossings = []
        for (x1, y1), (x2, y2) in zip(outline, [*outline[1:], outline[0]], strict=True):
            if min(y1, y2) <= y < max(y1, y2):
                crossings.append(x1 + (y - y1) / (y2 - y1) * (x2 - x1))
        crossings.sort()
        for left, right in zip(crossings[::2], crossings[1::2], strict=False):
            yield (left + WIDTH, y), (right - WIDTH, y)
        y += spacing


def _head(sample: Sample, writer: _Writer, layers: int) -> list[str]:
    picture = base64.b64encode(thumbnail(sample)).decode()
    rows = [picture[at : at + _LINE] for at in range(0, len(picture), _LINE)]
    return [
        f"; {sample.name}, generated by Buildplate's own sample writer",
        ";",
        f"; thumbnail begin {THUMB}x{THUMB} {len(picture)}",
        *(f"; {row}" for row in rows),
        "; thumbnail end",
        ";",
        f";LAYER_COUNT:{layers}",
        f"; layer_height = {LAYER}",
        "; filament_type = PLA",
        f"; estimated first layer feed = {FIRST_FEED:.0f} mm/min",
        f"; total estimated motion = {writer.seconds:.0f} s",
        "M140 S60",
        "M104 S215",
        "G90",
        "M83",
        "G21",
        "G28",
        "M190 S60",
        "M109 S215",
        "G92 E0",
    ]


def _tail(writer: _Writer, layers: int) -> list[str]:
    grams = writer.extruded * FILAMENT_AREA * DENSITY
    return [
        "G1 E-2 F1800",
        "G91",
        "G1 Z10 F600",
        "G90",
        "G0 X0 Y200 F9000",
        "M104 S0",
        "M140 S0",
        "M84",
        f"; filament used [mm] = {writer.extruded:.2f}",
        f"; filament used [cm3] = {writer.extruded * FILAMENT_AREA / 1000:.2f}",
        f"; filament used [g] = {grams:.2f}",
        f"; total filament used [g] = {grams:.2f}",
        f"; total layers count = {layers}",
        f"; estimated printing time (normal mode) = {_spoken(writer.seconds)}",
        "; nozzle_diameter = 0.4",
        "; temperature = 215",
        "; bed_temperature = 60",
    ]


def _spoken(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return (f"{hours}h " if hours else "") + f"{minutes}m {rest}s"


def write_samples(folder: Path) -> list[Path]:
    """Write both files into a folder; answers where they are."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for sample in (CUBE, VASE):
        path = folder / f"{sample.name}.gcode"
        path.write_text(gcode(sample), encoding="ascii")
        written.append(path)
    return written
