"""Temperatures, positions and identities, as the firmwares' dialects report them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

HIGHEST_C = 2000.0
MOST_HEATERS = 32
MOST_EXTRUDERS = 16


class Dialect(StrEnum):
    """A family of firmwares that answer alike."""

    MARLIN1 = "marlin1"
    MARLIN2 = "marlin2"
    PRUSA = "prusa"
    REPETIER = "repetier"
    SMOOTHIE = "smoothie"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Heat:
    """One heater or sensor in °C; `target` is None where the line does not tell it."""

    actual: float
    target: float | None = None


@dataclass(frozen=True, slots=True)
class Temperatures:
    """Heaters by name: `tool0`, `tool1`, ..., `bed`, `chamber`, and sensors by their letter.

    `active_only`: only one tool was told, without its number, under `tool0` whichever it is.
    """

    heaters: Mapping[str, Heat]
    active_only: bool = False


@dataclass(frozen=True, slots=True)
class Position:
    """Where the tool is, in mm of the current coordinates, `e` included."""

    axes: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Firmware:
    """What M115 answered."""

    name: str
    dialect: Dialect
    version: str = ""
    machine: str = ""
    extruders: int | None = None
    facts: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


_NUMBER = r"(-?\d{1,6}(?:\.\d{0,8})?)"
_HEATER = re.compile(rf"(?:^|\s)(T\d{{0,2}}|B|C|P|R|A|L|M)\s?:\s*{_NUMBER}(?:\s*/\s*{_NUMBER})?")
_WAITED_FOR = re.compile(r"\sE:\s?([0-9]|1[0-5])(?=\s|$)")
_LOOKS_HOT = re.compile(r"(?:^|\s)(?:T\d{0,2}|B)\s?:\s*-?\d")
_POSITION = re.compile(rf"(?:^|[\s:])([XYZEABCUVW])\s?:\s*{_NUMBER}")
_FACT = re.compile(r"(?:^|[\s,])((?:X-)?[A-Z][A-Z0-9_]{2,30}):")
_VERSION = re.compile(r"\d+(?:\.\d+)+[\w.+-]*|edge-\w+")
_SENSORS = {"B": "bed", "C": "chamber", "P": "probe", "R": "redundant", "A": "ambient"}
_SENSORS |= {"L": "cooler", "M": "board"}


def read_temperatures(text: str) -> Temperatures | None:
    """The heaters that a line tells of; None for a line that is no temperature report."""
    if _LOOKS_HOT.search(text) is None or _POSITION_START.search(text):
        return None
    found: dict[str, Heat] = {}
    for name, actual, target in _HEATER.findall(text)[:MOST_HEATERS]:
        heat = _heat(actual, target)
        if heat is not None:
            found.setdefault(name, heat)
    tools = {f"tool{int(name[1:])}": heat for name, heat in found.items() if name[1:].isdigit()}
    active_only = not tools and "T" in found
    if active_only:
        # A wait for heat names the tool that is waited for beside it.
        named = _WAITED_FOR.search(text)
        active_only = named is None
        tools = {f"tool{named[1] if named else 0}": found["T"]}
    others = {_SENSORS[name]: heat for name, heat in found.items() if name in _SENSORS}
    heaters = tools | others
    return Temperatures(heaters, active_only) if heaters else None


def _heat(actual: str, target: str) -> Heat | None:
    now = float(actual)
    if not -HIGHEST_C < now < HIGHEST_C:
        return None
    wanted = float(target) if target else None
    if wanted is not None and not 0 <= wanted < HIGHEST_C:
        wanted = None
    return Heat(now, wanted)


_POSITION_START = re.compile(r"(?:^|[\s:])X\s?:\s*-?\d")


def read_position(text: str) -> Position | None:
    """The position that a line tells; None for other lines. Steps (`Count`) are left out."""
    if _POSITION_START.search(text) is None:
        return None
    spoken = text.partition("Count")[0]
    found: dict[str, float] = {}
    for name, value in _POSITION.findall(spoken):
        found.setdefault(name.lower(), float(value))
    return Position(found) if {"x", "y", "z"} <= found.keys() else None


def read_firmware(text: str) -> Firmware:
    """The answer to M115, which is one line of `KEY:value` pairs in every dialect."""
    keys = list(_FACT.finditer(text))
    facts = {}
    for at, key in enumerate(keys):
        end = keys[at + 1].start() if at + 1 < len(keys) else len(text)
        facts[key[1]] = text[key.end() : end].strip(" ,")
    name = facts.get("FIRMWARE_NAME", "")
    version = facts.get("FIRMWARE_VERSION", "")
    if not version and (found := _VERSION.search(name)):
        version = found[0]
    extruders = facts.get("EXTRUDER_COUNT", "")
    counted = int(extruders) if re.fullmatch(r"[0-9]{1,2}", extruders) else 0
    return Firmware(
        name=name,
        dialect=dialect_of(name, version),
        version=version,
        machine=facts.get("MACHINE_TYPE", ""),
        extruders=counted if 0 < counted <= MOST_EXTRUDERS else None,
        facts=MappingProxyType(facts),
    )


def dialect_of(name: str, version: str = "") -> Dialect:
    """The dialect by what a firmware calls itself, in its banner or in M115's answer."""
    low = name.lower()
    if "prusa" in low:
        return Dialect.PRUSA
    if "repetier" in low:
        return Dialect.REPETIER
    if "smoothie" in low:
        return Dialect.SMOOTHIE
    if "marlin" in low:
        major = version or (found[0] if (found := _VERSION.search(name)) else "")
        # 1.0 and 1.1 were the last of their line; bugfix builds name it themselves.
        old = major.startswith("1.") or "marlin v1" in low or "1.1" in low
        return Dialect.MARLIN1 if old or not major else Dialect.MARLIN2
    return Dialect.UNKNOWN
