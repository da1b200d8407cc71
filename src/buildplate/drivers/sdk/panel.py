"""What a printer's panel shows beside temperatures: pushed levels, and equipment on request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from buildplate.core import images

_NOTHING: Mapping[str, float] = MappingProxyType({})
"""What a host says nothing of."""


class Speaker(StrEnum):
    """Who a line of the console is from."""

    PRINTER = "printer"
    SENT = "sent"


@dataclass(frozen=True, slots=True)
class ConsoleLine:
    """One line that passed between a host and its printer; `error`: it tells of a failure."""

    text: str
    speaker: Speaker = Speaker.PRINTER
    error: bool = False


class Levels(NamedTuple):
    """What changes while a machine works; None or empty where the host did not say.

    `position` in mm by axis (`x`, `y`, `z`), `homed` the axes that know where they are, `fans` and
    the factors as shares (1 is full, or as in the file), `z_offset` in mm, `layer` from 1.
    """

    position: Mapping[str, float] = _NOTHING
    homed: str | None = None
    fans: Mapping[str, float] = _NOTHING
    speed: float | None = None
    flow: float | None = None
    z_offset: float | None = None
    layer: int | None = None
    layers: int | None = None


@dataclass(frozen=True, slots=True)
class PrintObject:
    """One object of the running print, by the name its slicer gave it."""

    name: str
    excluded: bool = False
    current: bool = False
    outline: Sequence[tuple[float, float]] = ()


@dataclass(frozen=True, slots=True)
class BedMesh:
    """A measured bed: `heights` in mm, rows from front to back, over `(x, y)` from `least` on."""

    profile: str
    least: tuple[float, float]
    most: tuple[float, float]
    heights: Sequence[Sequence[float]]


@dataclass(frozen=True, slots=True)
class CameraAddress:
    """A camera that the host knows; addresses as the host gives them, perhaps relative to it."""

    name: str
    stream: str
    snapshot: str
    rotation: int = 0
    flipped: bool = False
    mirrored: bool = False


@dataclass(frozen=True, slots=True)
class PowerDevice:
    """Something that the host can switch; `locked` while a print runs."""

    name: str
    on: bool | None
    locked: bool = False


@dataclass(frozen=True, slots=True)
class HostFile:
    """A print file on a printer's own disk, as its host has read it; None where it does not say.

    `path` is the host's name for it, `version` changes with its content. Lengths are mm, weights g,
    temperatures °C, `estimated_s` is the slicer's word. `has_picture`: a `FileTeller` may show one.
    """

    path: str
    version: str = ""
    slicer: str = ""
    estimated_s: float | None = None
    filament_mm: float | None = None
    filament_g: float | None = None
    layers: int | None = None
    layer_height: float | None = None
    first_layer_height: float | None = None
    object_height: float | None = None
    first_layer_nozzle_c: float | None = None
    first_layer_bed_c: float | None = None
    chamber_c: float | None = None
    has_picture: bool = False


PICTURE_LIMIT, PICTURE_WIDEST = 512 << 10, 4096
"""Bytes of a picture, and pixels of the side of one; slicers make some of 5 to 100 kB."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that a slicer put into a file."""

    data: bytes
    media_type: str

    @classmethod
    def of(cls, data: bytes) -> Picture | None:
        """A PNG or a JPEG of at most 512 KiB and 4096 pixels a side; None for anything else.

        Its own bytes say what it is: a few of them can stand for more pixels than a browser bears.
        """
        found, drawn = images.media_type(data), images.sides(data)
        if found is None or drawn is None or len(data) > PICTURE_LIMIT:
            return None
        return cls(data, found) if 0 < min(drawn) <= max(drawn) <= PICTURE_WIDEST else None


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A command that the host knows, with its own word on it."""

    command: str
    help: str = ""


@dataclass(frozen=True, slots=True)
class Equipment:
    """What a host has to offer, read when a person opens a printer's panel.

    `file` is the one that it prints, or printed last, whoever began that.
    """

    macros: Sequence[str] = ()
    objects: Sequence[PrintObject] = ()
    mesh: BedMesh | None = None
    cameras: Sequence[CameraAddress] = ()
    power: Sequence[PowerDevice] = ()
    suggestions: Sequence[Suggestion] = ()
    file: HostFile | None = None
