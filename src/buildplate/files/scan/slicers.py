"""What slicers write about a print into the comments at the head and tail of its file.

Formats as written by PrusaSlicer 2.5 (measured), and as other slicers document or show them in
published files: SuperSlicer, OrcaSlicer and BambuStudio (PrusaSlicer's family), Cura,
Simplify3D and ideaMaker.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    Reader = Callable[[str, str | None, dict[str, str]], "SlicerFacts"]

PAIR = re.compile(
    rb"^;[ \t]*([A-Za-z][^=:,;\r\n]{0,60}?)[ \t]*[=:,][ \t]*([^\r\n]{0,4000})", re.MULTILINE
)
NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)")
DURATION = re.compile(r"(?<![\d.])(\d++(?:\.\d+)?)\s*(d|h|m|s)", re.IGNORECASE)
MOST_TOOLS = 64
LONGEST = 80
"""Characters of a name that are kept."""
UNIT_S = {"d": 86400, "h": 3600, "m": 60, "s": 1}

Pairs = dict[str, str]


@dataclass(frozen=True, slots=True)
class SlicerFacts:
    """What the slicer said; lists run by tool, None in them and elsewhere is unsaid."""

    slicer: str
    version: str | None = None
    estimated_s: float | None = None
    filament_mm: tuple[float | None, ...] = ()
    filament_g: tuple[float | None, ...] = ()
    filament_types: tuple[str | None, ...] = ()
    nozzles_mm: tuple[float | None, ...] = ()
    total_mm: float | None = None
    total_g: float | None = None
    layers: int | None = None
    layer_height: float | None = None
    first_layer_height: float | None = None
    printer_model: str | None = None


def slicer_facts(head: bytes, tail: bytes) -> SlicerFacts | None:
    """Reads the comments of a file's first and last bytes; None where no known slicer signed."""
    for signature, read in FAMILIES:
        signed = signature.search(head) or signature.search(tail)
        if signed:
            version = _text(signed[2])[:LONGEST] if signed[2] else None
            return read(_text(signed[1])[:LONGEST], version, _pairs(head, tail))
    return None


def _pairs(head: bytes, tail: bytes) -> Pairs:
    pairs: Pairs = {}
    for text in (head, tail):
        for key, value in PAIR.findall(text):
            pairs.setdefault(_text(key).lower(), _text(value).strip())
    return pairs


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def _number(text: str | None) -> float | None:
    found = NUMBER.search(text or "")
    value = float(found[0]) if found else math.nan
    return value if math.isfinite(value) else None


def _length(text: str | None) -> float | None:
    """A length in mm; one given in percent of another says nothing here."""
    return None if "%" in (text or "") else _number(text)


def _count(text: str | None) -> int | None:
    value = _number(text)
    return int(value) if value and value > 0 else None


def _numbers(text: str | None) -> tuple[float | None, ...]:
    return tuple(_number(part) for part in text.split(",")) if text else ()


def _words(text: str | None, separator: str = ";") -> tuple[str | None, ...]:
    if not text:
        return ()
    return tuple(part.strip().strip('"')[:LONGEST] or None for part in text.split(separator))


def _duration(text: str | None) -> float | None:
    """Seconds in "1d 2h 3m 4s", "1 hour 2 minutes" or "7384"."""
    parts = DURATION.findall(text or "")
    if not parts:
        return _number(text)
    return sum(float(number) * UNIT_S[unit.lower()] for number, unit in parts)


def _first(pairs: Pairs, *keys: str) -> str | None:
    return next((pairs[key] for key in keys if pairs.get(key)), None)


def _name(pairs: Pairs, *keys: str) -> str | None:
    return (_first(pairs, *keys) or "")[:LONGEST] or None


def _total(said: float | None, parts: tuple[float | None, ...]) -> float | None:
    """The total, said or summed; no filament at all means that the slicer could not tell."""
    return said or sum(part or 0.0 for part in parts) or None


def _prusa(name: str, version: str | None, pairs: Pairs) -> SlicerFacts:
    millimetres = _numbers(_first(pairs, "filament used [mm]", "total filament length [mm]"))
    grams = _numbers(_first(pairs, "filament used [g]", "total filament weight [g]"))
    slots = [int(slot) for slot in _numbers(pairs.get("filament")) if slot]
    both = pairs.get("model printing time", "").partition("total estimated time:")[2]
    return SlicerFacts(
        slicer=name,
        version=version,
        estimated_s=_duration(both or pairs.get("estimated printing time (normal mode)")),
        filament_mm=_by_tool(millimetres, slots),
        filament_g=_by_tool(grams, slots),
        filament_types=_words(pairs.get("filament_type")),
        nozzles_mm=_numbers(pairs.get("nozzle_diameter")),
        total_mm=_total(None, millimetres),
        total_g=_total(_number(pairs.get("total filament used [g]")), grams),
        layers=_count(_first(pairs, "total layer number", "total layers count")),
        layer_height=_length(pairs.get("layer_height")),
        first_layer_height=_length(
            _first(pairs, "first_layer_height", "initial_layer_print_height")
        ),
        printer_model=_name(pairs, "printer_model"),
    )


