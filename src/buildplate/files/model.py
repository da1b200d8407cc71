"""The values of the file room: a stored print file and what is known about its content."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


class FileState(StrEnum):
    """How far a stored file is; only its analysis is ever outstanding, never its content."""

    ANALYSING = "analysing"
    """Stored and safe; the analysis is not there yet. Prints wait: `file_not_ready`."""
    READY = "ready"
    """Stored and analysed."""
    UNREADABLE = "unreadable"
    """Stored, but its analysis gave no result: nobody knows whether it fits a printer."""


@dataclass(frozen=True, slots=True)
class Box:
    """An axis-parallel box in mm, in the printer's coordinates."""

    min_x: float
    min_y: float
    min_z: float
    max_x: float
    max_y: float
    max_z: float


@dataclass(frozen=True, slots=True)
class ToolUse:
    """What one tool does in a file; None where the file does not say."""

    tool: int
    filament_mm: float | None = None
    filament_g: float | None = None
    filament_type: str | None = None
    nozzle_mm: float | None = None


@dataclass(frozen=True, slots=True)
class ThumbnailPlace:
    """Where in the file its best picture is, as base64 in comment lines (offset, length: bytes)."""

    media_type: str
    width: int
    height: int
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Analysis:
    """What the content of a file says about the print; None is unknown, never a guess.

    Lengths in mm, temperatures in °C, times in s, filament in mm and g. `print_box` holds
    every extruding move, `travel_box` every move the file commands, both without homing.
    """

    lines: int
    print_box: Box | None = None
    travel_box: Box | None = None
    tools: tuple[ToolUse, ...] = ()
    max_nozzle_c: float | None = None
    max_bed_c: float | None = None
    max_chamber_c: float | None = None
    slicer: str | None = None
    slicer_version: str | None = None
    estimated_s: float | None = None
    filament_mm: float | None = None
    filament_g: float | None = None
    layers: int | None = None
    layer_height: float | None = None
    first_layer_height: float | None = None
    printer_model: str | None = None
    thumbnail: ThumbnailPlace | None = None

    def to_dict(self) -> dict[str, Any]:
        """Returns plain values that JSON can carry; `from_dict` reads them back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Reads what `to_dict` gave.

        Raises:
            TypeError: a field is unknown or missing.
        """
        values = dict(plain)
        for name in ("print_box", "travel_box"):
            values[name] = Box(**values[name]) if values.get(name) else None
        place = values.get("thumbnail")
        values["thumbnail"] = ThumbnailPlace(**place) if place else None
        values["tools"] = tuple(ToolUse(**tool) for tool in values.get("tools", ()))
        return cls(**values)


@dataclass(frozen=True, slots=True)
class Blob:
    """Stored content: its hash and size, and the same of the bytes that go to a printer."""

    sha256: str
    size: int
    printer_sha256: str
    printer_size: int


@dataclass(frozen=True, slots=True)
class PrintFile:
    """One stored file. `sha256` is its identity, `name` is only for people, never a path.

    `sent_by` names who sent it first, as in "user ann"; None where that is not known.
    """

    id: str
    sha256: str
    size: int
    printer_sha256: str
    name: str
    created_at: datetime
    state: FileState
    analysis: Analysis | None = None
    sent_by: str | None = None

    @property
    def printer_size(self) -> int:
        """The bytes a printer gets: one more where the last newline was missing."""
        return self.size + (self.printer_sha256 != self.sha256)


@dataclass(frozen=True, slots=True)
class StoredFile:
    """The answer to an upload; `created` is False where the same content was there already."""

    file: PrintFile
    created: bool


@dataclass(frozen=True, slots=True)
class FilePage:
    """A part of the list of files, newest first; `next_cursor` is None on the last one."""

    items: tuple[PrintFile, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A picture of the print, as the slicer drew it."""

    media_type: str
    width: int
    height: int
    data: bytes