def _by_tool(values: tuple[float | None, ...], slots: list[int]) -> tuple[float | None, ...]:
    """Values of the filament slots used (from 1, BambuStudio's way), put in their tools' places."""
    if not slots or len(slots) != len(values) or not all(0 < slot <= MOST_TOOLS for slot in slots):
        return values
    placed: list[float | None] = [None] * max(slots)
    for slot, value in zip(slots, values, strict=True):
        placed[slot - 1] = value
    return tuple(placed)


def _cura(name: str, version: str | None, pairs: Pairs) -> SlicerFacts:
    used = _words(pairs.get("filament used"), ",")
    metres = [_number(part) if part and part.endswith("m") else None for part in used]
    millimetres = tuple(None if length is None else length * 1000 for length in metres)
    nozzle = pairs.get("extruder_train.0.nozzle.diameter")
    return SlicerFacts(
        slicer=name,
        version=version,
        estimated_s=_number(_first(pairs, "time", "print.time")),
        filament_mm=millimetres,
        nozzles_mm=_numbers(nozzle),
        total_mm=_total(None, millimetres),
        layers=_count(pairs.get("layer_count")),
        layer_height=_length(pairs.get("layer height")),
        printer_model=_name(pairs, "target_machine.name"),
    )


def _simplify3d(name: str, version: str | None, pairs: Pairs) -> SlicerFacts:
    return SlicerFacts(
        slicer=name,
        version=version,
        estimated_s=_duration(pairs.get("build time")),
        filament_types=_words(pairs.get("printmaterial")),
        nozzles_mm=_numbers(pairs.get("extruderdiameter")),
        total_mm=_total(_number(pairs.get("filament length")), ()),
        total_g=_total(_number(_first(pairs, "plastic weight", "material weight")), ()),
        layer_height=_length(pairs.get("layerheight")),
    )


def _ideamaker(name: str, version: str | None, pairs: Pairs) -> SlicerFacts:
    tools = range(1, 1 + sum(f"material#{n} used" in pairs for n in range(1, MOST_TOOLS)))
    millimetres = tuple(_number(pairs.get(f"material#{n} used")) for n in tools)
    grams = tuple(_weight(pairs, n, millimetres[n - 1]) for n in tools)
    dimension = (pairs.get("dimension") or "").split()
    return SlicerFacts(
        slicer=name,
        version=version,
        estimated_s=_duration(pairs.get("print time")),
        filament_mm=millimetres,
        filament_g=grams,
        filament_types=tuple(
            _name(pairs, f"filament type #{n}", f"filament name #{n}") for n in tools
        ),
        nozzles_mm=tuple(_number(part) for part in dimension[3:]),
        total_mm=_total(None, millimetres),
        total_g=_total(None, grams),
        layers=_count(pairs.get("layer count")),
        layer_height=_length(pairs.get("layer height")),
    )


def _weight(pairs: Pairs, tool: int, length_mm: float | None) -> float | None:
    """Grams of a filament, from its length, diameter (mm) and density (kg/m³)."""
    diameter = _number(pairs.get(f"filament diameter #{tool}"))
    density = _number(pairs.get(f"filament density #{tool}"))
    if length_mm is None or diameter is None or density is None:
        return None
    return math.pi * (diameter / 2) ** 2 * length_mm * density * 1e-6


FAMILIES: tuple[tuple[re.Pattern[bytes], Reader], ...] = (
    (re.compile(rb"(?m)^;[ \t]*G-Code generated by (Simplify3D)\S* Version ([\w.]+)"), _simplify3d),
    (re.compile(rb"(?m)^;[ \t]*Sliced by (ideaMaker) ([\w.]+)"), _ideamaker),
    (re.compile(rb"(?m)^;[ \t]*Generated with (Cura)_SteamEngine ([\w.]+)"), _cura),
    (
        re.compile(rb"(?m)^;GENERATOR\.NAME:(Cura)_SteamEngine\r?\n;GENERATOR\.VERSION:([\w.]+)"),
        _cura,
    ),
    (re.compile(rb"(?m)^;[ \t]*generated by ([A-Za-z][\w-]*)(?: (\d[\w.-]*))?"), _prusa),
    (re.compile(rb"(?m)^;[ \t]*(BambuStudio) ([\w.]+)"), _prusa),
)
